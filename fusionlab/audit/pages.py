"""Pages as HTML: the templates of this package, filled in, with every text escaped."""

from __future__ import annotations

from functools import lru_cache
from importlib import resources
from typing import TYPE_CHECKING, Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from plotly.offline import get_plotlyjs

from fusionlab import __version__

if TYPE_CHECKING:
    from fusionlab.audit.scene import ScenePage


@lru_cache(maxsize=1)
def environment() -> Environment:
    """Return the environment of the templates: undefined names are errors."""
    made = Environment(
        loader=PackageLoader("fusionlab.audit"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals["version"] = __version__
    return made


def render(template: str, root: str, **content: Any) -> str:
    """Fill in a template.

    Parameters
    ----------
    root : the way from the page to the report's root, e.g. ``"../"``; all links begin with it.
    """
    return environment().get_template(template).render(root=root, **content)


def render_scene(
    page: ScenePage,
    labels: str,
    *,
    root: str = "../../",
    template: str = "scene.html.j2",
    **more: Any,
) -> str:
    """Return the page of one scene.

    Parameters
    ----------
    labels : name of the labels manifest.
    template : another one may extend ``scene.html.j2`` and fill its block ``controls``.
    more : what that template wants besides.
    """
    return render(template, root, page=page, labels=labels, **more)


def plotly_script() -> bytes:
    """Return Plotly for the browser, as the installed package brings it."""
    script: str = get_plotlyjs()
    return script.encode()


def assets() -> dict[str, bytes]:
    """Return the style and the scripts of the pages by their file names."""
    return static_files("fusionlab.audit")


def static_files(package: str) -> dict[str, bytes]:
    """Return the files of the folder ``static`` of a package by their names."""
    folder = resources.files(package) / "static"
    return {file.name: file.read_bytes() for file in folder.iterdir() if file.is_file()}

"""The manifests that come with FusionLab: the public benchmarks in their usual folder layouts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

from fusionlab.configs import load_yaml
from fusionlab.errors import UnknownNameError, UsageError
from fusionlab.ingest.manifest import Manifest, load_manifest

if TYPE_CHECKING:
    from collections.abc import Mapping

_ENDINGS = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class Shipped:
    """One shipped manifest.

    Attributes
    ----------
    name : what it is called on the command line.
    path : the YAML file.
    manifest : what it says; it has no root of its own.
    title : one sentence about the data set.
    layout : where the files lie, with examples, one line each.
    """

    name: str
    path: Path
    manifest: Manifest
    title: str
    layout: tuple[str, ...]


@cache
def shipped_manifests() -> Mapping[str, Shipped]:
    """Return the manifests that come with FusionLab, by name."""
    folder = resources.files("fusionlab.ingest") / "manifests"
    paths = sorted(Path(str(file)) for file in folder.iterdir() if file.name.endswith(_ENDINGS))
    return {path.stem: _read(path) for path in paths}


def find_manifest(name: str, root: Path | None = None) -> tuple[Manifest, Path]:
    """Read a manifest from a YAML file, or take a shipped one by its name, and find its root.

    Parameters
    ----------
    name : path of a file, or a name such as ``"msrs"``.
    root : where the images lie; instead of the file's own root.

    Raises
    ------
    UnknownNameError
        When nothing of that name is shipped.
    UsageError
        When a shipped one is asked for without `root`.
    ConfigError
        When the file is wrong, or the root is neither a folder nor an archive.
    """
    shipped = shipped_manifests()
    if name not in shipped:
        if name.endswith(_ENDINGS) or "/" in name or Path(name).is_file():
            return load_manifest(Path(name), root)
        raise UnknownNameError("manifest (a file would end in .yaml)", name, shipped)
    if root is None:
        layout = "; ".join(line.strip() for line in shipped[name].layout)
        raise UsageError(
            f"manifest {name!r} does not know where your copy lies; give --root FOLDER. It expects "
            f"{layout}"
        )
    return load_manifest(shipped[name].path, root)


def _read(path: Path) -> Shipped:
    """Read one file; the comment at its head is a title, and an indented layout below that."""
    comments = []
    for line in path.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            break
        comments.append(line[1:].removeprefix(" "))
    until = next((i for i, line in enumerate(comments) if line.startswith("Seen:")), len(comments))
    layout = tuple(line for line in comments[1:until] if line.startswith("  "))
    return Shipped(path.stem, path, load_yaml(path, Manifest), comments[0], layout)

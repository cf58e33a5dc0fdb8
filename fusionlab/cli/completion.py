"""What the shell offers after the tab key: tasks, data sets, labels, policies, metrics and so on.

Answers come from file names where they can, so that the key does not wait for heavy imports. What
cannot be read offers nothing; the command itself says what is wrong.
"""

from __future__ import annotations

import os
from importlib import resources
from pathlib import Path
from typing import TYPE_CHECKING

import typer

from fusionlab.shipped import shipped
from fusionlab.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterable


def tasks(incomplete: str) -> list[str]:
    """Offer the four tasks, also as a list with commas."""
    return _listed(TASKS, incomplete)


def parts(incomplete: str) -> list[str]:
    """Offer the parts of a split, as a list with commas."""
    return _listed(("train", "validation", "test"), incomplete)


def policies(incomplete: str) -> list[str]:
    """Offer the shipped policies, and YAML files."""
    folder = resources.files("fusionlab") / "selection" / "policies"
    names = [Path(file.name).stem for file in folder.iterdir()]
    return _starting(names, incomplete) + _files(incomplete)


def pipelines(incomplete: str) -> list[str]:
    """Offer the shipped pipelines, and YAML files."""
    return _starting(_stems(shipped("pipelines"), "*.yaml"), incomplete) + _files(incomplete)


def manifests(incomplete: str) -> list[str]:
    """Offer the shipped manifests, and YAML files."""
    return _starting(_stems(shipped("manifests"), "*.yaml"), incomplete) + _files(incomplete)


def metrics(incomplete: str) -> list[str]:
    """Offer the metrics, as a list with commas."""
    from fusionlab.metrics import names

    return _listed(names(), incomplete)


def methods(incomplete: str) -> list[str]:
    """Offer the methods that come with FusionLab, as a list with commas."""
    from fusionlab.baselines import names

    return _listed(names(), incomplete)


def labels(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the labels manifests of the lab."""
    return _starting(_stems(_lab(ctx) / "labels", "[!.]*.parquet"), incomplete)


def datasets(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the data sets of the lab, also as a list with commas."""
    found = _stems(_lab(ctx) / "index", "[!.]*.parquet")
    return _listed([name.partition("-")[2] for name in found], incomplete)


def runs(ctx: typer.Context, incomplete: str) -> list[str]:
    """Offer the runs of the lab, as a list with commas."""
    return _listed(_stems(_lab(ctx) / "runs", "[!.]*"), incomplete)


def _lab(ctx: typer.Context) -> Path:
    """Return the lab that the line names; one in an object store offers nothing."""
    named = ctx.params.get("lab") or os.environ.get("FUSIONLAB_LAB") or "lab"
    return Path(str(named)).expanduser()


def _stems(folder: Path, pattern: str) -> list[str]:
    return [path.stem for path in sorted(folder.glob(pattern))]


def _starting(names: Iterable[str], incomplete: str) -> list[str]:
    return sorted({name for name in names if name.startswith(incomplete)})


def _listed(names: Iterable[str], incomplete: str) -> list[str]:
    """Complete the last name of a list with commas by names that are not in it yet."""
    before, comma, last = incomplete.rpartition(",")
    free = set(names) - set(before.split(","))
    return [f"{before}{comma}{name}" for name in _starting(free, last)]


def _files(incomplete: str) -> list[str]:
    """Offer YAML files, and folders once a name is begun, as the shell would."""
    above, slash, last = incomplete.rpartition("/")
    try:
        inside = list(Path(above + slash).expanduser().iterdir())
    except OSError:
        return []
    found = [p for p in inside if (incomplete and p.is_dir()) or p.suffix in {".yaml", ".yml"}]
    names = [p.name + "/" * p.is_dir() for p in found if not p.name.startswith(".")]
    return [above + slash + name for name in _starting(names, last)]

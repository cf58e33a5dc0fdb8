"""The manifests that come with FusionLab: the public benchmarks in their usual folder layouts."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from fusionlab.configs import load_yaml
from fusionlab.errors import UnknownNameError, UsageError
from fusionlab.ingest.manifest import Manifest, load_manifest
from fusionlab.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

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
    return {path.stem: _read(path) for path in sorted(shipped("manifests").glob("*.yaml"))}


def name_and_root(text: str) -> tuple[str, Path | None]:
    """Cut ``NAME=FOLDER`` in two; a name alone, or a file whose name holds ``=``, has no root."""
    name, equals, folder = text.partition("=")
    if not equals or Path(text).is_file():
        return text, None
    return name, Path(folder).expanduser()


def listed_manifests(names: Iterable[str]) -> list[str]:
    """Return names and files of manifests, those in a folder in its place, sorted.

    Raises
    ------
    UsageError
        When a folder holds none.
    """
    known, found = shipped_manifests(), []
    for name in names:
        if name in known or not Path(name).is_dir():
            found.append(name)
            continue
        files = sorted(str(p) for p in Path(name).iterdir() if p.name.endswith(_ENDINGS))
        if not files:
            raise UsageError(f"{name}: is a folder without manifests ({' or '.join(_ENDINGS)})")
        found += files
    return found


def find_manifest(name: str, root: Path | None = None) -> tuple[Manifest, Path]:
    """Read a manifest from a YAML file, or take a shipped one by its name, and find its root.

    Parameters
    ----------
    name : path of a file, or a name such as ``"msrs"``; ``NAME=FOLDER`` says its root too.
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
    name, told = name_and_root(name)
    root = told or root
    known = shipped_manifests()
    if name not in known:
        if name.endswith(_ENDINGS) or "/" in name or Path(name).is_file():
            return load_manifest(Path(name), root)
        raise UnknownNameError("manifest (a file would end in .yaml)", name, known)
    if root is None:
        layout = "; ".join(line.strip() for line in known[name].layout)
        raise UsageError(
            f"manifest {name!r} does not know where your copy lies; give --root FOLDER, or "
            f"{name}=FOLDER. It expects {layout}"
        )
    return load_manifest(known[name].path, root)


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

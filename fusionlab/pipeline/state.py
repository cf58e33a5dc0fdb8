"""What a pipeline stands on, as digests: whether anything has changed since it last ran.

It stands on every file of the lab but its pixels, which the digests in its index stand for, and on
every file and folder that stages are told of. The digest is SHA-256 of a table, a model or a file
of settings. In folders of images, of sources or of what a stage wrote, it is that of sizes and
times of change: reading thousands of images to learn that nothing changed would take minutes.
"""

from __future__ import annotations

import hashlib
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator


@dataclass(frozen=True)
class World:
    """Digests of what a pipeline stands on.

    Attributes
    ----------
    lab : file of the lab -> digest.
    beside : file or folder that stages are told of -> digest, or ``absent``.
    """

    lab: dict[str, str] = field(default_factory=dict)
    beside: dict[str, str] = field(default_factory=dict)

    def changed_to(self, after: World) -> dict[str, str]:
        """Return the digests of what is new in `after`, or has changed."""
        one, other = {**self.beside, **self.lab}, {**after.beside, **after.lab}
        return {name: other[name] for name in sorted(other) if one.get(name) != other[name]}

    def agrees(self, other: World, beside: Iterable[Path]) -> bool:
        """Tell whether nothing differs in the lab, and in some files and folders beside it."""
        same = all(self.beside.get(str(p)) == other.beside.get(str(p)) for p in beside)
        return same and self.lab == other.lab


#: Folders of a lab that hold pixels, or what only serves to go on after a stop.
_PASSED_OVER = {
    "images.zarr",
    "pipelines",
    "checkpoints",
    "samples",
    "images",
    "fused",
    "tensorboard",
}

#: Kinds of files that are read to the end; of all others size and time stand for the content.
_READ = {".parquet", ".json", ".safetensors", ".yaml", ".yml"}


def world_of(lab: Path | None, paths: Iterable[Path]) -> World:
    """Return the digests of the files of a lab, and of the files and folders beside it.

    Parameters
    ----------
    lab : a local folder; None where there is none, or where it is in an object store.
    paths : what is not there counts as absent.
    """
    inside = {} if lab is None else {str(f): _content(f) for f in _files(lab, _PASSED_OVER)}
    return World(inside, {str(path): _digest(path) for path in paths})


def _digest(path: Path) -> str:
    if path.is_dir():
        return _listing(path)
    return _content(path) if path.is_file() else "absent"


def _files(folder: Path, passed_over: set[str]) -> Iterator[Path]:
    """Yield the files below a folder, hidden ones and some folders left out."""
    for place, folders, files in os.walk(folder):
        folders[:] = sorted(f for f in folders if f not in passed_over and not f.startswith("."))
        yield from (Path(place) / name for name in sorted(files) if not name.startswith("."))


def _content(file: Path) -> str:
    """Return the digest of a file, or what stands for it."""
    if file.suffix not in _READ:
        return _stat(file)
    digest = hashlib.sha256()
    with file.open("rb") as opened:
        while block := opened.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _stat(file: Path) -> str:
    found = file.stat()
    return f"{found.st_size}-{found.st_mtime_ns}"


def _listing(folder: Path) -> str:
    """Return the digest of the names, sizes and times of all files below a folder."""
    digest = hashlib.sha256()
    for file in _files(folder, set()):
        digest.update(f"{file.relative_to(folder)}\0{_stat(file)}\n".encode())
    return digest.hexdigest()

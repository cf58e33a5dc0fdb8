"""Which images belong together: files of one name in the folders of all sources."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionlab.errors import UsageError
from fusionlab.measuring.pairs import images_in
from fusionlab.measuring.table import Reject
from fusionlab.store import is_safe_name

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@dataclass(frozen=True)
class Job:
    """One image to fuse.

    Attributes
    ----------
    name : of the output, without its ending: that of the first source.
    sources : their files, in order.
    """

    name: str
    sources: tuple[Path, ...]


def find(places: Sequence[Path]) -> tuple[list[Job], list[Reject]]:
    """Return what is to be fused, sorted by name, and what has no partner.

    Folders are paired by file name without the ending, and without regard to case and to how
    letters with accents are written. Files are one image, whatever they are called.

    Parameters
    ----------
    places : two or more folders, or two or more files; one a source.

    Raises
    ------
    UsageError
        When one does not exist, files and folders are mixed, or no name is in all folders.
    """
    for place in places:
        if not place.exists():
            raise UsageError(f"{place}: does not exist; name a file or a folder of images")
    folders = [place.is_dir() for place in places]
    if not any(folders):
        return _sound([Job(places[0].stem, tuple(places))])
    if not all(folders):
        mixed = ", ".join(f"{p} ({'folder' if p.is_dir() else 'file'})" for p in places)
        raise UsageError(f"sources: got {mixed}; name folders only, or files only")
    rejects: list[Reject] = []
    found = [images_in(folder, "source", "", rejects, _key) for folder in places]
    common = set.intersection(*(set(files) for files in found))
    for folder, files in zip(places, found, strict=True):
        rejects += _alone(files, common, folder, places, found)
    if not common:
        seen = "; ".join(f"{p}: {len(f)} images" for p, f in zip(places, found, strict=True))
        raise UsageError(
            "no image has the same file name (without its ending) in all folders. Found in "
            f"{seen}. Rename the files"
        )
    jobs = [Job(found[0][k].stem, tuple(files[k] for files in found)) for k in sorted(common)]
    sound, unsafe = _sound(jobs)
    return sound, rejects + unsafe


def reject(name: str, file: Path, reason: str, detail: str) -> Reject:
    """Return what is noted of a source that cannot be fused."""
    return Reject(
        role="source", method="", image=name, file=str(file), reason=reason, detail=detail
    )


def _key(stem: str) -> str:
    return unicodedata.normalize("NFC", stem).casefold()


def _sound(jobs: Sequence[Job]) -> tuple[list[Job], list[Reject]]:
    """Part what can be a file's name from what cannot."""
    rejects = []
    for job in jobs:
        if not is_safe_name(job.name):
            detail = f"{job.name!r} cannot be the name of an output; rename the file"
            rejects.append(reject(job.name, job.sources[0], "unsafe_name", detail))
    return [job for job in jobs if is_safe_name(job.name)], rejects


def _alone(
    files: dict[str, Path],
    common: set[str],
    folder: Path,
    places: Sequence[Path],
    found: Sequence[dict[str, Path]],
) -> list[Reject]:
    """Return a row for each image of `folder` that is not in all the others."""
    rejects = []
    for key, file in files.items():
        if key in common:
            continue
        lacking = [
            str(p) for p, f in zip(places, found, strict=True) if p != folder and key not in f
        ]
        detail = f"no image {file.stem!r} in {', '.join(lacking)}"
        rejects.append(reject(file.stem, file, "missing_source", detail))
    return rejects

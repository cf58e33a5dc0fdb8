"""Which files belong together: the same stem in the folders of A, of B and of each method."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusionlab.errors import UsageError
from fusionlab.images import SUFFIXES
from fusionlab.measuring.table import Reject

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


@dataclass
class Pair:
    """The files of one image: both sources, the reference if any, and the fused image of methods.

    Attributes
    ----------
    fused : method -> file.
    """

    image: str
    a: Path
    b: Path
    reference: Path | None = None
    fused: dict[str, Path] = field(default_factory=dict)


@dataclass(frozen=True)
class Found:
    """The pairs by the name of their image, how many methods there are, and what fits nowhere."""

    pairs: list[Pair]
    methods: list[str]
    rejects: list[Reject]


def find(a: Path, b: Path, fused: Path, reference: Path | None = None) -> Found:
    """Pair the images of the folders by file stem.

    Where `fused` holds only sub-folders, each of them is a method; else it is one method itself.

    Raises
    ------
    UsageError
        When a folder is not there, or not one stem is in A, B and a method's folder.
    """
    rejects: list[Reject] = []
    for folder in (a, b, fused, *([reference] if reference else [])):
        _require_folder(folder)
    first, second = (images_in(folder, "source", "", rejects) for folder in (a, b))
    truths = images_in(reference, "reference", "", rejects) if reference else {}
    methods = _methods(fused, rejects)
    pairs = {
        stem: Pair(stem, first[stem], second[stem], truths.get(stem))
        for stem in sorted(first.keys() & second.keys())
    }
    for method, files in methods.items():
        for stem, file in files.items():
            if stem in pairs:
                pairs[stem].fused[method] = file
    used = [pair for pair in pairs.values() if pair.fused]
    if not used:
        raise UsageError(_nothing(a, b, fused, first, second, methods) + _examples(rejects))
    rejects += _alone(first, second, b) + _alone(second, first, a)
    rejects += _without_sources(methods, pairs) + _without_fused(methods, pairs, fused)
    rejects += [
        _reject("reference", "", stem, file, "no_sources", f"no pair of sources {stem!r} was found")
        for stem, file in truths.items()
        if stem not in pairs
    ]
    return Found(used, sorted(methods), rejects)


def _require_folder(folder: Path) -> None:
    if not folder.is_dir():
        what = "is a file, and the others are folders" if folder.exists() else "does not exist"
        raise UsageError(f"{folder}: {what}; give three files or three folders: A B FUSED")


def _methods(fused: Path, rejects: list[Reject]) -> dict[str, dict[str, Path]]:
    """Return method -> stem -> file."""
    entries = [entry for entry in sorted(fused.iterdir()) if not entry.name.startswith(".")]
    folders = [entry for entry in entries if entry.is_dir()]
    if folders and len(folders) == len(entries):
        return {
            folder.name: images_in(folder, "method", folder.name, rejects) for folder in folders
        }
    name = fused.resolve().name
    return {name: images_in(fused, "method", name, rejects)}


def images_in(
    folder: Path,
    role: str,
    method: str,
    rejects: list[Reject],
    key: Callable[[str], str] = str,
) -> dict[str, Path]:
    """Return stem -> file of the images in `folder`; what is no image or comes twice is rejected.

    Hidden files are passed over.

    Parameters
    ----------
    key : of a stem, what it is found and told from others by.
    """
    stems: dict[str, list[Path]] = defaultdict(list)
    for file in sorted(folder.iterdir()):
        if file.name.startswith("."):
            continue
        if file.is_dir():
            detail = "a folder in a folder of images is not entered"
            rejects.append(_reject(role, method, "", file, "unmatched_file", detail))
        elif file.suffix.lower() not in SUFFIXES:
            detail = f"its ending is none of {' '.join(sorted(SUFFIXES))}"
            rejects.append(_reject(role, method, file.stem, file, "unmatched_file", detail))
        else:
            stems[key(file.stem)].append(file)
    for stem, files in stems.items():
        if len(files) > 1:
            detail = f"{' and '.join(f.name for f in files)} claim the same place; keep one"
            rejects += [_reject(role, method, stem, f, "duplicate_file", detail) for f in files]
    return {stem: files[0] for stem, files in stems.items() if len(files) == 1}


def _alone(these: dict[str, Path], others: dict[str, Path], where: Path) -> list[Reject]:
    return [
        _reject("source", "", stem, file, "missing_source", f"no image {stem!r} in {where}")
        for stem, file in these.items()
        if stem not in others
    ]


def _without_sources(methods: dict[str, dict[str, Path]], pairs: dict[str, Pair]) -> list[Reject]:
    return [
        _reject("method", method, stem, file, "no_sources", f"no pair of sources {stem!r} found")
        for method, files in methods.items()
        for stem, file in files.items()
        if stem not in pairs
    ]


def _without_fused(
    methods: dict[str, dict[str, Path]], pairs: dict[str, Pair], fused: Path
) -> list[Reject]:
    """Return a row for each method and pair that lack the fused image."""
    return [
        _reject(
            "method",
            method,
            stem,
            fused / method if len(methods) > 1 else fused,
            "missing_fused",
            f"{method} has no usable image {stem!r}",
        )
        for method, files in methods.items()
        for stem in pairs
        if stem not in files
    ]


def _reject(role: str, method: str, image: str, file: Path, reason: str, detail: str) -> Reject:
    return Reject(role, method, image, str(file), reason, detail)


def _examples(rejects: list[Reject], most: int = 3) -> str:
    """Return the first few rejects as the end of a message."""
    if not rejects:
        return ""
    shown = "; ".join(f"{r.file}: {r.detail}" for r in rejects[:most])
    more = f"; and {len(rejects) - most} more" if len(rejects) > most else ""
    return f". Turned away: {shown}{more}"


def _nothing(
    a: Path,
    b: Path,
    fused: Path,
    first: dict[str, Path],
    second: dict[str, Path],
    methods: dict[str, dict[str, Path]],
) -> str:
    """Return why there is nothing to measure, with an example of each folder's names."""
    stems = {stem: file for files in methods.values() for stem, file in files.items()}
    seen = [
        f"{folder}: "
        + (f"{len(files)} images, e.g. {min(files.values()).name}" if files else "no image")
        for folder, files in ((a, first), (b, second), (fused, stems))
    ]
    return (
        "no image has the same file name (without its ending) in all three folders. "
        f"Found in {'; in '.join(seen)}. Rename the files, or describe them to 'fusionlab ingest'"
    )

"""What is said where a guess stays open, or leaves something out."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from fusionlab.guessing.survey import MAX_FILES

if TYPE_CHECKING:
    from pathlib import Path

    from fusionlab.guessing.pairs import Pair
    from fusionlab.guessing.survey import Survey
    from fusionlab.ingest.tree import FileTree


_SHOWN = 4  # data sets that a message names


def words_of_pair(pair: Pair) -> str:
    """Return the words of a pair, quoted."""
    return f"{pair.a.word!r} and {pair.b.word!r}"


def partly(seen: Survey) -> list[str]:
    """Say that a tree was too large to be looked at whole."""
    if seen.complete:
        return []
    return [f"only the first {MAX_FILES:,} files were looked at"]


def unwritable(seen: Survey) -> list[str]:
    """Name images that no pattern can spell."""
    if not seen.odd:
        return []
    return [f"{len(seen.odd)} images whose names hold braces or '*' were left out: {seen.odd[0]}"]


def several(root: Path, pairs: list[Pair]) -> str:
    """Say that a folder holds several data sets, and where."""
    places = list(dict.fromkeys(_home(pair) for pair in pairs))
    shown = "; ".join(
        f"fusionlab init {root / place}" if place else f"{words_of_pair(pairs[0])} in {root}"
        for place in places[:_SHOWN]
    )
    more = f"; and {len(places) - _SHOWN} more" if len(places) > _SHOWN else ""
    return (
        f"{root}: holds several data sets, whose scenes would be mixed up; take all of them, a "
        f"manifest for each: fusionlab init {root} --each; or one: {shown}{more}"
    )


def _home(pair: Pair) -> str:
    """Return the folder of a pair's data set: above ``sources`` and the like."""
    place = re.split(r"[*|{]", pair.a.context)[0].strip("/")
    parent, _, name = place.rpartition("/")
    return parent if name.lower() in ("source", "sources", "input", "inputs") else place


def nothing(root: Path, seen: Survey, tree: FileTree) -> str:
    """Say that there is no image, and what there is."""
    others = {ending: len(paths) for ending, paths in seen.others.items()}
    listed = ", ".join(f"{count} {ending or 'without ending'}" for ending, count in others.items())
    rejected = "; ".join(f"{r.file}: {r.detail}" for r in tree.rejects[:3])
    return (
        f"{root}: no image was found among its files ({listed or 'there are none'})"
        + (f"; {rejected}" if rejected else "")
        + ". Volumes and compressed tars need patterns by hand: see docs/manifests.md"
    )


def no_sources(root: Path, seen: Survey) -> str:
    """Say that no two groups are sources, and what there is."""
    folders = ", ".join(
        f"{folder or '.'} ({len(s)})" for folder, s in list(seen.folders.items())[:6]
    )
    return (
        f"{root}: {seen.images} images, but no two folders or suffixes that hold the same scenes "
        f"twice; found {folders}. Name the sources' folders ir and vis, ct and mri, under and "
        "over, or A and B, or write the patterns by hand: see docs/manifests.md"
    )

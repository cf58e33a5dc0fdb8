"""Recognising the usual layout of a public benchmark, by the patterns of its shipped manifest."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusionlab.ingest import Shipped, shipped_manifests
from fusionlab.ingest.find import find

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from fusionlab.guessing.survey import Survey
    from fusionlab.ingest.manifest import Manifest
    from fusionlab.ingest.rejects import Reject

_TELLING = 10  # characters of a folder's name that nobody else would have chosen
_SHARE = {"named": 0.5, "telling": 0.1}  # of the images that must be taken
_EACH = 60  # images of a folder that are looked at: the first by name, so that pairs stay pairs
_OTHER = re.compile(r"[^a-z0-9]")


@dataclass
class Paths:
    """A list of files in the place of a tree."""

    paths: list[str]
    rejects: list[Reject] = field(default_factory=list)

    def walk(self) -> Iterator[str]:
        """Yield the paths."""
        yield from self.paths


@dataclass(frozen=True)
class Known:
    """A public benchmark whose layout a tree has.

    Attributes
    ----------
    named : whether the folder carries the benchmark's name too.
    why : in words.
    """

    shipped: Shipped
    named: bool
    why: str


def recognise(seen: Survey, root: Path) -> Known | None:
    """Return the public benchmark whose layout the files have, if any.

    A layout such as ``ir/`` and ``vi/`` is anybody's: it counts where the folder has the
    benchmark's name. A layout with a folder such as ``crop_LR_visible`` counts under any name.
    """
    images = [stems[stem] for stems in seen.folders.values() for stem in sorted(stems)[:_EACH]]
    names = _OTHER.sub("", "/".join(root.resolve().parts[-2:]).lower())
    best: tuple[float, Known] | None = None
    for shipped in shipped_manifests().values():
        named = _OTHER.sub("", shipped.name) in names
        if not named and not _is_telling(shipped.manifest):
            continue
        share = _share(shipped.manifest, images)
        if share >= _SHARE["named" if named else "telling"] and (best is None or share > best[0]):
            why = f"the layout of {shipped.name} takes {share:.0%} of the images"
            best = share, Known(shipped, named, why)
    return best[1] if best else None


def _is_telling(manifest: Manifest) -> bool:
    patterns = [text for texts in manifest.sources.values() for text in texts]
    folders = {part for text in (*patterns, *manifest.reference) for part in text.split("/")[:-1]}
    return any(len(part) >= _TELLING and "{" not in part for part in folders)


def _share(manifest: Manifest, images: list[str]) -> float:
    """Return which share of the images, those it ignores left out, the manifest takes."""
    concerned = sum(1 for path in images if not manifest.ignores(path))
    findings = find(manifest, Paths(images))
    taken = sum(len(scene.files) for scene in findings.scenes)
    return taken / concerned if concerned else 0.0

"""Judge one candidate or reference: whether it shows its scene, and which part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from fusionlab.images import luminance
from fusionlab.ingest.admitted import Admitted, Misfit
from fusionlab.ingest.align import recognise
from fusionlab.ingest.checks import Checks, Facts
from fusionlab.ingest.describe import describe as measure
from fusionlab.ingest.likeness import describe
from fusionlab.ingest.read import OpenedFile, decode_file, open_file
from fusionlab.ingest.rejects import Reject
from fusionlab.ingest.scene import judged_by
from fusionlab.regions import Region

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fusionlab.images import DecodedImage, Pixels
    from fusionlab.ingest.find import FoundFile
    from fusionlab.ingest.match import Explained
    from fusionlab.ingest.scene import Scene
    from fusionlab.ingest.search import SceneSearch

Outcome: TypeAlias = Admitted | Misfit | Reject


def judge_candidate(
    root: Path,
    found: FoundFile,
    scene: Scene,
    known: Mapping[str, Any] | None,
    checks: Checks,
    search: SceneSearch,
    force: bool,
) -> Outcome:
    """Read one candidate (or reference) of `scene` and tell whether it can be used.

    Parameters
    ----------
    known : the row of the index for the same place; a file of the same bytes, judged by the same
        checks against the same sources, stands unless `force`.
    """
    opened = open_file(root, found)
    if isinstance(opened, Reject):
        return opened
    if known is not None and not force and _stands(known, opened, scene):
        return Admitted.standing(found, known)
    image = decode_file(opened)
    if isinstance(image, Reject):
        return image
    explained = search.explain(describe([luminance(image.pixels)]), scene.name, scene.descriptor)
    if explained.verdict in ("other", "none"):
        return Misfit(found, _misfit(scene.name, explained))
    return _align(opened, image, scene, known, checks, explained.own_fit)


def _stands(known: Mapping[str, Any], opened: OpenedFile, scene: Scene) -> bool:
    return known["file_digest"] == opened.digest and judged_by(known) == scene.stamp


def _misfit(scene: str, explained: Explained) -> str:
    own = f"the sources of scene {scene!r} explain {explained.own_fit:.0%} of it"
    if explained.verdict == "other":
        other = f"those of {explained.best_scene!r} {explained.best_fit:.0%}"
        return f"{own}, {other}: rename it, or let --match content give it to that scene"
    return f"{own}, and those of no other scene here more: it shows something else"


def _align(
    opened: OpenedFile,
    image: DecodedImage,
    scene: Scene,
    known: Mapping[str, Any] | None,
    checks: Checks,
    fit: float,
) -> Admitted | Reject:
    """Bring a candidate to fit its scene by a rule that is recorded, or reject it."""
    pixels: Pixels = image.pixels
    region, rule = None, ""
    if pixels.shape[:2] != scene.size:
        size = f"is {_text(pixels.shape)} (height x width), its scene {_text(scene.size)}"
        alignment = recognise(luminance(pixels), scene.luminances)
        if alignment is None:
            return Reject("size_mismatch", f"{size}; content does not tell why", opened.found)
        detail = f"{size}: {alignment.detail}"
        if not alignment.alignable or opened.found.role == "reference":
            return Reject("size_mismatch", detail, opened.found)
        if alignment.rule not in checks.align:
            allow = f"; take it with --align {alignment.rule}"
            return Reject("size_mismatch", detail + allow, opened.found)
        pixels, rule = alignment.apply(pixels), alignment.name
        region = Region(*alignment.region)
        region = None if region == (0, 0, *scene.size) else region
    facts = Facts(
        region=str(region) if region else "",
        alignment=rule,
        fit=fit,
        inspected=scene.stamp,
    )
    traits = measure(pixels) if opened.found.role == "method" else None
    return Admitted.new(opened, image, pixels, facts, known, traits)


def _text(size: tuple[int, ...]) -> str:
    return f"{size[0]}x{size[1]}"

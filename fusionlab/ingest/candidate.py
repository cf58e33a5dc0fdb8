"""Judge one candidate or reference: whether it shows its scene, and which part of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from fusionlab.ingest.admitted import Admitted, Misfit
from fusionlab.ingest.checks import Checks, Facts
from fusionlab.ingest.rejects import Reject
from fusionlab.inspection.compare import compare
from fusionlab.inspection.statistics import gray_of, is_jpeg, measure
from fusionlab.regions import Region, crop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.images import DecodedImage, Pixels
    from fusionlab.ingest.find import FoundFile
    from fusionlab.ingest.read import Reader
    from fusionlab.ingest.scene import Scene
    from fusionlab.ingest.search import SceneSearch
    from fusionlab.inspection.align import Alignment
    from fusionlab.inspection.match import Explained

Outcome: TypeAlias = Admitted | Misfit | Reject


def judge_candidate(
    reader: Reader,
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
    opened = reader.open(found)
    if isinstance(opened, Reject):
        return opened
    if known is not None and not force and reader.stands(opened, known, scene.stamp):
        return Admitted.standing(found, known)
    image = reader.decode(opened)
    if isinstance(image, Reject):
        return image
    pixels = crop(image.pixels, Region(*image.opaque_box) if image.opaque_box else None)
    gray = gray_of(pixels)
    explained, alignment = compare(gray, scene.grays, scene.descriptor, scene.name, search.finder)
    if explained.is_misfit:
        return Misfit(found, _misfit(scene.name, explained))
    aligned = _align(found, image, pixels, alignment, scene, checks)
    if isinstance(aligned, Reject):
        return aligned
    pixels, region, rule = aligned
    facts = Facts(
        region=str(region) if region else "",
        alignment=rule,
        fit=explained.own_fit,
        inspected=scene.stamp,
    )
    statistics = (
        measure(pixels, jpeg=is_jpeg(image.file_format)) if found.role == "method" else None
    )
    return Admitted.new(opened, image, pixels, facts, known, statistics)


def _misfit(scene: str, explained: Explained) -> str:
    own = f"the sources of scene {scene!r} explain {explained.own_fit:.0%} of it"
    if explained.verdict == "other":
        other = f"those of {explained.best_scene!r} {explained.best_fit:.0%}"
        return f"{own}, {other}: rename it, or let --match content give it to that scene"
    return f"{own}, and those of no other scene here more: it shows something else"


def _align(
    found: FoundFile,
    image: DecodedImage,
    pixels: Pixels,
    alignment: Alignment | None,
    scene: Scene,
    checks: Checks,
) -> tuple[Pixels, Region | None, str] | Reject:
    """Bring a candidate to fit its scene by rules that are recorded, or reject it.

    Parameters
    ----------
    pixels : the image without its transparent border.
    alignment : how they lie on the scene, where they are not of its size.

    Returns
    -------
    The pixels, the part of the scene that they show (None is all of it), and the rules.
    """
    rules = []
    if image.opaque_box is not None:
        if "border" not in checks.align or found.role == "reference":
            detail = "it has a transparent border; cut it off"
            allow = "" if found.role == "reference" else ", or take it with --align border"
            return Reject("transparent", detail + allow, found)
        rules.append("border")
    if image.pixels.shape[:2] == scene.size:
        return pixels, Region(*image.opaque_box) if image.opaque_box else None, "".join(rules)
    size = f"is {_text(pixels.shape)} (height x width), its scene {_text(scene.size)}"
    if alignment is None:
        return Reject("size_mismatch", f"{size}; content does not tell why", found)
    detail = f"{size}: {alignment.detail}"
    if not alignment.alignable or found.role == "reference":
        return Reject("size_mismatch", detail, found)
    if alignment.rule not in (*checks.align, "same"):
        return Reject("size_mismatch", f"{detail}; take it with --align {alignment.rule}", found)
    region = Region(*alignment.region)
    whole = region == (0, 0, *scene.size)
    rules += [alignment.name] if alignment.rule != "same" else []
    return alignment.apply(pixels), None if whole else region, "+".join(rules)


def _text(size: tuple[int, ...]) -> str:
    return f"{size[0]}x{size[1]}"

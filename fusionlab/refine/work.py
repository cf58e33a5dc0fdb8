"""One label: read it and its sources, repair, judge, and make the pixels."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab.errors import LabError
from fusionlab.images import digest, luminance
from fusionlab.pixels import read_checked
from fusionlab.refine.gate import IN_PARTS, LEAST, NO_CHANGE, VERSION, gate
from fusionlab.refine.relight import relit, step_of
from fusionlab.refine.small_maps import encode_map
from fusionlab.regions import Region, crop

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.colour import Plane
    from fusionlab.images import Pixels
    from fusionlab.lab import Lab
    from fusionlab.refine.damage import Map, Repair
    from fusionlab.refine.gate import Verdict
    from fusionlab.refine.plan import Job
    from fusionlab.refine.ways import Way
    from fusionlab.selection.policy import Policy

#: A pixel is damaged where a map is above this.
DAMAGED = 0.5


@dataclass(frozen=True)
class Settings:
    """What the outcome of a label depends on besides pixels.

    Attributes
    ----------
    way : that repairs.
    policy : whose metrics do not judge, and whose guards must pass.
    margin : what the gain of the judges must exceed, in units of its noise.
    """

    way: Way
    policy: Policy
    margin: float

    @property
    def recipe(self) -> str:
        """Return a digest of all of it."""
        content = [self.way.label, VERSION, LEAST, IN_PARTS, self.policy.digest, self.margin]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()


@dataclass(frozen=True)
class Outcome:
    """What became of one label.

    Attributes
    ----------
    reason, detail : why it stays as it was, and in a sentence; empty reason where it was refined.
    valid : whether it can be a label at all: its pixels and sources are there.
    rows : of the table of refinements, but for the keys of the data set.
    pixels : of the refined label; None where it stays.
    """

    job: Job
    reason: str
    detail: str
    valid: bool = True
    rows: tuple[dict[str, Any], ...] = ()
    pixels: Pixels | None = None


def refined(lab: Lab, job: Job, settings: Settings) -> Outcome:
    """Repair and judge one label; what goes wrong is an outcome too, never an error."""
    try:
        pixels = read_checked(lab, job.candidate)
    except LabError as error:
        return Outcome(job, "refine_label_changed", str(error), valid=False)
    try:
        sources = _sources(lab, job)
    except LabError as error:
        return Outcome(job, "refine_sources_changed", str(error), valid=False)
    before = luminance(pixels).astype(np.float64)
    try:
        found = settings.way.repair(before, sources, str(job.label["task"]))
        verdict = gate(
            before,
            found.plane,
            sources,
            str(job.label["task"]),
            settings.policy,
            beyond=settings.margin,
            step=step_of(pixels),
        )
    except Exception as error:  # noqa: BLE001  the task boundary
        return Outcome(job, "refine_error", f"{settings.way.label}: {error!r}")
    if verdict.reason == "refine_error":
        return Outcome(job, verdict.reason, verdict.detail)
    made = None if verdict.reason else relit(pixels, verdict.plane - before)
    if made is not None and np.array_equal(made, pixels):  # saturated colours hold no other level
        verdict, made = replace(verdict, reason=NO_CHANGE), None
    rows = _rows(job, settings, found, verdict, before, "" if made is None else digest(made))
    return Outcome(job, verdict.reason, verdict.detail, rows=rows, pixels=made)


def _sources(lab: Lab, job: Job) -> list[Plane]:
    region = Region.parse(job.label["region"])
    return [
        crop(luminance(read_checked(lab, row)).astype(np.float64), region) for row in job.sources
    ]


def _rows(
    job: Job,
    settings: Settings,
    found: Repair,
    verdict: Verdict,
    before: Plane,
    made: str,
) -> tuple[dict[str, Any], ...]:
    """Return the rows of the table of refinements, one a kind of damage."""
    common = {
        "scene": job.scene,
        "method": job.label["method"],
        "reason": verdict.reason,
        "detail": verdict.detail,
        "gain": verdict.gain,
        "way": settings.way.label,
        "recipe": settings.recipe,
        "sources_digest": job.sources_digest,
        "digest_before": job.candidate["digest"],
        "digest_after": made,
    }
    change = np.asarray(np.abs(verdict.plane - before))
    nowhere: Map = np.zeros(before.shape)
    maps: Mapping[str, Map] = found.damage.maps or {"": nowhere}
    return tuple(
        {**common, "kind": kind, **_extent(damage, change, verdict.mask)}
        for kind, damage in maps.items()
    )


def _extent(damage: Map, change: Plane, kept: Plane) -> dict[str, Any]:
    """Return how far one kind of damage reaches, and what was done there."""
    there = damage > DAMAGED
    count = int(np.count_nonzero(there))
    if not count:
        return {"area": 0.0, "strength": 0.0, "change": 0.0, "kept": 0.0, "map": b""}
    return {
        "area": count / damage.size,
        "strength": float(damage[there].mean()),
        "change": float(change[there].mean()),
        "kept": float(kept[there].mean()),
        "map": encode_map(damage),
    }

"""What a worker does for tile scores: each image is read once, and every tile of it measured."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias

from fusionlab.regions import Region, crop
from fusionlab.scoring.work import (
    CANDIDATES_PER_BATCH,
    CandidateWork,
    Failed,
    Measured,
    Outcome,
    ReadScene,
    SceneWork,
    Stamp,
    attempt,
    fused_image,
    read_scene,
    ready,
)
from fusionlab.store import ImageStore

if TYPE_CHECKING:
    from fusionlab.paths import Place
    from fusionlab.scoring.work import Luminance, Measure

#: Method -> the scores that it lacks of one tile.
Job: TypeAlias = "dict[str, list[Stamp]]"

#: Full white of a luminance. Said outright: a dark tile of an image that is fine as a whole must
#: not be taken for one of another scale.
_WHITE = 255.0


@dataclass(frozen=True, slots=True)
class _Shown:
    """The luminance of a candidate, and the part of its scene that it shows."""

    image: Luminance
    region: Region | None

    def part(self, tile: Region | None) -> Luminance:
        """Return a tile of the scene."""
        return crop(self.image, tile.seen_from(self.region) if tile and self.region else tile)


def score_tiles(images: Place, batch: list[SceneWork], device: str = "cpu") -> list[Outcome]:
    """Measure the tiles of the scenes of `batch`, as `fusionlab.scoring.work.score_batch` does.

    Parameters
    ----------
    images : path of the lab's ``images.zarr``, as this worker sees it.
    device : torch device for the metrics that have a batched path; ``"cpu"`` is the kernels.
    """
    store = ImageStore(images)
    outcomes: list[Outcome] = []
    for work in batch:
        whole = attempt(work, "", partial(read_scene, store, work))
        if isinstance(whole, Failed):
            outcomes.append(whole)
            continue
        for start in range(0, len(work.candidates), CANDIDATES_PER_BATCH):
            chunk = work.candidates[start : start + CANDIDATES_PER_BATCH]
            outcomes += _score_chunk(store, work, chunk, whole, device)
    return outcomes


def _score_chunk(
    store: ImageStore,
    work: SceneWork,
    chunk: tuple[CandidateWork, ...],
    whole: ReadScene,
    device: str,
) -> list[Outcome]:
    """Read a few candidates, and measure tile after tile of all of them.

    A candidate that fails on one tile keeps what was measured before and is rejected once.
    """
    images: dict[str, _Shown] = {}
    outcomes: list[Outcome] = []
    for candidate in chunk:
        image = attempt(
            work, candidate.method, partial(fused_image, store, candidate, whole.sources)
        )
        if isinstance(image, Failed):
            outcomes.append(image)
        else:
            images[candidate.method] = _Shown(image, candidate.region)
    for (tile, metrics), job in _jobs(chunk).items():
        standing = {method: stamps for method, stamps in job.items() if method in images}
        if not standing:
            continue
        sources, reference = whole.part(Region.parse(tile))
        measure = attempt(work, "", partial(ready, sources, reference, metrics, device, _WHITE))
        if isinstance(measure, Failed):
            return [*outcomes, _at(tile, measure)]
        for outcome in _measure(work, standing, tile, images, measure):
            outcomes.append(outcome)
            if isinstance(outcome, Failed):
                del images[outcome.method]
    return outcomes


def _jobs(candidates: tuple[CandidateWork, ...]) -> dict[tuple[str, tuple[str, ...]], Job]:
    """Return who lacks which scores, by tile and metrics: those share the source-only work."""
    jobs: dict[tuple[str, tuple[str, ...]], Job] = defaultdict(dict)
    for candidate in candidates:
        lacking: dict[str, list[Stamp]] = defaultdict(list)
        for stamp in candidate.stamps:
            lacking[stamp.tile].append(stamp)
        for tile, stamps in lacking.items():
            jobs[tile, tuple(stamp.metric for stamp in stamps)][candidate.method] = stamps
    return jobs


def _measure(
    work: SceneWork, job: Job, tile: str, images: dict[str, _Shown], measure: Measure
) -> list[Outcome]:
    """Measure one tile of every candidate that lacks it."""
    parts = [images[method].part(Region.parse(tile)) for method in job]
    values = attempt(work, next(iter(job)), partial(measure, parts))
    if not isinstance(values, Failed):
        return [
            Measured(tuple((stamp, found[stamp.metric]) for stamp in stamps))
            for stamps, found in zip(job.values(), values, strict=True)
        ]
    if len(job) == 1:
        return [_at(tile, values)]
    # one by one: what is wrong with one candidate must not cost the others their scores
    alone = (_measure(work, {method: job[method]}, tile, images, measure) for method in job)
    return [outcome for outcomes in alone for outcome in outcomes]


def _at(tile: str, failed: Failed) -> Failed:
    return replace(failed, detail=f"tile {tile}: {failed.detail}")

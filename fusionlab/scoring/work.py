"""What a worker does: read the images of a few scenes and measure their candidates.

A unit of work is small, picklable and names pixels by address and digest; it carries no pixels.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from fusionlab.errors import FusionLabError, LabError
from fusionlab.images import digest, luminance
from fusionlab.metrics import prepare
from fusionlab.scoring.decoys import DECOYS
from fusionlab.store import Address, ImageStore

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from fusionlab.metrics import PreparedScene

    Luminance: TypeAlias = NDArray[np.uint8] | NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Block:
    """One image in the store: where it is, and the digest it must have."""

    address: Address
    digest: str


@dataclass(frozen=True, slots=True)
class Stamp:
    """What one score is computed from; two equal stamps mean the same value.

    The digests are those of the sources (with the truth, for metrics that use it) and of the
    candidate's pixels; a decoy's digest is its name, for it is made from the sources.
    """

    task: str
    dataset: str
    scene: str
    method: str
    metric: str
    metric_version: int
    sources_digest: str
    candidate_digest: str


@dataclass(frozen=True, slots=True)
class CandidateWork:
    """One candidate (or, without a block, decoy) and the scores it lacks."""

    method: str
    block: Block | None
    stamps: tuple[Stamp, ...]

    @property
    def metrics(self) -> tuple[str, ...]:
        """Return the names of the metrics to measure."""
        return tuple(stamp.metric for stamp in self.stamps)


@dataclass(frozen=True, slots=True)
class SceneWork:
    """One scene, its sources in order (a, b, ...), its truth if it has one, and what to measure."""

    task: str
    dataset: str
    scene: str
    sources: tuple[Block, ...]
    reference: Block | None
    candidates: tuple[CandidateWork, ...]


@dataclass(frozen=True, slots=True)
class Measured:
    """The scores of one candidate."""

    scores: tuple[tuple[Stamp, float], ...]


@dataclass(frozen=True, slots=True)
class Failed:
    """A candidate, or (without a method) a scene, that could not be measured, and why."""

    task: str
    dataset: str
    scene: str
    method: str
    reason: str
    detail: str


Outcome: TypeAlias = Measured | Failed


def score_batch(images: Path, batch: list[SceneWork]) -> list[Outcome]:
    """Measure the scenes of `batch`; what cannot be measured is an outcome too, never an error.

    Parameters
    ----------
    images : path of the lab's ``images.zarr``, as this worker sees it.
    """
    store = ImageStore(images)
    return [outcome for work in batch for outcome in _score_scene(store, work)]


def _score_scene(store: ImageStore, work: SceneWork) -> list[Outcome]:
    """Measure one scene; candidates that lack the same metrics share the source-only work."""
    groups: dict[tuple[str, ...], list[CandidateWork]] = {}
    for candidate in work.candidates:
        groups.setdefault(candidate.metrics, []).append(candidate)
    try:
        sources = [_luminance(store, block) for block in work.sources]
        reference = _luminance(store, work.reference) if work.reference else None
        scenes = {m: prepare(sources, m, reference=reference) for m in groups}
    except Exception as error:  # noqa: BLE001  the task boundary: it becomes a reject row
        return [_failed(work, "", error)]
    return [
        _score_candidate(store, work, candidate, sources, scenes[metrics])
        for metrics, candidates in groups.items()
        for candidate in candidates
    ]


def _score_candidate(
    store: ImageStore,
    work: SceneWork,
    candidate: CandidateWork,
    sources: list[Luminance],
    scene: PreparedScene,
) -> Outcome:
    try:
        if candidate.block is None:
            fused = DECOYS[candidate.method](sources[0], sources[1])
        else:
            fused = _luminance(store, candidate.block)
        values = scene.measure(fused)
    except Exception as error:  # noqa: BLE001  the task boundary: it becomes a reject row
        return _failed(work, candidate.method, error)
    return Measured(tuple((stamp, values[stamp.metric]) for stamp in candidate.stamps))


def _luminance(store: ImageStore, block: Block) -> Luminance:
    """Read one image, check that it is the one the index means, and return its luminance."""
    pixels = store.read(block.address)
    if (found := digest(pixels)) != block.digest:
        raise LabError(
            f"{store.path}/{block.address.folder}/{block.address.array}[{block.address.row}]: "
            f"pixels have digest {found[:12]}..., the index says {block.digest[:12]}...; "
            "ingest again with --force"
        )
    return luminance(pixels)


def _failed(work: SceneWork, method: str, error: Exception) -> Failed:
    if isinstance(error, LabError):
        reason, detail = "unreadable_pixels", str(error)
    elif isinstance(error, FusionLabError):
        reason, detail = "unmeasurable", str(error)
    else:
        reason, detail = "scoring_error", repr(error)
    return Failed(work.task, work.dataset, work.scene, method, reason, detail)

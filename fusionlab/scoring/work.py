"""What a worker does: read the images of a few scenes and measure their candidates.

A unit of work is small, picklable and names pixels by address and digest; it carries no pixels.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, TypeAlias, TypeVar

from fusionlab.decoys import DECOYS, spoil
from fusionlab.errors import FusionLabError, LabError
from fusionlab.images import digest, luminance
from fusionlab.metrics import prepare
from fusionlab.regions import Region, crop
from fusionlab.store import Address, ImageStore

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fusionlab.images import Pixels
    from fusionlab.paths import Place

    Luminance: TypeAlias = NDArray[np.uint8] | NDArray[np.float64]
    Measure: TypeAlias = Callable[[list[Luminance]], list[dict[str, float]]]


@dataclass(frozen=True, slots=True)
class Block:
    """One image in the store: where it is, the digest it must have, the region it shows.

    Attributes
    ----------
    spoil : the way of `fusionlab.decoys.SPOILS` in which it is spoiled before it is measured.
    """

    address: Address
    digest: str
    region: str = ""
    spoil: str = ""

    @property
    def mark(self) -> str:
        """Return what the measured pixels are known by."""
        return f"{self.spoil}({self.digest})" if self.spoil else self.digest


@dataclass(frozen=True, slots=True)
class Stamp:
    """What one score is computed from; two equal stamps mean the same value.

    The digests are those of the sources (with the truth, for metrics that use it) and of the
    candidate's pixels; a decoy's digest is its name, for it is made from the sources, and a spoiled
    candidate's says how it is spoiled, and which pixels. The tile is the part of the scene that was
    measured; the empty text is all that the candidate shows.
    """

    task: str
    dataset: str
    scene: str
    method: str
    metric: str
    metric_version: int
    sources_digest: str
    candidate_digest: str
    tile: str = ""


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

    @property
    def region(self) -> Region | None:
        """Return the part of its scene that the candidate shows; None for all of it."""
        return Region.parse(self.block.region) if self.block else None


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
class ReadScene:
    """The luminances of a scene's sources, and of its truth if it has one."""

    sources: list[Luminance]
    reference: Luminance | None

    def part(self, region: Region | None) -> tuple[list[Luminance], Luminance | None]:
        """Return sources and truth where a candidate shows them."""
        reference = None if self.reference is None else crop(self.reference, region)
        return [crop(source, region) for source in self.sources], reference


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
T = TypeVar("T")

#: Candidates that a device measures at once: enough to fill a GPU at 640x480, 2 GiB of its memory.
CANDIDATES_PER_BATCH = 32


def score_batch(images: Place, batch: list[SceneWork], device: str = "cpu") -> list[Outcome]:
    """Measure the scenes of `batch`; what cannot be measured is an outcome too, never an error.

    Parameters
    ----------
    images : path of the lab's ``images.zarr``, as this worker sees it.
    device : torch device for the metrics that have a batched path; ``"cpu"`` is the kernels.
    """
    store = ImageStore(images)
    return [outcome for work in batch for outcome in _score_scene(store, work, device)]


def _score_scene(store: ImageStore, work: SceneWork, device: str) -> list[Outcome]:
    """Measure one scene.

    Candidates that lack the same metrics and show the same region share the source-only work.
    """
    groups: dict[tuple[tuple[str, ...], Region | None], list[CandidateWork]] = {}
    for candidate in work.candidates:
        groups.setdefault((candidate.metrics, candidate.region), []).append(candidate)
    whole = attempt(work, "", lambda: read_scene(store, work))
    if isinstance(whole, Failed):
        return [whole]
    outcomes: list[Outcome] = []
    for (metrics, region), candidates in groups.items():
        sources, reference = whole.part(region)
        measure = attempt(work, "", partial(ready, sources, reference, metrics, device))
        if isinstance(measure, Failed):
            return [*outcomes, measure]
        size = 1 if device == "cpu" else CANDIDATES_PER_BATCH
        for start in range(0, len(candidates), size):
            chunk = candidates[start : start + size]
            outcomes += _score_chunk(store, work, chunk, sources, measure)
    return outcomes


def ready(
    sources: list[Luminance],
    reference: Luminance | None,
    metrics: Sequence[str],
    device: str,
    data_range: float | None = None,
) -> Measure:
    """Do the source-only work; return what measures a list of candidates."""
    if device == "cpu":
        kernels = prepare(sources, metrics, reference=reference, data_range=data_range)
        return lambda images: [kernels.measure(fused) for fused in images]
    from fusionlab.metrics.batched import BATCHED, BatchedScene

    hot = [m for m in metrics if m in BATCHED]
    batched = BatchedScene(sources, hot, device, data_range=data_range)
    rest = [m for m in metrics if m not in BATCHED]
    others = prepare(sources, rest, reference=reference, data_range=data_range)
    return lambda images: [
        {**values, **others.measure(fused)}
        for values, fused in zip(batched.measure(images), images, strict=True)
    ]


def _score_chunk(
    store: ImageStore,
    work: SceneWork,
    chunk: list[CandidateWork],
    sources: list[Luminance],
    measure: Measure,
) -> list[Outcome]:
    """Read and measure a few candidates together."""
    images = [attempt(work, c.method, partial(fused_image, store, c, sources)) for c in chunk]
    outcomes: list[Outcome] = [image for image in images if isinstance(image, Failed)]
    good = [
        (c, image) for c, image in zip(chunk, images, strict=True) if not isinstance(image, Failed)
    ]
    if not good:
        return outcomes
    values = attempt(work, good[0][0].method, partial(measure, [image for _, image in good]))
    if isinstance(values, Failed):
        return outcomes + [replace(values, method=candidate.method) for candidate, _ in good]
    return outcomes + [
        Measured(tuple((stamp, found[stamp.metric]) for stamp in candidate.stamps))
        for (candidate, _), found in zip(good, values, strict=True)
    ]


def read_scene(store: ImageStore, work: SceneWork) -> ReadScene:
    """Read what all candidates of a scene are compared with."""
    sources = [read_luminance(store, block) for block in work.sources]
    return ReadScene(sources, read_luminance(store, work.reference) if work.reference else None)


def fused_image(store: ImageStore, candidate: CandidateWork, sources: list[Luminance]) -> Luminance:
    """Read a candidate, or make a decoy of sources that show what it is to show."""
    if candidate.block is None:
        return DECOYS[candidate.method](sources[0], sources[1])
    image = read_luminance(store, candidate.block)
    return spoil(image, candidate.block.spoil) if candidate.block.spoil else image


def attempt(work: SceneWork, method: str, action: Callable[[], T]) -> T | Failed:
    """Return what `action` returns; whatever it raises becomes a reject row: the run goes on."""
    try:
        return action()
    except LabError as error:
        reason, detail = "unreadable_pixels", str(error)
    except FusionLabError as error:
        reason, detail = "unmeasurable", str(error)
    except Exception as error:  # noqa: BLE001  the task boundary
        reason, detail = "scoring_error", repr(error)
    return Failed(work.task, work.dataset, work.scene, method, reason, detail)


def read_luminance(store: ImageStore, block: Block) -> Luminance:
    """Return the luminance of `read_block`."""
    return luminance(read_block(store, block))


def read_block(store: ImageStore, block: Block) -> Pixels:
    """Read one image, and check that it is the one the index means.

    Raises
    ------
    LabError
        When it cannot be read, or is another one.
    """
    pixels = store.read(block.address)
    if (found := digest(pixels)) != block.digest:
        raise LabError(
            f"{store.path}/{block.address.folder}/{block.address.array}[{block.address.row}]: "
            f"pixels have digest {found[:12]}..., the index says {block.digest[:12]}...; "
            "ingest again with --force"
        )
    return pixels

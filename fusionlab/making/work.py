"""What a worker does: read the sources of a few scenes, fuse them, look at the results.

A unit of work is small and picklable: it names sources by address and digest.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from fusionlab.errors import FusionLabError, MethodError
from fusionlab.inspection.fingerprint import copied_source, fingerprint
from fusionlab.inspection.statistics import measure
from fusionlab.scoring.work import read_block
from fusionlab.store import ImageStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.images import Pixels
    from fusionlab.inspection.statistics import Statistics
    from fusionlab.making.methods import Method
    from fusionlab.paths import Place
    from fusionlab.scoring.work import Block


@dataclass(frozen=True, slots=True)
class Scene:
    """A scene: its sources in order, their names, and the bytes of a fused image at the most."""

    name: str
    sources: tuple[Block, ...]
    modalities: tuple[str, ...]
    weight: int


@dataclass(frozen=True, slots=True)
class MakeWork:
    """Scenes of one task, and methods that each of them lacks; only one of the two is long."""

    task: str
    scenes: tuple[Scene, ...]
    methods: tuple[Method, ...]

    @property
    def images(self) -> int:
        """Return how many images it is to make."""
        return len(self.scenes) * len(self.methods)


@dataclass(frozen=True, slots=True)
class Fused:
    """One image that was made, and what was found of it.

    Attributes
    ----------
    what : how it was made, for the index.
    flags : fingerprint, commas between.
    twin : role/name of the source that it is a copy of, or empty.
    """

    scene: str
    method: str
    pixels: Pixels
    what: str
    flags: str
    twin: str


@dataclass(frozen=True, slots=True)
class Lost:
    """An image that could not be made, and why."""

    scene: str
    method: str
    reason: str
    detail: str


Outcome: TypeAlias = Fused | Lost


def make_batch(images: Place, work: MakeWork) -> list[Outcome]:
    """Make the images of `work`; what cannot be made is an outcome too, never an error.

    Parameters
    ----------
    images : path of the lab's ``images.zarr``, as this worker sees it.
    """
    store = ImageStore(images)
    sources: dict[str, list[Pixels]] = {}
    outcomes: list[Outcome] = []
    for scene in work.scenes:
        try:
            sources[scene.name] = [read_block(store, block) for block in scene.sources]
        except (FusionLabError, OSError) as error:
            reason, detail = "unreadable_pixels", str(error)
            outcomes += [Lost(scene.name, m.name, reason, detail) for m in work.methods]
    readable = [scene for scene in work.scenes if scene.name in sources]
    statistics = {name: [measure(pixels) for pixels in shots] for name, shots in sources.items()}
    for method in work.methods if readable else ():
        results = method.fuse(work.task, sources)
        outcomes += [
            _outcome(scene, method, results[scene.name], statistics[scene.name])
            for scene in readable
        ]
    return outcomes


def _outcome(
    scene: Scene, method: Method, result: Pixels | MethodError, sources: Sequence[Statistics]
) -> Outcome:
    if isinstance(result, MethodError):
        return Lost(scene.name, method.name, result.reason, result.detail)
    found = measure(result)
    flags = fingerprint(found, sources, file_format="", notes=())
    copied = copied_source(found, sources)
    twin = "" if copied is None else f"source/{scene.modalities[copied]}"
    return Fused(scene.name, method.name, result, method.what, ",".join(flags), twin)

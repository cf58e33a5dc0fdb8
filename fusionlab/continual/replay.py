"""A bounded memory of patches of old tasks, mixed into the batches of the new one.

All old tasks get an equal part of the bytes. Which patches of a task are kept is an order over all
that are offered, of which the first are kept, so that a task that must give up room for a new one
only drops its last:

- ``reservoir``: by chance. Every patch gets a random number that depends on the seed and on what it
  shows alone, and the least are kept: a uniform sample without replacement, whatever the order in
  which patches are offered, of which a shorter one is the beginning. (Bottom-k sampling; what
  Vitter's reservoir, ACM Transactions on Mathematical Software 11, 1985, draws as well.)
- ``coverage``: farthest first. Of each patch five features are taken: mean and standard deviation
  of the label, its mean gradient, mean of ``|a - b|`` and of ``a - b``, each divided by its
  standard deviation over the patches. First comes the patch that is nearest to the mean, then
  always the one that is farthest from all that were taken. No patch is farther from the nearest of
  the first k than twice the least distance that any k patches could reach. (Gonzalez, "Clustering
  to minimize the maximum intercluster distance", Theoretical Computer Science 38, 1985.)
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, fields
from itertools import islice
from typing import TYPE_CHECKING, Annotated, Any, Literal

import numpy as np
import torch
from pydantic import Field

from fusionlab.configs import Config
from fusionlab.cropping import turned
from fusionlab.errors import UsageError
from fusionlab.flow.batch import TASK_IDS, Batch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    Planes = NDArray[np.uint16]
    Turn = tuple[bool, bool, bool]

#: Half of the levels of a plane: ``x = level / HALF - 1`` is in -1..1.
_HALF = 32767.5


class ReplaySettings(Config):
    """What is remembered, and how often it is seen.

    Attributes
    ----------
    share : of each batch that old patches take, as soon as there are any.
    megabytes : that the pixels of all old patches may take, of 10^6 bytes.
    patches : of one task, at most.
    sampling : ``coverage`` or ``reservoir``, see above.
    """

    share: Annotated[float, Field(ge=0, lt=1)] = 0.25
    megabytes: Annotated[float, Field(gt=0)] = 64.0
    patches: Annotated[int, Field(ge=1)] = 200
    sampling: Literal["coverage", "reservoir"] = "coverage"
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True, eq=False)
class Patch:
    """A part of a label and its sources.

    Attributes
    ----------
    place : ``task/dataset/scene`` that it was cut from.
    y, x : its first row and column there.
    planes : (3, h, w), label, a and b; luminances times 257.
    weight : how much it counts.
    digest : of the pixels of the scene's label and sources.
    """

    place: str
    y: int
    x: int
    planes: Planes
    weight: float
    digest: str

    @property
    def task(self) -> str:
        """Return the task of its scene."""
        return self.place.partition("/")[0]


class Replay:
    """The memory of all old tasks.

    Attributes
    ----------
    kept : task -> its patches, in the order in which they would be kept.
    """

    def __init__(self, settings: ReplaySettings) -> None:
        self.settings = settings
        self.kept: dict[str, list[Patch]] = {}

    def __len__(self) -> int:
        return sum(len(patches) for patches in self.kept.values())

    @property
    def bytes(self) -> int:
        """Return the bytes of all pixels."""
        return sum(patch.planes.nbytes for patches in self.kept.values() for patch in patches)

    def count(self, batch: int) -> int:
        """Return how many patches of a batch are old ones: where there are any, at least one."""
        share = self.settings.share
        return min(batch - 1, max(1, round(share * batch))) if len(self) and share else 0

    def add(self, task: str, offered: Sequence[Patch]) -> None:
        """Remember a task by some of the patches that are offered; others make room for it.

        Raises
        ------
        UsageError
            When nothing is offered, or the memory has no room for one patch of each task.
        """
        if not offered:
            raise UsageError(f"no patch of {task} is offered to the replay memory")
        tasks = dict.fromkeys([*self.kept, task])
        size = offered[0].planes.nbytes
        room = int(self.settings.megabytes * 1e6) // (len(tasks) * size)
        most = min(room, self.settings.patches)
        if not most:
            raise UsageError(
                f"a replay memory of {self.settings.megabytes:g} MB has no room for a patch of "
                f"{size} bytes of each of {len(tasks)} tasks; give it more"
            )
        chosen = _BY[self.settings.sampling](offered, most, self.settings.seed)
        self.kept[task] = [_own(offered[i]) for i in chosen]
        self.kept = {key: self.kept[key][:most] for key in tasks}

    def draw(self, step: int, count: int) -> list[tuple[Patch, Turn]]:
        """Return the old patches of a step, and how each is flipped and turned.

        It depends on the seed and the step alone. Tasks take turns, and each patch of a task comes
        once before any comes again.
        """
        return [self._at(position) for position in range(step * count, (step + 1) * count)]

    def _at(self, position: int) -> tuple[Patch, Turn]:
        turn, number = divmod(position, len(self.kept))
        patches = list(self.kept.values())[number]
        again, index = divmod(turn, len(patches))
        order = np.random.default_rng([self.settings.seed, 1, number, again])
        coins = np.random.default_rng([self.settings.seed, 2, position]).integers(2, size=3) == 1
        turns = (bool(coins[0]), bool(coins[1]), bool(coins[2]))
        return patches[order.permutation(len(patches))[index]], turns

    def batch(self, step: int, count: int) -> Batch:
        """Return the patches of `draw`, flipped and turned, as the network takes them."""
        drawn = self.draw(step, count)
        levels = np.stack([turned(patch.planes, *turn) for patch, turn in drawn])
        planes = torch.from_numpy(levels.astype(np.float32) / np.float32(_HALF) - 1)
        label, a, b = planes.unsqueeze(2).unbind(1)
        task = torch.tensor([TASK_IDS[patch.task] for patch, _ in drawn])
        weight = torch.tensor([patch.weight for patch, _ in drawn], dtype=torch.float32)
        return Batch(label.contiguous(), a.contiguous(), b.contiguous(), task, weight)

    def state_dict(self) -> dict[str, Any]:
        """Return the memory as tensors, lists and names only."""
        return {
            task: {
                "planes": torch.from_numpy(np.stack([p.planes for p in patches])),
                **{name: [getattr(p, name) for p in patches] for name in _NOTES},
            }
            for task, patches in self.kept.items()
        }

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Become what `state_dict` returned."""
        self.kept = {task: list(_patches(entry)) for task, entry in state.items()}


_NOTES = tuple(field.name for field in fields(Patch) if field.name != "planes")


def _patches(entry: Mapping[str, Any]) -> Iterator[Patch]:
    for i, planes in enumerate(entry["planes"].numpy()):
        yield Patch(planes=planes, **{name: entry[name][i] for name in _NOTES})


def _own(patch: Patch) -> Patch:
    """Return a patch that does not keep its whole scene in memory."""
    notes = {name: getattr(patch, name) for name in _NOTES}
    return Patch(planes=patch.planes.copy(), **notes)


def features(patch: Patch) -> NDArray[np.float64]:
    """Return (5,): mean, deviation and gradient of the label, mean of ``|a - b|`` and ``a - b``."""
    label, a, b = patch.planes.astype(np.float64) / 65535
    steps = [np.abs(np.diff(label, axis=axis)).sum() for axis in (0, 1)]
    return np.array([
        label.mean(), label.std(), sum(steps) / label.size, np.abs(a - b).mean(), (a - b).mean(),
    ])  # fmt: skip


def farthest_first(points: NDArray[np.float64]) -> Iterator[int]:
    """Yield the rows of (n, d) points: the nearest to the mean, then always the farthest from all.

    Of equal ones the first is taken. A point that stands twice comes after all others.
    """
    away = -((points - points.mean(axis=0)) ** 2).sum(axis=1)
    left = np.full(len(points), np.inf)
    chosen = int(np.argmax(away))
    for _ in range(len(points)):
        yield chosen
        left = np.minimum(left, ((points - points[chosen]) ** 2).sum(axis=1))
        left[chosen] = -1.0
        chosen = int(np.argmax(left))


def _by_coverage(offered: Sequence[Patch], most: int, seed: int) -> list[int]:  # noqa: ARG001
    found = np.stack([features(patch) for patch in offered])
    spread = found.std(axis=0)
    return list(islice(farthest_first(found / np.where(spread > 0, spread, 1)), most))


def _by_chance(offered: Sequence[Patch], most: int, seed: int) -> list[int]:
    def number(i: int) -> bytes:
        p = offered[i]
        return hashlib.sha256(f"{seed} {p.digest} {p.place} {p.y} {p.x}".encode()).digest()

    return sorted(range(len(offered)), key=number)[:most]


_BY = {"coverage": _by_coverage, "reservoir": _by_chance}

"""Which patches a training step sees: a pure function of seed, step, rank and number of ranks.

Patch `g` of the whole training, counted over the batches of all steps, is of task ``g mod T``, and
of that task's scenes it takes the next one of a permutation that is drawn anew for each pass. So
every scene of a task is seen once a pass, however large it is; scenes of small data sets more
often, where `PatchSettings.evenness` asks for it. Place, flips, turn and the exchange
of sources are drawn for a whole batch, of which each rank takes its part: all ranks together see
what one process alone would.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
import torch
from pydantic import Field

from fusionlab.configs import Config
from fusionlab.cropping import at_least, turned
from fusionlab.errors import UsageError
from fusionlab.flow.batch import TASK_IDS, Batch
from fusionlab.training.curated import as_seen

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Tensor

    from fusionlab.training.curated import Curated

    Ints = NDArray[np.int64]
    Bools = NDArray[np.bool_]

#: Tasks whose two sources play the same part.
_ALIKE = frozenset({"mff"})

#: First number of a seed: what it draws.
_ORDER, _PLACES = 0, 1


class PatchSettings(Config):
    """How patches are drawn.

    Attributes
    ----------
    batch : patches a step, of all ranks together.
    patch : side of a patch, in pixels.
    seed : of every random number.
    balance : ``tasks`` gives every task the same number of patches, ``scenes`` every scene.
    evenness : 0 gives all scenes of a task the same number of patches, 1 all data sets, so that a
        large one does not drown the others; between them, a data set of `n` scenes gets a share
        proportional to ``n ** (1 - evenness)``, in whole passes over its scenes.
    swap : exchange the sources of every other multi-focus patch, by chance: near and far play the
        same part.
    """

    batch: Annotated[int, Field(ge=1)] = 16
    patch: Annotated[int, Field(ge=1)] = 64
    seed: Annotated[int, Field(ge=0)] = 0
    balance: Literal["tasks", "scenes"] = "tasks"
    evenness: Annotated[float, Field(ge=0, le=1)] = 0.0
    swap: bool = True


@dataclass(frozen=True)
class Cuts:
    """Where the patches of a batch are; arrays of (N,).

    Attributes
    ----------
    example : number of the example.
    y, x : first row and column, in pixels of the example (mirrored where it is too small).
    flip_y, flip_x, transpose : as `fusionlab.cropping.turned` takes them.
    swap : whether the sources are exchanged.
    """

    example: Ints
    y: Ints
    x: Ints
    flip_y: Bools
    flip_x: Bools
    transpose: Bools
    swap: Bools


def passes(datasets: NDArray[np.str_], evenness: float) -> Ints:
    """Return how often each of the scenes, whose data sets are given, is seen in one pass.

    Of a data set of `n` scenes it is :math:`n^{-e}`, divided by the least of all and rounded.
    """
    _, of, sizes = np.unique(datasets, return_inverse=True, return_counts=True)
    often: Ints = np.rint((sizes.max() / sizes) ** evenness).astype(np.int64)
    return often[of]


class Patches:
    """Batches of patches of curated labels.

    Parameters
    ----------
    curated : at least one example.
    rank, world : number of this process, and of all; `world` divides the batch.

    Raises
    ------
    UsageError
        When there are no examples, or `world` does not divide the batch.
    """

    def __init__(
        self,
        curated: Curated,
        settings: PatchSettings | None = None,
        *,
        rank: int = 0,
        world: int = 1,
    ) -> None:
        self.settings = settings or PatchSettings()
        if not len(curated):
            raise UsageError(f"labels {curated.labels!r}: there are no scenes to take patches from")
        if not 0 <= rank < world or self.settings.batch % world:
            raise UsageError(
                f"batch of {self.settings.batch} patches, rank {rank} of {world}: the number of "
                "processes must divide the batch, and ranks go from 0 on; change the batch"
            )
        self.rank, self.world = rank, world
        examples, side = curated.examples, self.settings.patch
        self.planes = [at_least(example.planes, side) for example in examples]
        self._tasks = np.array([TASK_IDS[example.task] for example in examples])
        self._weights = np.array([example.weight for example in examples], dtype=np.float32)
        self._alike = np.array([example.task in _ALIKE for example in examples])
        self._spare = np.array([planes.shape[1:] for planes in self.planes]) - side + 1
        pools = self._tasks if self.settings.balance == "tasks" else np.zeros_like(self._tasks)
        members = [np.flatnonzero(pools == pool) for pool in np.unique(pools)]
        groups = np.array([example.place.rpartition("/")[0] for example in examples])
        self._pools = [np.repeat(m, passes(groups[m], self.settings.evenness)) for m in members]
        self._permuted = lru_cache(maxsize=64)(self._permutation)

    def batch(self, step: int) -> Batch:
        """Return this rank's patches of a step, counted from 0."""
        cuts, side = self.cuts(step), self.settings.patch
        found = np.empty((3, len(cuts.example), side, side), dtype=np.uint16)
        places = zip(cuts.example.tolist(), cuts.y.tolist(), cuts.x.tolist(), strict=True)
        turns = zip(*(a.tolist() for a in (cuts.flip_y, cuts.flip_x, cuts.transpose)), strict=True)
        for i, ((example, y, x), turn) in enumerate(zip(places, turns, strict=True)):
            patch = self.planes[example][:, y : y + side, x : x + side]
            found[:, i] = turned(patch, *turn)
        found[1:, cuts.swap] = found[:0:-1, cuts.swap]
        return self.labelled(cuts, torch.from_numpy(as_seen(found)))

    def labelled(self, cuts: Cuts, planes: Tensor) -> Batch:
        """Return the batch of patches (3, N, h, w) that were cut, with their tasks and weights."""
        label, a, b = planes[:, :, None].unbind(0)
        task, weight = self._tasks[cuts.example], self._weights[cuts.example]
        ids, weights = torch.from_numpy(task), torch.from_numpy(weight)
        return Batch(label, a, b, ids.to(planes.device), weights.to(planes.device))

    def cuts(self, step: int) -> Cuts:
        """Return where this rank's patches of a step are."""
        count = self.settings.batch
        share = count // self.world
        mine = slice(self.rank * share, (self.rank + 1) * share)
        rng = np.random.default_rng([self.settings.seed, _PLACES, step])
        where, coins = rng.random((count, 2))[mine], rng.integers(0, 2, (count, 4))[mine] == 1
        first = step * count + mine.start
        example = np.array([self._scene(g) for g in range(first, first + share)])
        y, x = (where * self._spare[example]).astype(np.int64).T
        flip_y, flip_x, transpose, swap = coins.T
        swap = swap & self._alike[example] & self.settings.swap
        return Cuts(example, y, x, flip_y, flip_x, transpose, swap)

    def _scene(self, g: int) -> int:
        """Return the example that patch `g` of the whole training is of."""
        number, pool = divmod(g, len(self._pools))
        turn, place = divmod(number, len(self._pools[pool]))
        return int(self._permuted(pool, turn)[place])

    def _permutation(self, pool: int, turn: int) -> Ints:
        """Return the examples of a pool in the order of a pass."""
        members = self._pools[pool]
        task = int(self._tasks[members[0]]) if len(self._pools) > 1 else 0
        rng = np.random.default_rng([self.settings.seed, _ORDER, task, turn])
        return rng.permutation(members)

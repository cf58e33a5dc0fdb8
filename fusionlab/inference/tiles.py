r"""One velocity of a whole image, evaluated tile by tile; equal to the one evaluated at once.

A pixel of the velocity depends on inputs up to ``reach`` pixels away. So a tile is evaluated with a
margin of at least as much on every side where the image goes on, and the margin is thrown away.
Origins are multiples of the network's ``stride``: there its pooling cuts as it does in the whole.
Along an axis of n pixels, with tiles of at most T pixels and margins of R, both multiples of s:

.. math:: k = \lceil (n - 2R) / (T - 2R) \rceil, \quad
          c = s \lceil (n - 2R) / (k s) \rceil, \quad
          \text{tile } i = [\, ic,\ \min(n, ic + c + 2R) \,)

k tiles of nearly one size; one tile where :math:`n \le T`. The state of the flow stays whole: tiles
are put together after every evaluation, so that no seam can grow from step to step.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import Tensor

    from fusionlab.flow.model import FusionModel


@dataclass(frozen=True, slots=True)
class Span:
    """One tile along one axis.

    Attributes
    ----------
    start, stop : what the network sees.
    first, last : what of it is kept, in pixels of the image.
    """

    start: int
    stop: int
    first: int
    last: int

    @property
    def seen(self) -> slice:
        """Return what the network sees."""
        return slice(self.start, self.stop)

    @property
    def kept(self) -> slice:
        """Return what is kept, in pixels of the image."""
        return slice(self.first, self.last)

    @property
    def inner(self) -> slice:
        """Return what is kept, in pixels of the tile."""
        return slice(self.first - self.start, self.last - self.start)


def smallest(reach: int, stride: int) -> int:
    """Return the least side of a tile that pays: half of it is margin, so it costs four times."""
    return 4 * round_up(reach, stride)


def spans(side: int, tile: int, reach: int, stride: int) -> list[Span]:
    """Cut an axis of `side` pixels into tiles of at most `tile`.

    Parameters
    ----------
    tile : a multiple of `stride`, at least one stride more than both margins.
    """
    if side <= tile:
        return [Span(0, side, 0, side)]
    margin = round_up(reach, stride)
    inside = side - 2 * margin
    count = -(-inside // (tile - 2 * margin))
    step = round_up(-(-inside // count), stride)
    found = []
    for i in range(count):
        start, stop = i * step, min(side, (i + 1) * step + 2 * margin)
        first = 0 if i == 0 else start + margin
        last = side if i == count - 1 else stop - margin
        found.append(Span(start, stop, first, last))
    return found


def tiled_velocity(
    model: FusionModel, a: Tensor, b: Tensor, task: Tensor, tile: int
) -> Callable[[Tensor, float], Tensor]:
    """Return v(x_t, t) of one pair of sources, evaluated by tiles of at most `tile` pixels a side.

    Parameters
    ----------
    a, b : (N, 1, H, W), range -1..1.
    task : (N,), the ids of the tasks.
    tile : as for `spans`.
    """
    rows, columns = (spans(n, tile, model.reach, model.stride) for n in a.shape[2:])

    def velocity(x: Tensor, t: float) -> Tensor:
        times = x.new_full((len(x),), t)
        if len(rows) == len(columns) == 1:
            whole: Tensor = model(x, a, b, times, task)
            return whole
        found = torch.empty_like(x)
        for row in rows:
            for column in columns:
                seen = (..., row.seen, column.seen)
                part = model(x[seen], a[seen], b[seen], times, task)
                found[..., row.kept, column.kept] = part[..., row.inner, column.inner]
        return found

    return velocity


def round_up(n: int, multiple: int) -> int:
    """Return the least multiple that is no less than `n`."""
    return -(-n // multiple) * multiple

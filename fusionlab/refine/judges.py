r"""What judges see of a change of an image: its gain in each tile, and how much of that is chance.

.. math:: D_t = \sum_{x \in t} w(x) \, (q_{after}(x) - q_{before}(x)), \quad
          g = \frac{\sum_t D_t}{\sum_x w(x)}, \quad
          s = \frac{\sqrt{\sum_t D_t^2}}{\sum_x w(x)}

w q: a metric's map (`fusionlab.metrics.maps`). s is the SD that g has if the sign of every tile is
a coin's: what a change brings about that makes nothing better nor worse. With few tiles it is
large, so that one lucky tile proves nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.metrics.maps import MAPS, LocalMaps
from fusionlab.regions import Region

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from numpy.typing import NDArray

    from fusionlab.colour import Plane

    Mask = NDArray[np.bool_]

#: Side of a tile, in pixels of the whole image.
TILE = 16

#: Judge -> how often images are halved for it: coarse structure has its judges too.
HALVINGS = {"QG": 0, "QW": 1, "QY": 1}

_BLOCK = 256  # side of what is measured at once: small enough for the processor's cache
_MARGIN = TILE  # no judge looks farther


@dataclass(frozen=True)
class Gain:
    """What one judge says of a change.

    Attributes
    ----------
    change : g above, in units of the metric, over the surroundings of the change.
    noise : s above.
    """

    change: float
    noise: float

    @property
    def ratio(self) -> float:
        """Return g / s; 0 where the judge sees no change."""
        return self.change / self.noise if self.noise > 0 else 0.0


@dataclass(frozen=True)
class _Block:
    """A part of the image that a change touches: what is measured, and the tiles that it has."""

    seen: Region
    tiles: Region
    maps: LocalMaps
    before: Mapping[str, Plane]


class Panel:
    """Judges of changes of one image; what depends on sources and image alone is done once.

    Parameters
    ----------
    before : the image (H, W), 0..255.
    a, b : its sources.
    changed : (H, W), no change that is judged reaches beyond it.
    judges : of `fusionlab.metrics.maps.MAPS`; those that need a larger image are left out.
    """

    def __init__(
        self, before: Plane, a: Plane, b: Plane, changed: Mask, judges: Sequence[str]
    ) -> None:
        self.shape = before.shape
        side = min(self.shape)
        self.judges = {
            judge: HALVINGS[judge] if side >> HALVINGS[judge] >= MAPS[judge] else 0
            for judge in judges
            if side >= MAPS[judge]
        }
        self.grid = tuple(-(-n // TILE) for n in self.shape)
        self._blocks = list(self._touched(before, a, b, changed))
        self._weights = {
            judge: sum(float(block.maps.weights[judge].sum()) for block in self._blocks)
            for judge in self.judges
        }

    def _touched(self, before: Plane, a: Plane, b: Plane, changed: Mask) -> Iterator[_Block]:
        """Measure the image in every block that the change reaches."""
        for tiles in _blocks(self.shape):
            seen = _widened(tiles, self.shape)
            if not seen.crop(changed).any():
                continue
            maps = LocalMaps(self.judges, seen.crop(a), seen.crop(b))
            yield _Block(seen, tiles, maps, maps.values(seen.crop(before)))

    def differences(self, after: Plane) -> dict[str, Plane]:
        """Return, judge by judge, D of every tile of a changed image."""
        found = {judge: np.zeros(self.grid) for judge in self.judges}
        for block in self._blocks:
            y, x = block.tiles.y // TILE, block.tiles.x // TILE
            for judge, values in block.maps.values(block.seen.crop(after)).items():
                tiles = _pooled(values - block.before[judge], block, self.judges[judge])
                rows, columns = tiles.shape
                found[judge][y : y + rows, x : x + columns] = tiles
        return found

    def gains(self, differences: Mapping[str, Plane]) -> dict[str, Gain]:
        """Return what each judge says, of what `differences` returned."""
        return {
            judge: Gain(
                float(tiles.sum()) / (self._weights[judge] or 1.0),
                float(np.sqrt((tiles * tiles).sum())) / (self._weights[judge] or 1.0),
            )
            for judge, tiles in differences.items()
        }


def _blocks(shape: tuple[int, ...]) -> Iterator[Region]:
    """Yield blocks of whole tiles that cover the image."""
    rows, columns = (_cuts(side) for side in shape)
    for top, bottom in pairwise(rows):
        for left, right in pairwise(columns):
            yield Region(top, left, bottom - top, right - left)


def _cuts(side: int) -> list[int]:
    count = max(1, round(side / _BLOCK))
    return [round(i * side / count / TILE) * TILE for i in range(count)] + [side]


def _widened(region: Region, shape: tuple[int, ...]) -> Region:
    """Return the region with what judges look at around it."""
    top, left = max(region.y - _MARGIN, 0), max(region.x - _MARGIN, 0)
    bottom = min(region.y + region.height + _MARGIN, shape[0])
    right = min(region.x + region.width + _MARGIN, shape[1])
    return Region(top, left, bottom - top, right - left)


def _pooled(values: Plane, block: _Block, halvings: int) -> Plane:
    """Return the sums of a block's map over its tiles, margins left out."""
    inner, side = block.tiles.seen_from(block.seen), TILE >> halvings
    top, left = inner.y >> halvings, inner.x >> halvings
    height, width = -(-inner.height >> halvings), -(-inner.width >> halvings)
    kept = values[top : top + height, left : left + width]
    rows, columns = (np.arange(0, n, side) for n in kept.shape)
    return np.asarray(np.add.reduceat(np.add.reduceat(kept, rows, axis=0), columns, axis=1))

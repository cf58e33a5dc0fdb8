"""The tiles of a scene: a grid of about 4 x 4 rectangles that cover it without overlap.

Along a side of n pixels there are ``k = max(1, min(4, floor(n / 64)))`` tiles, the i-th from
``floor(i n / k)`` to ``floor((i + 1) n / k)``. So no tile is narrower than 64 pixels, which every
metric needs that works in windows or pyramids, unless the scene itself is.
"""

from __future__ import annotations

from itertools import pairwise

from fusionlab.regions import Region

ACROSS = 4
SMALLEST = 64


def tiles(height: int, width: int) -> tuple[Region, ...]:
    """Return the tiles of a scene, row by row."""
    rows, columns = _cuts(height), _cuts(width)
    return tuple(
        Region(top, left, bottom - top, right - left)
        for top, bottom in pairwise(rows)
        for left, right in pairwise(columns)
    )


def tiles_within(grid: tuple[Region, ...], region: Region | None) -> tuple[Region, ...]:
    """Return the tiles that lie in `region`, whole; all of them where it is None."""
    return grid if region is None else tuple(tile for tile in grid if region.holds(tile))


def _cuts(side: int) -> list[int]:
    count = max(1, min(ACROSS, side // SMALLEST))
    return [i * side // count for i in range(count + 1)]

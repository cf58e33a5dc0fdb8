"""The tiles of a scene cover it, without overlap, and are never too small."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusionlab.regions import Region
from fusionlab.tiling import ACROSS, SMALLEST, tiles, tiles_within

SIDES = st.integers(1, 900)


@given(SIDES, SIDES)
def test_tiles_cover_a_scene_once(height: int, width: int) -> None:
    covered = np.zeros((height, width), dtype=int)
    for tile in tiles(height, width):
        assert tile.within((height, width))
        covered[tile.y : tile.y + tile.height, tile.x : tile.x + tile.width] += 1
    assert (covered == 1).all()


@given(SIDES, SIDES)
def test_no_tile_is_smaller_than_it_must_be(height: int, width: int) -> None:
    grid = tiles(height, width)
    assert len(grid) <= ACROSS**2
    assert all(tile.height >= min(height, SMALLEST) for tile in grid)
    assert all(tile.width >= min(width, SMALLEST) for tile in grid)
    heights, widths = {tile.height for tile in grid}, {tile.width for tile in grid}
    assert max(heights) - min(heights) <= 1
    assert max(widths) - min(widths) <= 1


@pytest.mark.parametrize(
    ("size", "count"),
    [((20, 30), 1), ((127, 127), 1), ((128, 127), 2), ((192, 128), 6), ((256, 4000), 16)],
)
def test_small_scenes_have_fewer_tiles(size: tuple[int, int], count: int) -> None:
    assert len(tiles(*size)) == count


def test_a_region_has_the_tiles_that_lie_in_it_whole() -> None:
    grid = tiles(256, 256)
    assert tiles_within(grid, None) == grid
    assert tiles_within(grid, Region(0, 0, 256, 256)) == grid
    assert tiles_within(grid, Region(1, 0, 255, 256)) == grid[4:]
    inner = (Region(64, 64, 64, 64), Region(64, 128, 64, 64))
    assert tiles_within(grid, Region(60, 60, 70, 133)) == inner
    assert tiles_within(grid, Region(10, 10, 100, 100)) == ()


def test_a_tile_as_a_crop_sees_it() -> None:
    tile, crop = Region(64, 128, 64, 64), Region(60, 100, 100, 100)
    assert tile.seen_from(crop) == Region(4, 28, 64, 64)
    assert crop.holds(tile)
    assert not tile.holds(crop)

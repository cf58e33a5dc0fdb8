"""The choice by tile does not flicker: it takes a clear lead, and neighbours agree."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from fusionlab.mosaic.choice import choose, shown_map
from fusionlab.tiling import tiles

GRID = tiles(256, 256)


def table(*rows: tuple[float, ...]) -> np.ndarray:
    return np.array(rows, dtype=float)


def test_without_a_clear_lead_the_best_whole_candidate_is_shown_everywhere() -> None:
    rng = np.random.default_rng(0)
    totals = 0.5 + rng.uniform(-0.05, 0.05, (16, 4))
    assert set(choose(totals, 2, GRID, lead=0.11, smooth=0.0)) == {2}
    assert len(set(choose(totals, 2, GRID, lead=0.0, smooth=0.0))) > 1


def test_without_lead_and_smoothing_each_tile_shows_its_best() -> None:
    totals = np.random.default_rng(1).random((16, 5))
    assert np.array_equal(choose(totals, 0, GRID, 0.0, 0.0), totals.argmax(axis=1))


def test_a_lone_tile_needs_more_lead_than_a_quarter_of_the_scene() -> None:
    lone = np.tile([0.7, 0.5], (16, 1))
    lone[5] = (0.5, 0.8)
    assert set(choose(lone, 0, GRID, 0.2, 0.2)) == {0}
    assert choose(lone, 0, GRID, 0.2, 0.05)[5] == 1
    quarter = np.tile([0.7, 0.3], (16, 1))
    quarter[[0, 1, 4, 5]] = (0.3, 0.71)
    chosen = choose(quarter, 0, GRID, 0.2, 0.2)
    assert np.flatnonzero(chosen).tolist() == [0, 1, 4, 5]


def test_a_tie_keeps_the_best_whole_candidate() -> None:
    assert set(choose(np.full((16, 3), 0.5), 1, GRID, 0.0, 0.0)) == {1}


def test_who_has_no_total_in_a_tile_is_not_shown_there() -> None:
    totals = np.tile([0.2, 0.9], (16, 1))
    totals[3] = (0.2, np.nan)
    chosen = choose(totals, 0, GRID, 0.1, 0.0)
    assert chosen[3] == 0
    assert np.delete(chosen, 3).tolist() == [1] * 15


def test_one_tile_and_one_candidate() -> None:
    one = tiles(50, 50)
    assert choose(table((0.1, 0.9)), 0, one, 0.2, 0.2).tolist() == [1]
    assert choose(np.full((16, 1), 0.4), 0, GRID, 0.2, 0.2).tolist() == [0] * 16


@given(st.integers(0, 1000), st.floats(0, 0.5), st.floats(0, 0.5))
def test_no_tile_could_do_better_given_its_neighbours(
    seed: int, lead: float, smooth: float
) -> None:
    totals = np.random.default_rng(seed).random((16, 4))
    chosen = choose(totals, 0, GRID, lead, smooth)
    for t, tile in enumerate(GRID):
        near = [
            s for s, other in enumerate(GRID) if abs(other.y - tile.y) + abs(other.x - tile.x) == 64
        ]
        gain = [
            totals[t, c] - lead * (c != 0) + smooth * np.mean(chosen[near] == c) for c in range(4)
        ]
        assert gain[chosen[t]] >= max(gain) - 1e-12


def test_the_map_shows_every_tile() -> None:
    grid = tiles(130, 200)
    shown = shown_map(grid, np.arange(len(grid)), (130, 200))
    for number, tile in enumerate(grid):
        assert (tile.crop(shown) == number).all()

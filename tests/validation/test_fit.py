"""Fitting finds weights that were planted, and says so when there is nothing to find."""

from math import comb

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionlab.errors import UnknownNameError
from fusionlab.selection import Policy
from fusionlab.validation.choices import choices
from fusionlab.validation.fit import (
    SHRINKS,
    Pool,
    drawn_back,
    fit_weights,
    judge,
    pools_of,
    simplex,
    split,
)
from fusionlab.validation.pools import order
from fusionlab.validation.truths import Truth

NAMES = ["EN", "SD", "SF"]


def pools(truth_of, scenes=40, candidates=8, seed=0):
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(scenes):
        ranks = [rng.permutation(candidates) / (candidates - 1) for _ in NAMES]
        norms = np.column_stack(ranks)
        everyone = np.ones(candidates, dtype=bool)
        made.append(Pool(norms, np.zeros(candidates), everyone, truth_of(norms, rng)))
    return made


@pytest.mark.parametrize("goal", ["regret", "spearman"])
def test_planted_weights_are_found_and_beat_equal_ones(goal):
    planted = np.array([0.0, 0.25, 0.75])
    fit = fit_weights(pools(lambda norms, _: norms @ planted), NAMES, goal)
    found = np.array([fit.weights.get(name, 0.0) for name in NAMES])
    assert np.abs(found - planted).max() <= 0.1
    assert fit.beats_equal
    assert fit.fitted.mean < 0.02 < 0.05 < fit.equal.mean
    assert fit.difference.mean == pytest.approx(fit.fitted.mean - fit.equal.mean)
    assert (fit.scenes, fit.groups) == (40, 10)


def test_equal_weights_that_are_right_are_not_beaten():
    fit = fit_weights(pools(lambda norms, _: norms.mean(axis=1)), NAMES)
    assert not fit.beats_equal
    assert fit.fitted.mean == fit.equal.mean == 0.0
    assert set(fit.weights.values()) == {0.3333}


def test_of_noise_nothing_is_learnt_however_well_it_fits():
    fit = fit_weights(pools(lambda norms, rng: rng.normal(size=len(norms)), 12), NAMES)
    assert not fit.beats_equal
    assert fit.seen < fit.fitted.mean  # what one would have boasted of


def test_a_goal_that_is_none():
    with pytest.raises(UnknownNameError, match="regret"):
        fit_weights(pools(lambda norms, _: norms[:, 0], 3), NAMES, "regrets")


@pytest.mark.parametrize("k", [1, 2, 3, 5, 7, 12, 30])
def test_the_grid_lies_on_the_simplex_and_stays_small(k):
    grid = simplex(k)
    assert grid.shape[1] == k
    assert len(grid) <= 1501
    assert grid.sum(axis=1) == pytest.approx(1.0)
    assert grid.min() >= 0.0
    assert np.allclose(grid[0], 1.0 / k)
    assert len(np.unique(grid.round(9), axis=0)) >= len(grid) - 1


def test_three_weights_have_steps_of_a_twentieth():
    assert len(simplex(3)) == 1 + comb(22, 2)


def test_weights_are_drawn_back_to_equal_ones():
    weights = np.array([[1.0, 0.0]])
    assert drawn_back(weights, SHRINKS[0]).tolist() == [[1.0, 0.0]]
    assert drawn_back(weights, 0.5).tolist() == [[0.75, 0.25]]
    assert drawn_back(weights, SHRINKS[-1]).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize(("scenes", "groups"), [(1, 1), (3, 3), (10, 10), (54, 10)])
def test_groups_are_neighbours_and_hold_every_scene_once(scenes, groups):
    cut = split(scenes)
    assert len(cut) == groups
    assert np.concatenate(cut).tolist() == list(range(scenes))


values = st.lists(st.integers(0, 3), min_size=4, max_size=4)


@settings(max_examples=40, deadline=None)
@given(values, values, values, st.lists(st.booleans(), min_size=4, max_size=4))
def test_it_judges_as_the_policy_chooses(first, second, truth, clipped):
    places = pd.MultiIndex.from_product([["s"], list("DCBA")], names=["scene", "method"])
    scores = pd.DataFrame({"EN": first, "SF": second}, index=places, dtype=float)
    traits = pd.DataFrame({"flags": "", "family": ""}, index=places)
    traits.loc[clipped, "flags"] = "clipped"
    policy = Policy(name="p", version=1, exclude=("clipped",), weights={"mff": {"EN": 2, "SF": 1}})
    known = Truth("opinion", "points", pd.Series(truth, index=places, dtype=float))
    expected = choices(known, scores, policy, "mff", traits).iloc[0]
    found = pools_of(order(scores, policy, "mff", traits), ["EN", "SF"], known.known)
    if all(clipped):
        assert found == []
        return
    regret, rho = judge(found[0], np.array([[2 / 3, 1 / 3]]))
    assert regret.tolist() == [expected["regret"]]
    if len(set(truth)) > 1:
        assert rho[0] == pytest.approx(expected["spearman"], abs=1e-9)

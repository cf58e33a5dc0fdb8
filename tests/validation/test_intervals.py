"""Intervals and rank correlations against closed forms and SciPy."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fusionlab.validation.intervals import Interval, bootstrap_mean, share, spearman


def test_no_scene_has_no_interval():
    for values in ([], [np.nan, np.nan]):
        found = bootstrap_mean(np.array(values, dtype=float))
        assert found.count == 0
        assert np.isnan([found.mean, found.low, found.high]).all()
        assert str(found) == "-"
        assert not found.below_zero()
    assert share(np.array([], dtype=bool)).count == 0


@pytest.mark.parametrize("values", [[2.5], [2.5, 2.5, 2.5], [2.5, np.nan]])
def test_one_value_is_certain(values):
    found = bootstrap_mean(np.array(values))
    assert (found.mean, found.low, found.high) == (2.5, 2.5, 2.5)


def test_two_values_resample_to_three_means_a_quarter_of_them_at_each_end():
    found = bootstrap_mean(np.array([-1.0, 3.0]))
    assert (found.mean, found.low, found.high, found.count) == (1.0, -1.0, 3.0, 2)


def test_many_scenes_give_the_interval_of_the_normal_distribution():
    values = np.random.default_rng(1).normal(5.0, 2.0, 4000)
    found = bootstrap_mean(values)
    half = 1.96 * values.std() / np.sqrt(len(values))
    assert found.mean == pytest.approx(values.mean(), rel=1e-12)
    assert found.low == pytest.approx(values.mean() - half, abs=0.004)
    assert found.high == pytest.approx(values.mean() + half, abs=0.004)


def test_it_is_scipys_percentile_bootstrap_and_the_same_at_every_call():
    values = np.random.default_rng(2).gamma(1.0, 1.0, 12)
    mine = bootstrap_mean(values)
    theirs = stats.bootstrap((values,), np.mean, method="percentile", n_resamples=10_000)
    assert mine == bootstrap_mean(values[::-1])
    assert mine.low == pytest.approx(theirs.confidence_interval.low, abs=0.03)
    assert mine.high == pytest.approx(theirs.confidence_interval.high, abs=0.03)


def test_an_infinite_regret_has_no_interval():
    found = bootstrap_mean(np.array([1.0, np.inf]))
    assert found.mean == np.inf
    assert np.isnan(found.low)


def test_more_values_than_are_held_at_once(monkeypatch):
    values = np.random.default_rng(3).normal(size=50)
    whole = bootstrap_mean(values)
    monkeypatch.setattr("fusionlab.validation.intervals._AT_ONCE", 1000)
    assert bootstrap_mean(values).low == pytest.approx(whole.low, abs=0.02)


def test_a_share_of_none_is_not_certain():
    none, half = share(np.zeros(12, dtype=bool)), share(np.array([True, False] * 6))
    z = 1.959964
    assert (none.mean, none.low) == (0.0, 0.0)
    assert none.high == pytest.approx(z**2 / (12 + z**2), abs=1e-6)
    spread = z * np.sqrt(0.25 / 12 + z**2 / (4 * 144)) / (1 + z**2 / 12)
    assert (half.low, half.high) == pytest.approx((0.5 - spread, 0.5 + spread), abs=1e-6)


def test_only_an_interval_wholly_below_zero_is():
    assert Interval(-1.0, -2.0, -0.1, 5).below_zero()
    assert not Interval(-1.0, -2.0, 0.0, 5).below_zero()
    assert str(Interval(-1.0, -2.0, -0.125, 5)) == "-1 [-2, -0.125]"


@settings(deadline=None)
@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=2, max_size=12))
def test_spearman_is_scipys_within_each_scene(pairs):
    x, y = (pd.Series(column, dtype=float) for column in zip(*pairs, strict=True))
    scene = pd.Series(["one"] * len(pairs) + ["two"] * len(pairs))
    found = spearman(pd.concat([x, -x]), pd.concat([y, y]), scene.set_axis([*x.index, *x.index]))
    if len(set(y)) == 1:
        assert found.isna().all()
    elif len(set(x)) == 1:
        assert (found == 0).all()
    else:
        expected = stats.spearmanr(x, y).statistic
        assert found.to_dict() == pytest.approx({"one": expected, "two": -expected})

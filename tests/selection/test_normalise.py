"""Normalisation over the candidates of a scene."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusionlab.selection.normalise import NORMALISERS, minmax, quantile, rank, raw, zscore

NAN, INF = float("nan"), float("inf")


def column(values: list[float], scenes: list[str] | None = None) -> tuple[pd.DataFrame, pd.Series]:
    return pd.DataFrame({"m": values}), pd.Series(scenes or ["s"] * len(values))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0, 1.0, 2.0], [1.0, 0.0, 0.5]),
        ([5.0, 5.0, 1.0], [0.75, 0.75, 0.0]),
        ([4.0], [1.0]),
        ([2.0, 2.0], [0.5, 0.5]),
        ([NAN, 1.0, 2.0], [0.0, 0.5, 1.0]),
        ([NAN, NAN, 2.0], [0.0, 0.0, 1.0]),
        ([NAN], [0.0]),
        ([INF, 1.0, -INF], [1.0, 0.5, 0.0]),
    ],
    ids=[
        "plain",
        "ties averaged",
        "one candidate",
        "all equal",
        "nan worst",
        "two nan tie",
        "only nan",
        "inf",
    ],
)
def test_rank(values: list[float], expected: list[float]) -> None:
    assert rank(*column(values))["m"].tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([3.0, 1.0, 2.0], [1.0, 0.0, 0.5]),
        ([4.0, 4.0], [0.5, 0.5]),
        ([NAN, 1.0, 3.0], [0.0, 0.0, 1.0]),
        ([NAN, NAN], [0.0, 0.0]),
        ([INF, 1.0, 3.0], [1.0, 0.0, 1.0]),
    ],
    ids=["plain", "all equal", "nan worst", "all nan", "inf is the best finite"],
)
def test_minmax(values: list[float], expected: list[float]) -> None:
    assert minmax(*column(values))["m"].tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 3.0], [-1.0, 1.0]),
        ([4.0, 4.0], [0.0, 0.0]),
        ([NAN, 1.0, 3.0], [-1.0, -1.0, 1.0]),
        ([NAN, NAN], [0.0, 0.0]),
    ],
    ids=["population SD", "all equal", "nan worst", "all nan"],
)
def test_zscore(values: list[float], expected: list[float]) -> None:
    assert zscore(*column(values))["m"].tolist() == expected


@pytest.mark.parametrize(
    ("values", "expected"),
    [([3.0, 1.0], [3.0, 1.0]), ([NAN, 1.0, 3.0], [1.0, 1.0, 3.0]), ([INF, 1.0], [1.0, 1.0])],
    ids=["as they are", "nan is the worst", "inf is the largest finite"],
)
def test_raw(values: list[float], expected: list[float]) -> None:
    assert raw(*column(values))["m"].tolist() == expected


def placed(values: list[float], levels: list[float], sign: float = 1.0) -> list[float]:
    found = quantile(pd.DataFrame({"m": values}), {"m": levels}, {"m": sign})
    return found["m"].tolist()


def test_quantiles_are_linear_between_levels_and_end_at_them() -> None:
    assert placed([0.0, 5.0, 10.0, 15.0, 20.0, 99.0, -9.0], [0.0, 10.0, 20.0]) == pytest.approx(
        [0.0, 0.25, 0.5, 0.75, 1.0, 1.0, 0.0]
    )


def test_quantiles_of_a_metric_of_which_less_is_better_are_turned_round() -> None:
    assert placed([0.0, 20.0, NAN], [0.0, 20.0], -1.0) == [1.0, 0.0, 0.0]


def test_equal_quantiles_give_their_middle() -> None:
    assert placed([1.0, 2.0], [1.0, 1.0, 1.0, 2.0, 3.0]) == pytest.approx([0.25, 0.75])


def test_a_quantile_depends_on_no_other_candidate() -> None:
    levels = [0.0, 1.0, 4.0, 9.0]
    assert placed([2.0, 7.0, 3.0], levels) == [placed([v], levels)[0] for v in (2.0, 7.0, 3.0)]


@pytest.mark.parametrize("name", list(NORMALISERS))
def test_scenes_do_not_see_each_other(name: str) -> None:
    both, scenes = column([1.0, 2.0, 300.0, 100.0, 200.0], ["s", "s", "t", "t", "t"])
    together = NORMALISERS[name](both, scenes)["m"].tolist()
    apart = [
        *NORMALISERS[name](*column([1.0, 2.0]))["m"],
        *NORMALISERS[name](*column([300.0, 100.0, 200.0]))["m"],
    ]
    assert together == pytest.approx(apart)


levels = st.one_of(st.integers(-50, 50).map(float), st.just(NAN))


@given(values=st.lists(levels, min_size=1, max_size=12), name=st.sampled_from(list(NORMALISERS)))
def test_order_is_kept_and_nothing_is_nan(values: list[float], name: str) -> None:
    normalised = NORMALISERS[name](*column(values))["m"].to_numpy()
    assert np.isfinite(normalised).all()
    worst_for_nan = np.nan_to_num(np.array(values), nan=-1e9)
    for i, x in enumerate(worst_for_nan):
        for j, y in enumerate(worst_for_nan):
            if x < y:
                assert normalised[i] <= normalised[j]
            if x == y:
                assert normalised[i] == normalised[j]


@given(values=st.lists(st.integers(-50, 50).map(float), min_size=2, max_size=12))
def test_rank_and_minmax_lie_in_0_to_1(values: list[float]) -> None:
    for name in ("rank", "minmax"):
        normalised = NORMALISERS[name](*column(values))["m"]
        assert normalised.between(0, 1).all()


def pool(values: list[float], weights: list[float]) -> tuple[pd.DataFrame, pd.Series, pd.Series]:
    return (*column(values), pd.Series(weights))


def test_weighted_rank_by_hand() -> None:
    # All weigh 1 + 1/2 + 1/2 + 1 = 3. The worst 0; a half beats 1, of 2.5 others, and so on.
    ranked = rank(*pool([1.0, 2.0, 3.0, 4.0], [1.0, 0.5, 0.5, 1.0]))["m"]
    assert ranked.tolist() == pytest.approx([0.0, 1 / 2.5, 1.5 / 2.5, 1.0])


def test_weighted_zscore_by_hand() -> None:
    # Weighted mean (1 + 2 * 4) / 3 = 3, variance (4 + 2 * 1) / 3 = 2.
    scores = zscore(*pool([1.0, 4.0], [1.0, 2.0]))["m"]
    assert scores.tolist() == pytest.approx([-2 / 2**0.5, 1 / 2**0.5])


@pytest.mark.parametrize("name", list(NORMALISERS))
def test_no_candidates_at_all(name: str) -> None:
    assert NORMALISERS[name](*pool([], []))["m"].tolist() == []


def old_rank(values: pd.DataFrame, scene: pd.Series) -> pd.DataFrame:
    """``(r - 1) / (n - 1)``, written down by itself."""
    groups = values.groupby(scene, sort=False)
    others = groups.transform("size") - 1
    ranks = groups.rank(method="average", na_option="top")
    scaled = ranks.sub(1.0).div(others.where(others > 0, 1), axis=0).where(others > 0, 1.0)
    return scaled.where(values.notna(), 0.0)


infinite = st.one_of(levels, st.sampled_from([INF, -INF]))


@given(
    values=st.lists(infinite, min_size=1, max_size=12),
    cuts=st.lists(st.sampled_from("stu"), min_size=12, max_size=12),
)
def test_without_families_rank_is_what_it_was(values: list[float], cuts: list[str]) -> None:
    frame, scenes = column(values, cuts[: len(values)])
    assert rank(frame, scenes).equals(old_rank(frame, scenes))
    ones = pd.Series(1.0, index=frame.index)
    assert rank(frame, scenes, ones).equals(old_rank(frame, scenes))


@given(
    values=st.lists(levels, min_size=1, max_size=10),
    times=st.integers(1, 6),
    name=st.sampled_from(["rank", "minmax", "zscore"]),
)
def test_copies_of_a_candidate_change_no_other_score(
    values: list[float], times: int, name: str
) -> None:
    before = NORMALISERS[name](*pool(values, [1.0] * len(values)))["m"].to_numpy()
    copied = [*values, *[values[0]] * (times - 1)]
    weights = [1 / times, *[1.0] * (len(values) - 1), *[1 / times] * (times - 1)]
    after = NORMALISERS[name](*pool(copied, weights))["m"].to_numpy()
    if len(values) > 1:
        assert after[1 : len(values)] == pytest.approx(before[1:], abs=1e-9)
    assert after[len(values) :] == pytest.approx(after[0], abs=1e-9)  # copies stay equal


@given(
    values=st.lists(levels, min_size=1, max_size=10),
    weights=st.lists(st.sampled_from([1.0, 0.5, 1 / 3]), min_size=10, max_size=10),
)
def test_weighted_rank_lies_in_0_to_1_and_keeps_the_order(
    values: list[float], weights: list[float]
) -> None:
    ranked = rank(*pool(values, weights[: len(values)]))["m"].to_numpy()
    assert (ranked >= 0).all()
    assert (ranked <= 1 + 1e-12).all()
    order = np.argsort(np.nan_to_num(np.array(values), nan=-1e9), kind="stable")
    known = [i for i in order if not np.isnan(values[i])]
    for i, j in pairwise(known):
        if values[i] < values[j]:
            assert ranked[i] < ranked[j] + 1e-12

"""Normalisation over the candidates of a scene."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusionlab.selection.normalise import NORMALISERS, minmax, rank, zscore

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

"""Friedman and Nemenyi against the published values and the formula of the textbook."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from fusionlab.audit.critical import compare, nemenyi
from fusionlab.audit.diagram import cliques, critical_diagram

#: Critical values of the Nemenyi test for k = 2..10 methods: Demsar 2006, table 5(a).
TABLE = {  # 2.343 is 2.3437, cut off
    0.05: [1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164],
    0.10: [1.645, 2.052, 2.291, 2.459, 2.589, 2.693, 2.780, 2.855, 2.920],
}


@pytest.mark.parametrize("alpha", TABLE)
def test_critical_values_are_the_published_ones(alpha: float) -> None:
    for methods, q in enumerate(TABLE[alpha], start=2):
        scenes = methods * (methods + 1)  # then the difference is q / sqrt(6)
        assert nemenyi(methods, scenes, alpha) * np.sqrt(6) == pytest.approx(q, abs=1e-3)


def test_the_example_of_the_paper() -> None:
    assert nemenyi(4, 14) == pytest.approx(1.25, abs=0.005)
    assert nemenyi(4, 14, 0.10) == pytest.approx(1.12, abs=0.005)


def test_statistic_is_that_of_the_textbook() -> None:
    rng = np.random.default_rng(0)
    totals = pd.DataFrame(rng.normal(size=(9, 5)) + np.arange(5), columns=list("abcde"))
    found = compare(totals)
    ranks = (-totals).rank(axis=1).mean()
    want = 12 * 9 / (5 * 6) * ((ranks**2).sum() - 5 * 6**2 / 4)
    assert found["chi2"].iloc[0] == pytest.approx(want)
    assert found["method"].iloc[0] == "e"
    assert found.set_index("method")["mean_rank"].to_dict() == pytest.approx(ranks.to_dict())
    assert (found["scenes"] == 9).all()
    assert (found["methods"] == 5).all()


def test_all_equal_is_no_difference() -> None:
    found = compare(pd.DataFrame(np.ones((4, 3)), columns=list("abc")))
    assert found[["chi2", "p"]].drop_duplicates().to_numpy().tolist() == [[0, 1]]
    assert (found["mean_rank"] == 2).all()
    assert critical_diagram(found, "x").data


@pytest.mark.parametrize("shape", [(1, 4), (5, 2), (0, 0)])
def test_too_little_gives_no_rows_but_columns(shape: tuple[int, int]) -> None:
    found = compare(pd.DataFrame(np.zeros(shape)))
    assert found.empty
    assert {"method", "mean_rank", "cd"} <= set(found.columns)


def test_cliques_are_the_longest_runs_within_the_difference() -> None:
    assert cliques([1, 2, 3, 4], 1.5) == [(0, 1), (1, 2), (2, 3)]
    assert cliques([1, 2, 3, 4], 10) == [(0, 3)]
    assert cliques([1, 4, 8], 2) == []
    assert cliques([1.0, 1.5, 2.9, 3.0], 2) == [(0, 2), (1, 3)]
    assert cliques([1.0, 3.0], 2) == []  # just as far apart as the difference

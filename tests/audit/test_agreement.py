"""Agreement of metrics and methods is what SciPy says, scene by scene."""

from __future__ import annotations

import numpy as np
import pytest
from helpers import METHODS, make_lab
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from fusionlab import audit
from fusionlab.audit import agreement
from fusionlab.decoys import DECOY_PREFIX
from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select

COLUMN = st.lists(st.integers(0, 4), min_size=5, max_size=5)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    made = make_lab(tmp_path_factory.mktemp("agreement"), scenes=3, reference=True)
    score(made)
    select(made, load_policy("fusionfm"), "first")
    return made


@settings(max_examples=60, deadline=None)
@given(COLUMN, COLUMN)
def test_tau_is_that_of_scipy_with_ties(a: list[int], b: list[int]) -> None:
    found = agreement._kendall(np.array([a, b], dtype=float).T)
    if len(set(a)) == 1 or len(set(b)) == 1:
        assert np.isnan(found[0, 1])
        return
    assert found[0, 1] == pytest.approx(stats.kendalltau(a, b).statistic)
    assert found[0, 0] == pytest.approx(1)


def test_what_is_not_a_number_is_left_out_of_both_sums() -> None:
    a, b = [1.0, 2.0, 3.0, np.nan, 5.0], [2.0, 1.0, 3.0, 9.0, 4.0]
    known = [0, 1, 2, 4]
    want = stats.kendalltau([a[i] for i in known], [b[i] for i in known]).statistic
    assert agreement._kendall(np.array([a, b]).T)[0, 1] == pytest.approx(want)
    infinite = agreement._kendall(np.array([[np.inf, np.inf, 1.0], [1.0, 2.0, 0.0]]).T)
    assert infinite[0, 1] == pytest.approx(stats.kendalltau([2, 2, 1], [1, 2, 0]).statistic)


@pytest.mark.parametrize("by", ["kendall", "spearman"])
def test_metrics_agree_as_the_scores_say(lab: Lab, by: str) -> None:
    frame = audit.agreement_metrics(lab, by=by).set_index(["metric_a", "metric_b"])
    assert frame.loc[("SSIM", "VIF"), "scenes"] == 3
    scores = lab.scores("ivf", "toy")
    scores = scores[~scores["method"].str.startswith(DECOY_PREFIX)]
    wide = scores.pivot(index=["scene", "method"], columns="metric", values="value")
    test = stats.kendalltau if by == "kendall" else stats.spearmanr
    each = [test(s["SSIM"], s["VIF"]).statistic for _, s in wide.groupby("scene")]
    assert frame.loc[("SSIM", "VIF"), "agreement"] == pytest.approx(np.mean(each))
    assert frame.loc[("VIF", "SSIM"), "agreement"] == pytest.approx(np.mean(each))
    assert frame.loc[("VIF", "VIF"), "agreement"] == pytest.approx(1)
    assert ("VIF", "PSNR_ref") in frame.index


def test_methods_are_alike_as_their_ranks_are(lab: Lab) -> None:
    frame = audit.agreement_methods(lab).set_index(["method_a", "method_b"])["agreement"]
    assert set(frame.index.get_level_values(0)) == set(METHODS)
    assert frame["mean", "mean"] == 1
    assert frame["mean", "noisy"] == frame["noisy", "mean"]
    scores = lab.scores("ivf", "toy")
    scores = scores[~scores["method"].str.startswith(DECOY_PREFIX)]
    scores = scores[scores["metric"] != "PSNR_ref"]
    ranks = scores.groupby(["scene", "metric"])["value"].rank().sub(1).div(3)
    wide = scores.assign(rank=ranks).pivot(
        index=["scene", "metric"], columns="method", values="rank"
    )
    assert frame["sharp", "noisy"] == pytest.approx(
        1 - (wide["sharp"] - wide["noisy"]).abs().mean()
    )


def test_a_lone_candidate_agrees_with_nobody(tmp_path_factory: pytest.TempPathFactory) -> None:
    made = make_lab(tmp_path_factory.mktemp("lone"), scenes=1, methods=("mean",))
    score(made)
    select(made, load_policy("fusionfm"), "x")
    frame = audit.agreement_metrics(made)
    assert frame["agreement"].isna().all()
    assert (frame["scenes"] == 0).all()
    assert audit.agreement_methods(made)["agreement"].tolist() == [1.0]
    assert audit.critical_difference(made).empty

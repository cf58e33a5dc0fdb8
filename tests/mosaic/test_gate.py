"""The gate: a mosaic must be better by what did not choose it."""

from __future__ import annotations

import pandas as pd
import pytest

from fusionlab.mosaic.gate import judge
from fusionlab.selection.policy import Guard, Policy

POLICY = Policy(name="p", version=1, weights={"mff": {"SELS": 1.0, "GERR": 1.0}})
JUDGING = ["QW", "QY"]
RIVALS = pd.DataFrame(
    {
        "SELS": [0.9, 0.8, 0.7],
        "GERR": [0.1, 0.2, 0.3],
        "QW": [0.80, 0.82, 0.78],
        "QY": [0.90, 0.88, 0.92],
    },
    index=["best", "second", "third"],
)
GOOD = {"SELS": 0.95, "GERR": 0.05, "QW": 0.84, "QY": 0.94}


def verdict(policy: Policy = POLICY, rivals: pd.DataFrame = RIVALS, **changed: float) -> object:
    return judge({**GOOD, **changed}, rivals, "best", policy, "mff", JUDGING, margin=0.1)


def test_a_gain_in_all_that_is_held_out_makes_it_the_label() -> None:
    found = verdict()
    assert found.reason == ""
    spread = RIVALS[JUDGING].std(ddof=0)
    assert found.gain == pytest.approx(0.04 / spread["QW"] / 2 + 0.04 / spread["QY"] / 2)
    assert found.ranked["total"] == 1.0
    assert found.ranked["norm_GERR"] == 1.0
    assert found.best_total < 1.0


@pytest.mark.parametrize(
    "changed",
    [{"QW": 0.80, "QY": 0.90}, {"QW": 0.9, "QY": 0.899}, {"QW": 0.801, "QY": 0.901}],
    ids=["no gain", "a loss", "too little"],
)
def test_without_a_clear_gain_it_is_refused(changed: dict[str, float]) -> None:
    found = verdict(**changed)
    assert found.reason == "mosaic_no_gain"
    assert "QW" in found.detail


def test_what_cannot_be_judged_is_refused() -> None:
    assert verdict(QW=float("nan")).reason == "mosaic_no_gain"
    equal = RIVALS.assign(QY=0.9)
    assert verdict(rivals=equal).reason == "mosaic_no_gain"
    assert verdict(rivals=RIVALS.iloc[:1]).reason == "mosaic_no_gain"


def test_a_metric_for_which_less_is_better_is_turned_round() -> None:
    rivals = RIVALS.assign(Qcv=[10.0, 20.0, 30.0])
    for value, reason in ((5.0, ""), (15.0, "mosaic_no_gain")):
        values = {**GOOD, "Qcv": value}
        assert judge(values, rivals, "best", POLICY, "mff", ["Qcv"], 0.1).reason == reason


def test_behind_by_the_policy_itself_it_is_refused() -> None:
    found = verdict(SELS=0.85, GERR=0.15)
    assert found.reason == "mosaic_behind"
    assert "best" in found.detail


def test_a_mosaic_that_fails_a_guard_is_refused() -> None:
    guarded = POLICY.model_copy(update={"guards": {"noise": Guard(metric="GERR", min=0.07)}})
    found = verdict(guarded)
    assert found.reason == "mosaic_guard"
    assert "noise" in found.detail

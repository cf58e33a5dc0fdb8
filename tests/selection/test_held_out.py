"""Judges of what a policy helped to make are metrics that it does not use."""

from __future__ import annotations

import pytest

from fusionlab.selection import load_policy
from fusionlab.selection.held_out import COUNT, JUDGES, held_out
from fusionlab.selection.policy import Policy
from fusionlab.tasks import TASKS


@pytest.mark.parametrize("task", TASKS)
def test_judges_are_never_metrics_of_the_policy(task: str) -> None:
    shipped = load_policy("fusionfm")
    assert held_out(shipped, task) == list(JUDGES[task][:COUNT])
    using = Policy(name="p", version=1, weights={task: dict.fromkeys(JUDGES[task][:2], 1.0)})
    assert held_out(using, task) == list(JUDGES[task][2 : 2 + COUNT])


def test_only_some_metrics_can_judge() -> None:
    policy = Policy(name="p", version=1, weights={"mff": {"QW": 1.0}})
    assert held_out(policy, "mff", {"QW", "QG", "EN"}) == ["QG"]
    assert held_out(policy, "mff", ()) == []

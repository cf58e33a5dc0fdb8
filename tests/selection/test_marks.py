"""Flags and families in the choice: exclude, penalise, share."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from helpers import METHODS, make_lab

from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import Policy, select
from fusionlab.selection.guards import failed
from fusionlab.selection.ranking import rank_candidates
from fusionlab.selection.traits import candidate_traits


def policy(**options: object) -> Policy:
    return Policy(name="t", version=1, weights={"ivf": {"EN": 1}}, **options)


def scores(**methods: float) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples([("s", m) for m in methods], names=["scene", "method"])
    return pd.DataFrame({"EN": list(methods.values())}, index=index)


def traits(flags: dict[str, str] | None = None, family: dict[str, str] | None = None):
    names = sorted({*(flags or {}), *(family or {})})
    index = pd.MultiIndex.from_tuples([("s", m) for m in names], names=["scene", "method"])
    columns = {
        "flags": [(flags or {}).get(m, "") for m in names],
        "family": [(family or {}).get(m, "") for m in names],
    }
    return pd.DataFrame(columns, index=index)


def mark(lab: Lab, column: str, values: dict[tuple[str, str], str]) -> None:
    """Write a column of the index, in place of what ingest found."""
    index = lab.index("ivf", "toy")
    index[column] = ""
    for (scene, method), value in values.items():
        here = (index["scene"] == scene) & (index["name"] == method)
        assert here.sum() == 1
        index.loc[here, column] = value
    lab.write_index("ivf", "toy", index)


def test_a_penalty_comes_off_the_total_for_each_flag() -> None:
    rule = policy(penalise={"soft": 0.25, "jpeg": 0.5, "clipped": 9.0})
    ranked = rank_candidates(
        scores(a=3, b=2, c=1), rule, "ivf", traits({"a": "soft,jpeg", "b": "stretched"})
    ).set_index("method")
    assert ranked["total"].to_dict() == {"a": 0.25, "b": 0.5, "c": 0.0}
    assert ranked["penalty"].to_dict() == {"a": 0.75, "b": 0.0, "c": 0.0}
    assert ranked.index[0] == "b"


def test_a_family_is_one_voter_only_under_share() -> None:
    kin = traits(family={"b": "b", "c": "b"})
    pool = scores(a=1, b=2, c=3, d=4)
    shared = rank_candidates(pool, policy(families="share"), "ivf", kin).set_index("method")
    equal = rank_candidates(pool, policy(), "ivf", kin).set_index("method")
    assert shared.loc["c", "total"] == pytest.approx(1.5 / 2.5)
    assert equal.loc["c", "total"] == pytest.approx(2 / 3)
    assert equal["total"].equals(
        rank_candidates(pool, policy(), "ivf").set_index("method")["total"]
    )


def test_copies_cannot_lift_a_method_over_another() -> None:
    """Three weak copies under b in one metric push b up in the plain ranks, not in the shared."""
    index = pd.MultiIndex.from_product([["s"], ["a", "b", "w1", "w2", "w3"]])
    index.names = ["scene", "method"]
    table = pd.DataFrame({"EN": [2, 4, 3, 3, 3], "SD": [4, 2, 1, 1, 1]}, index=index)
    both = {"ivf": {"EN": 1.0, "SD": 0.9}}
    kin = traits(family={"w1": "w1", "w2": "w1", "w3": "w1"})

    def lead(families: str) -> float:
        rule = Policy(name="t", version=1, weights=both, families=families)
        totals = rank_candidates(table, rule, "ivf", kin).set_index("method")["total"]
        return totals["b"] - totals["a"]

    without = rank_candidates(
        table.iloc[:3], Policy(name="t", version=1, weights=both), "ivf"
    ).set_index("method")["total"]
    assert lead("share") == pytest.approx(without["b"] - without["a"])
    assert lead("equal") != pytest.approx(without["b"] - without["a"])


def test_an_excluded_flag_turns_a_candidate_away() -> None:
    rule = policy(exclude=("source_copy", "jpeg"))
    marked = traits({"b": "jpeg,source_copy", "c": "soft"})
    reasons = failed(scores(a=1, b=2, c=3), rule, "ivf", marked)
    assert reasons.tolist() == ["", "jpeg", ""]  # the first of its flags that is excluded
    assert failed(scores(a=1, b=2), policy(), "ivf", marked).tolist() == ["", ""]
    assert failed(scores(a=1, b=2), rule, "ivf").tolist() == ["", ""]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = make_lab(tmp_path, scenes=2)
    score(made, ["EN"])
    return made


def test_an_index_gives_the_traits_of_its_candidates(lab: Lab) -> None:
    mark(lab, "flags", {("s0", "mean"): "soft,jpeg"})
    found = candidate_traits(lab.index("ivf", "toy"))
    assert found.loc[("s0", "mean"), "flags"] == "soft,jpeg"
    assert len(found) == 2 * len(METHODS)


def test_labels_carry_flags_and_family_and_leave_out_the_excluded(lab: Lab) -> None:
    select(lab, policy(), "before")
    winner = lab.labels("before").set_index("scene").loc["s0", "method"]
    mark(lab, "flags", {("s0", winner): "clipped", ("s1", "mean"): "jpeg"})
    mark(lab, "family", {("s1", m): "mean" for m in METHODS})
    select(lab, policy(exclude=("clipped",)), "after")
    labels = lab.labels("after").set_index("scene")
    assert labels.loc["s0", "method"] != winner
    assert labels.loc["s0", "candidates"] == len(METHODS) - 1
    assert labels.loc["s1", "family"] == "mean"
    assert labels["flags"].tolist() == ["", ""]
    select(lab, policy(), "plain")
    assert lab.labels("plain").set_index("scene").loc["s0", "flags"] == "clipped"


def test_a_scene_whose_candidates_are_all_excluded_gets_a_reject_row(lab: Lab) -> None:
    mark(lab, "flags", {("s0", method): "jpeg,soft" for method in METHODS})
    report = select(lab, policy(exclude=("soft", "identical")), "x")
    assert (report.labels, report.unlabelled) == (1, 1)
    (row,) = lab.rejects().to_dict("records")
    assert (row["stage"], row["scene"], row["reason"]) == ("select", "s0", "all_excluded")
    assert "(soft 4)" in row["detail"]

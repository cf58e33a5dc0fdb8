"""How far intruders lead, reckoned by hand; and what is made of many of them."""

import numpy as np
import pandas as pd
import pytest

from fusionlab.decoys import DECOYS, SPOILS, spoiled_name
from fusionlab.scoring.trials import TRUTH
from fusionlab.selection import Policy
from fusionlab.validation.attacks import attacks, chosen_by
from fusionlab.validation.pools import leads
from fusionlab.validation.summary import ALL, ANY, MEAN, summarise_attacks

POLICY = Policy(name="sharp", version=1, weights={"mff": {"SF": 1.0}})


def frame(values):
    places = {(scene, m): v for scene, row in values.items() for m, v in row.items()}
    series = pd.Series(places, dtype=float).rename_axis(index=["scene", "method"])
    return series.to_frame("SF")


SCORES = frame({"s1": {"A": 3.0, "B": 2.0, "C": 1.0}, "s2": {"A": 5.0, "B": 6.0}})


@pytest.mark.parametrize(
    ("value", "lead"),
    [
        (4.0, 1.0 - 2 / 3),  # ranks 1 and 2/3
        (3.0, 0.0),  # ties with A
        (2.5, 2 / 3 - 1.0),
        (0.0, 0.0 - 1.0),
        (np.nan, 0.0 - 1.0),
    ],
)
def test_a_lead_is_that_in_a_pool_with_this_intruder_alone(value, lead):
    intruders = frame({"s1": {"decoy:x": value, "decoy:y": 99.0}})
    found = leads(SCORES, intruders, POLICY, "mff", None)
    assert found[("s1", "decoy:x")] == pytest.approx(lead)
    assert found[("s1", "decoy:y")] == pytest.approx(1 / 3)


def test_the_families_of_the_pool_still_share_a_vote():
    policy = POLICY.model_copy(update={"families": "share"})
    traits = pd.DataFrame({"flags": "", "family": ["f", "f", "", "", ""]}, index=SCORES.index)
    intruders = frame({"s1": {"decoy:x": 0.0}})
    # voters: A and B half each, C and the decoy one; A beats all of 2.5, the decoy none
    assert leads(SCORES, intruders, policy, "mff", traits).tolist() == [-1.0]
    intruders = frame({"s1": {"decoy:x": 2.5}})
    # A: 1; decoy beats C and B, 1.5 of 2
    assert leads(SCORES, intruders, policy, "mff", traits).tolist() == pytest.approx([-0.25])


def test_who_may_not_take_part_leads_by_nothing_and_loses_to_anyone():
    policy = POLICY.model_copy(update={"exclude": ("clipped",)})
    flags = ["clipped", "clipped", "clipped", "", ""]
    traits = pd.DataFrame({"flags": flags, "family": ""}, index=SCORES.index)
    intruders = frame({"s1": {"decoy:x": 0.0}, "s2": {"decoy:x": 0.0}})
    assert leads(SCORES, intruders, policy, "mff", traits).tolist() == [np.inf, -1.0]


def spoiled(values, truth):
    """All trials of the winners, A of s1 and B of s2; values by spoil, else bad."""
    rows = {}
    for scene, method in (("s1", "A"), ("s2", "B")):
        row = {spoiled_name(s, method): values.get((scene, s), -1.0) for s in SPOILS}
        rows[scene] = row | ({TRUTH: truth[scene]} if scene in truth else {})
    return frame(rows)


def run(trials, decoys=None):
    decoys = decoys or {}
    made = frame({s: {name: decoys.get((s, name), 0.0) for name in DECOYS} for s in ("s1", "s2")})
    return attacks(SCORES, made, trials, POLICY, "mff", None)


def test_the_winners_are_spoiled():
    assert chosen_by(SCORES, POLICY, "mff", None) == {"s1": {"A"}, "s2": {"B"}}
    found = run(spoiled({}, {}))
    assert set(found.loc[found["kind"] == "mild", "of"]) == {"A", "B"}
    assert len(found) == 2 * (len(DECOYS) + len(SPOILS))
    assert (found["lost"] == 0).all()


def test_an_attack_must_beat_its_own_original_too():
    trials = spoiled({("s1", "noise_2"): 3.5, ("s2", "noise_2"): 6.0}, {})
    found = run(trials).set_index(["scene", "decoy"])["lost"]
    assert found[("s1", "noise_2")] == 1
    assert found[("s2", "noise_2")] == 0  # only as good


def test_the_truth_is_first_unless_a_candidate_has_more():
    found = run(spoiled({}, {"s1": 3.0, "s2": 5.9})).set_index(["kind", "scene"])["lost"]
    assert found["truth"].to_dict() == {"s1": 0.0, "s2": 1.0}


def test_rates_one_by_one_any_and_mean():
    trials = spoiled({("s1", "noise_10"): 9.0, ("s1", "blurred"): 9.0}, {"s1": 9.0, "s2": 0.0})
    found = run(trials, {("s2", "decoy:mean"): 9.0}).assign(task="mff", dataset="d")
    rates = summarise_attacks(found).set_index(["kind", "decoy"])
    assert set(rates["task"]) == {"mff"}
    assert rates.loc[("defect", "noise_10"), "lost"] == 0.5
    assert rates.loc[("defect", ANY), "lost"] == 0.5
    defects = sum(spoil.kind == "defect" for spoil in SPOILS.values())
    assert rates.loc[("defect", MEAN), "lost"] == pytest.approx(1 / defects)
    assert rates.loc[("sources", "mean"), "lost"] == 0.5
    assert rates.loc[("truth", "truth"), "lost"] == 0.5
    assert rates.loc[("mild", MEAN), "lost"] == 0.0
    assert rates.loc[("mild", MEAN), "lost_high"] > 0.3  # two scenes prove little
    assert (rates["scenes"] == 2).all()


def test_several_tasks_are_also_told_together():
    found = run(spoiled({}, {}))
    both = pd.concat([found.assign(task=t, dataset="d") for t in ("ivf", "mff")])
    rates = summarise_attacks(both).set_index(["task", "kind", "decoy"])
    assert rates.loc[(ALL, "mild", ANY), "scenes"] == 4
    assert rates.loc[("ivf", "mild", ANY), "scenes"] == 2

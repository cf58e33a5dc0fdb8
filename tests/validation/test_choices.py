"""Regret, Spearman and 'always the same' on frames small enough to reckon by hand."""

import numpy as np
import pandas as pd
import pytest

from fusionlab.selection import Policy
from fusionlab.validation.choices import OTHERS, always, choices
from fusionlab.validation.summary import ALL, summarise_choices
from fusionlab.validation.truths import Truth

POLICY = Policy(name="sharp", version=1, weights={"mff": {"SF": 1.0}})


def by_place(values):
    """Turn {scene: {method: value}} into a series by (scene, method)."""
    places = {(scene, m): v for scene, row in values.items() for m, v in row.items()}
    series = pd.Series(places, dtype=float)
    return series.rename_axis(index=["scene", "method"])


TRUTH = Truth("opinion", "points", by_place({
    "s1": {"A": 5.0, "B": 3.0, "C": 1.0},
    "s2": {"A": 2.0, "B": 8.0, "C": 4.0},
}))  # fmt: skip


def scored(values):
    return by_place(values).to_frame("SF")


SCORES = scored({
    "s1": {"A": 9.0, "B": 6.0, "C": 3.0, "not judged": 99.0},
    "s2": {"A": 9.0, "B": 6.0, "C": 7.0},
    "no truth": {"A": 1.0, "B": 2.0},
})  # fmt: skip


def flagged(**flags):
    traits = pd.DataFrame({"flags": "", "family": ""}, index=SCORES.index)
    for place, flag in flags.items():
        traits.loc[tuple(place.split("_")), "flags"] = flag
    return traits


def test_regret_is_the_best_less_the_chosen_among_those_that_were_judged():
    found = choices(TRUTH, SCORES, POLICY, "mff", None).set_index("scene")
    assert found.index.tolist() == ["s1", "s2"]
    assert found["chosen"].tolist() == ["A", "A"]
    assert found["best_method"].tolist() == ["A", "B"]
    assert found["regret"].tolist() == [0.0, 6.0]
    assert found["pool"].tolist() == [3, 3]
    assert found["spearman"].tolist() == [1.0, -1.0]


def test_who_is_turned_away_stands_below_all_others_by_its_total():
    policy = POLICY.model_copy(update={"exclude": ("clipped",)})
    found = choices(TRUTH, SCORES, policy, "mff", flagged(s2_A="clipped")).set_index("scene")
    assert found.loc["s2", "chosen"] == "C"
    assert found.loc["s2", "regret"] == 4.0
    # the order C, B, A against the truth B, C, A
    assert found.loc["s2", "spearman"] == pytest.approx(0.5)
    assert found.loc["s1", "regret"] == 0.0


def test_two_that_are_turned_away_keep_their_order():
    policy = POLICY.model_copy(update={"exclude": ("clipped",)})
    traits = flagged(s1_A="clipped", s1_B="clipped")
    found = choices(TRUTH, SCORES, policy, "mff", traits).set_index("scene")
    assert found.loc["s1", "chosen"] == "C"
    # the order C, A, B against the truth A, B, C
    assert found.loc["s1", "spearman"] == pytest.approx(-0.5)


def test_a_scene_in_which_all_are_turned_away_has_no_choice():
    policy = POLICY.model_copy(update={"exclude": ("clipped",)})
    traits = flagged(**{f"s1_{m}": "clipped" for m in "ABC"})
    found = choices(TRUTH, SCORES, policy, "mff", traits)
    first = found.set_index("scene").loc["s1"]
    assert (first["chosen"], first["spearman"]) == ("", 1.0)
    assert np.isnan(first["regret"])
    named = found.assign(task="mff", dataset="toy", truth="opinion", unit="points")
    (row,) = summarise_choices(named, "sharp").to_dict("records")
    assert (row["scenes"], row["unlabelled"], row["regret"]) == (2, 1, 6.0)


def test_always_the_same_in_hindsight_and_by_the_other_scenes():
    found = always(TRUTH)
    hindsight = found[found["policy"] == "always B"].set_index("scene")
    assert hindsight["regret"].tolist() == [2.0, 0.0]
    elsewhere = found[found["policy"] == OTHERS].set_index("scene")
    # by s2 alone B is best, by s1 alone A
    assert elsewhere["chosen"].tolist() == ["B", "A"]
    assert elsewhere["regret"].tolist() == [2.0, 6.0]
    assert found["spearman"].isna().all()


def test_a_method_that_is_not_everywhere_cannot_be_taken_always():
    known = TRUTH.known.drop([("s1", "B")])
    assert "always A" in set(always(Truth("opinion", "points", known))["policy"])
    ragged = TRUTH.known.drop([("s1", "B"), ("s1", "A"), ("s2", "C")])
    assert always(Truth("opinion", "points", ragged)).empty
    assert always(Truth("opinion", "points", TRUTH.known[["s1"]])).empty


def table(regrets, truth="reference"):
    rows = [
        {"task": "mff", "dataset": dataset, "truth": truth, "unit": "dB", "policy": policy,
         "scene": scene, "chosen": "A", "regret": regret, "spearman": 0.5, "pool": 4}
        for (dataset, policy), values in regrets.items()
        for scene, regret in enumerate(values)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_differences_are_paired_scene_by_scene():
    found = summarise_choices(
        table({("d", "mine"): [1.0, 5.0, 9.0], ("d", "base"): [2.0, 6.0, 10.0]}), "base"
    )
    mine = found.set_index("policy").loc["mine"]
    assert (mine["regret"], mine["difference"]) == (5.0, -1.0)
    assert (mine["difference_low"], mine["difference_high"]) == (-1.0, -1.0)
    assert mine["regret_low"] < 5.0 < mine["regret_high"]
    assert mine["best"] == 0.0


def test_references_of_several_data_sets_are_also_taken_together_opinions_never():
    regrets = {("d", "mine"): [1.0], ("e", "mine"): [3.0, 5.0]}
    found = summarise_choices(table(regrets), "mine").set_index("dataset")
    assert found["regret"].to_dict() == {"d": 1.0, "e": 4.0, ALL: 3.0}
    assert found.loc[ALL, "scenes"] == 3
    partly = summarise_choices(table({**regrets, ("d", "always A"): [0.0]}), "mine")
    assert partly.loc[partly["policy"] == "always A", "dataset"].tolist() == ["d"]
    opinions = summarise_choices(table(regrets, "opinion"), "mine")
    assert set(opinions["dataset"]) == {"d", "e"}


def test_an_empty_table_is_summarised_to_an_empty_one():
    assert summarise_choices(table({("d", "mine"): [1.0]}).iloc[:0], "mine").empty

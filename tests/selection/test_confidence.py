"""Stability, soft weights, several labels a scene, and abstention."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import METHODS, make_lab
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionlab.errors import LabError, UsageError
from fusionlab.scoring import score
from fusionlab.selection import Policy, select
from fusionlab.selection.confidence import shaken
from fusionlab.selection.policy import Abstain
from fusionlab.selection.ranking import rank_candidates

NAN = float("nan")


def policy(normalise: str = "rank", **weights: float) -> Policy:
    return Policy(name="t", version=1, normalise=normalise, weights={"ivf": weights})


def table(*rows: tuple[str, str, float, float]) -> pd.DataFrame:
    """Scores of candidates: scene, method, EN, SD."""
    frame = pd.DataFrame(rows, columns=["scene", "method", "EN", "SD"])
    return frame.set_index(["scene", "method"])


def shake(scores: pd.DataFrame, rule: Policy, tiles: pd.DataFrame | None = None) -> pd.DataFrame:
    ranked = rank_candidates(scores, rule, "ivf")
    found = shaken(ranked, rule, "ivf", tiles)
    return found.set_index(pd.MultiIndex.from_frame(ranked[["scene", "method"]]))


def test_who_is_best_in_everything_is_first_however_it_is_shaken() -> None:
    found = shake(table(("s", "a", 3, 3), ("s", "b", 2, 1), ("s", "c", 1, 2)), policy(EN=1, SD=1))
    assert found.loc[("s", "a"), ["weights", "metrics", "first"]].tolist() == [1, 1, 1]
    assert found.loc[("s", "b"), "first"] == 0
    assert found["tiles"].isna().all()


def test_leaving_out_either_of_two_contrary_metrics_halves_it() -> None:
    found = shake(table(("s", "a", 2, 1), ("s", "b", 1, 2)), policy(EN=1, SD=1))
    assert found["metrics"].tolist() == [0.5, 0.5]
    assert found["weights"].sum() == pytest.approx(1)
    assert found.loc[("s", "a"), "weights"] == pytest.approx(0.5, abs=0.1)


def test_a_heavier_metric_makes_it_surer() -> None:
    scores = table(("s", "a", 2, 1), ("s", "b", 1, 2))
    even, heavy = (shake(scores, policy(EN=w, SD=1)).loc[("s", "a"), "weights"] for w in (1.2, 6))
    assert 0.5 <= even < heavy < 1


def test_equals_share_and_a_lone_candidate_is_sure() -> None:
    found = shake(table(("s", "a", 1, 1), ("s", "b", 1, 1), ("t", "c", 1, 1)), policy(EN=1, SD=1))
    assert found["first"].tolist() == [0.5, 0.5, 1.0]


def test_one_metric_cannot_be_left_out() -> None:
    found = shake(table(("s", "a", 2, 0), ("s", "b", 1, 0)), policy(EN=1))
    assert found["metrics"].isna().all()
    assert found["first"].tolist() == [1, 0]


def test_no_candidates_at_all() -> None:
    ranked = rank_candidates(table(("s", "a", 1, 1)), policy(EN=1), "ivf").iloc[:0]
    assert len(shaken(ranked, policy(EN=1), "ivf")) == 0


def tiles(**values: list[float]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples([("s", m) for m in values], names=["scene", "method"])
    return pd.DataFrame(list(values.values()), index=index)


def test_tiles_that_agree_change_nothing_and_tiles_that_differ_do() -> None:
    scores = table(("s", "a", 2, 2), ("s", "b", 1, 1), ("s", "c", 0, 0))
    rule = policy("minmax", EN=1, SD=1)  # totals 1, 0.5, 0
    same = shake(scores, rule, tiles(a=[1, 1, 1, 1], b=[0.5] * 4, c=[0] * 4))
    assert same["tiles"].tolist() == [1, 0, 0]
    torn = shake(scores, rule, tiles(a=[1, 1, 1, -3], b=[0, 0, 0, 4], c=[0] * 4))
    assert 0.2 < torn.loc[("s", "a"), "tiles"] < 1
    assert torn["tiles"].sum() == pytest.approx(1)
    mean = torn.loc[("s", "a"), ["weights", "metrics", "tiles"]].mean()
    assert torn.loc[("s", "a"), "first"] == pytest.approx(mean)


def test_a_candidate_that_shows_some_tiles_only_is_judged_by_those() -> None:
    scores = table(("s", "a", 2, 2), ("s", "b", 1, 1))
    found = shake(scores, policy(EN=1, SD=1), tiles(a=[1, 1, 1], b=[0.5, NAN, NAN]))
    assert found["tiles"].tolist() == [1, 0]


def test_scenes_without_tiles_have_no_stability_by_tiles() -> None:
    scores = table(("s", "a", 2, 2), ("s", "b", 1, 1), ("u", "a", 2, 2), ("u", "b", 1, 1))
    found = shake(scores, policy(EN=1, SD=1), tiles(a=[1, 1], b=[0, 0]))
    assert found["tiles"].isna().tolist() == [False, False, True, True]
    assert found["first"].tolist() == [1, 0, 1, 0]


@settings(max_examples=60, deadline=None)
@given(
    values=st.lists(st.tuples(*[st.integers(0, 5)] * 3), min_size=1, max_size=8),
    normalise=st.sampled_from(["rank", "minmax", "zscore"]),
)
def test_shares_of_a_scene_sum_to_one(values: list[tuple[int, int, int]], normalise: str) -> None:
    rows = [(f"s{scene % 2}", f"m{i}", en, sd) for i, (scene, en, sd) in enumerate(values)]
    found = shake(table(*rows), policy(normalise, EN=1, SD=2))
    sums = found[["weights", "metrics", "first"]].groupby(level="scene").sum()
    assert np.allclose(sums, 1)
    assert found[["weights", "metrics"]].to_numpy().min() >= 0
    assert found[["weights", "metrics"]].to_numpy().max() <= 1


@pytest.fixture(name="lab")
def _lab(tmp_path: Path):
    made = make_lab(tmp_path, scenes=4)
    score(made, ["EN", "SD", "Qabf"])
    scores = made.scores("ivf", "toy")  # real ones would agree: four candidates, far apart
    made.write_scores(
        "ivf", "toy", scores.assign(value=np.random.default_rng(5).random(len(scores)))
    )
    return made


RULE = {"name": "t", "version": 1, "weights": {"ivf": {"EN": 1, "SD": 1, "Qabf": 1}}}


def test_several_labels_a_scene_have_weights_that_sum_to_one(lab) -> None:
    report = select(lab, Policy(**RULE), "many", top=3)
    labels = lab.labels("many")
    assert report.labels == 4
    assert labels.groupby("scene")["place"].agg(list).tolist() == [[1, 2, 3]] * 4
    assert labels.groupby("scene")["weight"].sum().tolist() == pytest.approx([1] * 4)
    assert labels["digest_candidate"].nunique() == 12
    digests = lab.index("ivf", "toy").set_index(["scene", "name"])["digest"]
    places = list(zip(labels["scene"], labels["method"], strict=True))
    assert labels["digest_candidate"].tolist() == digests.loc[places].tolist()
    falling = labels.groupby("scene")["total"].apply(lambda t: (t.diff().dropna() <= 0).all())
    assert falling.all()


def test_more_labels_than_candidates_are_all_of_them(lab) -> None:
    select(lab, Policy(**RULE), "all", top=99)
    assert (lab.labels("all").groupby("scene").size() == len(METHODS)).all()
    with pytest.raises(UsageError, match="--top 0"):
        select(lab, Policy(**RULE), "none", top=0)


def test_the_first_label_is_the_same_however_many_are_asked_for(lab) -> None:
    select(lab, Policy(**RULE), "one")
    select(lab, Policy(**RULE), "two", top=2)
    one, two = lab.labels("one"), lab.labels("two")
    two = two[two["place"] == 1].reset_index(drop=True)
    assert one.drop(columns="weight").equals(two.drop(columns="weight"))
    assert (one["weight"] == 1).all()


def test_doubtful_scenes_get_no_label_and_a_row_that_says_why(lab) -> None:
    select(lab, Policy(**RULE), "all")
    stability = lab.labels("all").set_index("scene")["stability"]
    threshold = float(stability.median()) + 1e-6
    rule = Policy(**RULE, abstain=Abstain(stability=threshold))
    report = select(lab, rule, "some")
    doubtful = set(stability[stability < threshold].index)
    assert 0 < len(doubtful) < 4
    assert set(lab.labels("some")["scene"]) == set(stability.index) - doubtful
    assert report.abstained == report.unlabelled == len(doubtful)
    rows = lab.rejects()
    assert set(rows["scene"]) == doubtful
    assert set(rows["reason"]) == {"abstained"}
    assert rows["detail"].str.contains("asks for").all()


def test_a_lead_below_the_margin_is_none(lab) -> None:
    select(lab, Policy(**RULE), "all")
    margin = lab.labels("all").set_index("scene")["margin"]
    threshold = float(margin.median()) + 1e-9
    select(lab, Policy(**RULE, abstain=Abstain(margin=threshold)), "some")
    assert set(lab.labels("some")["scene"]) == set(margin[margin >= threshold].index)


def test_abstaining_everywhere_is_an_error_that_says_so(lab) -> None:
    with pytest.raises(LabError, match="abstains on all 4 scenes"):
        select(lab, Policy(**RULE, abstain=Abstain(margin=1.0)), "none")

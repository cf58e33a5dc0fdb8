"""The choice: by hand on small numbers, and end to end on a lab."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import METHODS, make_lab, tree_bytes, write_image

from fusionlab.errors import LabError, UsageError
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import Policy, load_policy, select
from fusionlab.selection.ranking import rank_candidates
from fusionlab.tables import read_note

NAN = float("nan")


def policy(normalise: str = "rank", **weights: float) -> Policy:
    return Policy(name="t", version=1, normalise=normalise, weights={"ivf": weights})


def table(**methods: tuple[float, ...]) -> pd.DataFrame:
    """Scores of one scene: method -> (EN, CE)."""
    index = pd.MultiIndex.from_tuples([("s", m) for m in methods], names=["scene", "method"])
    width = len(next(iter(methods.values())))
    return pd.DataFrame(list(methods.values()), index=index, columns=["EN", "CE"][:width])


def test_weighted_rank_sum_by_hand() -> None:
    # EN ranks: a 1, b 0.5, c 0; CE is lower-is-better: a 0, b 1, c 0.5
    ranked = rank_candidates(table(a=(9, 9), b=(5, 1), c=(1, 5)), policy(EN=3, CE=1), "ivf")
    assert ranked["method"].tolist() == ["a", "b", "c"]
    assert ranked["total"].tolist() == pytest.approx([0.75, 0.625, 0.125])
    assert ranked["norm_CE"].tolist() == [0.0, 1.0, 0.5]
    assert ranked["place"].tolist() == [1, 2, 3]


def test_ties_go_by_the_first_metric_then_by_name() -> None:
    ranked = rank_candidates(table(z=(1, 1), a=(2, 2)), policy(EN=1, CE=1), "ivf")
    assert ranked["total"].tolist() == [0.5, 0.5]
    assert ranked["method"].tolist() == ["a", "z"]  # a is better in EN, the first metric
    swapped = rank_candidates(table(z=(1, 1), a=(2, 2)), policy(CE=1, EN=1), "ivf")
    assert swapped["method"].tolist() == ["z", "a"]
    equal = rank_candidates(table(z=(1,), a=(1,)), policy(EN=1), "ivf")
    assert equal["method"].tolist() == ["a", "z"]


def test_nan_is_the_worst_in_either_direction() -> None:
    ranked = rank_candidates(table(a=(NAN, NAN), b=(1, 9), c=(2, 3)), policy(EN=1, CE=1), "ivf")
    assert ranked["method"].tolist() == ["c", "b", "a"]
    assert ranked["total"].tolist() == [1.0, 0.5, 0.0]


def test_rounding_noise_in_the_last_bits_is_a_tie() -> None:
    weights = policy("minmax", EN=0.1, CE=0.2)
    ranked = rank_candidates(table(b=(3, 1), a=(3, 1), c=(1, 3)), weights, "ivf")
    assert ranked["method"].tolist() == ["a", "b", "c"]


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    made = make_lab(tmp_path, scenes=4)
    score(made)
    return made


def test_labels_say_what_was_chosen_and_what_they_stand_on(lab: Lab) -> None:
    chosen = load_policy("fusionfm")
    report = select(lab, chosen, "first")
    labels = pd.read_parquet(lab.path / "labels" / "first.parquet")
    assert labels["scene"].tolist() == ["s0", "s1", "s2", "s3"]
    assert report.labels == 4
    index = lab.index("ivf", "toy").set_index(["scene", "name"])["digest"]
    for label in labels.to_dict("records"):
        assert label["method"] in METHODS
        assert label["runner_up"] in set(METHODS) - {label["method"]}
        assert label["candidates"] == len(METHODS)
        assert label["digest_a"] == index[label["scene"], "ir"]
        assert label["digest_b"] == index[label["scene"], "vis"]
        assert label["digest_candidate"] == index[label["scene"], label["method"]]
        norms = np.array([label[f"norm_{m}"] for m in chosen.task_weights("ivf")])
        weights = np.array(list(chosen.task_weights("ivf").values()))
        assert label["total"] == pytest.approx(norms @ weights / weights.sum(), abs=1e-12)
        assert label["margin"] >= 0
    assert set(labels["policy_digest"]) == {chosen.digest}
    assert Policy.model_validate_json(read_note(lab.labels_path("first"))) == chosen


def test_the_same_choice_gives_the_same_bytes(lab: Lab) -> None:
    select(lab, load_policy("fusionfm"), "one")
    before = tree_bytes(lab.path)
    select(lab, load_policy("fusionfm"), "one")
    assert tree_bytes(lab.path) == before


def test_replacing_the_choice_of_another_policy_is_said(lab: Lab) -> None:
    chosen = load_policy("fusionfm")
    assert select(lab, chosen, "one").replaced == ""
    assert select(lab, chosen, "one").replaced == ""
    assert select(lab, chosen.normalised_by("zscore"), "one").replaced == "fusionfm v2"


def test_dry_run_writes_nothing(lab: Lab) -> None:
    before = tree_bytes(lab.path)
    report = select(lab, load_policy("fusionfm"), "one", dry_run=True)
    assert report.labels == 4
    assert tree_bytes(lab.path) == before


def test_a_decoy_that_equals_a_candidate_ties_and_does_not_win(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=2, methods=("copy_ir", "mean"))
    score(lab)
    only_ir = Policy(name="t", version=1, weights={"ivf": {"Qabf": 1}})
    select(lab, only_ir, "x")
    labels = lab.labels("x")
    won_by_copy = labels[labels["method"] == "copy_ir"]
    assert (won_by_copy["decoy_lead"] >= 0).all() or (won_by_copy["decoy"] == "").all()
    for label in labels.to_dict("records"):
        assert (label["decoy"] != "") == (label["decoy_lead"] > 0)


def test_a_decoy_better_than_all_is_reported_and_not_chosen(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=3, methods=("noisy",))
    score(lab)
    select(lab, Policy(name="t", version=1, weights={"ivf": {"SSIM": 1}}), "x")
    labels = lab.labels("x")
    assert set(labels["method"]) == {"noisy"}
    assert set(labels["decoy"]) == {"decoy:mean"}  # no noise, and half of either source
    assert labels["margin"].isna().all()
    assert (labels["runner_up"] == "").all()


def test_scenes_without_candidates_become_rejects(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=2)
    for method in METHODS:
        (tmp_path / f"images/toy/out/{method}/s1.png").unlink()
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab, prune=True)
    score(lab)
    report = select(lab, load_policy("fusionfm"), "x")
    assert (report.labels, report.unlabelled) == (1, 1)
    rejects = lab.rejects()
    assert rejects[["stage", "scene", "reason"]].to_numpy().tolist() == [
        ["select", "s1", "no_candidates"]
    ]


def test_missing_scores_name_the_command(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    with pytest.raises(LabError, match="fusionlab score --lab"):
        select(lab, load_policy("fusionfm"), "x")
    score(lab, ["EN"])
    with pytest.raises(LabError, match=r"4 of 4 candidates.*--metrics EN,SD"):
        select(lab, load_policy("fusionfm"), "x")


def test_scores_of_changed_pixels_are_not_used(lab: Lab, tmp_path: Path) -> None:
    write_image(tmp_path / "images/toy/out/mean/s0.png", np.zeros((48, 57), np.uint8))
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab)
    with pytest.raises(LabError, match=r"1 of 16 candidates of ivf/toy \(first: mean of s0\)"):
        select(lab, load_policy("fusionfm"), "x")
    score(lab)
    assert select(lab, load_policy("fusionfm"), "x").labels == 4


def test_a_candidate_that_scoring_rejected_does_not_block(lab: Lab, tmp_path: Path) -> None:
    from fusionlab.store import Address

    entry = lab.index("ivf", "toy").query("scene == 's2' and name == 'sharp'").iloc[0]
    write_image(tmp_path / "images/toy/out/sharp/s2.png", np.zeros((48, 57), np.uint8))
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab)
    lab.images.write(Address.of(entry), np.ones((48, 57), np.uint8))
    score(lab)
    select(lab, load_policy("fusionfm"), "x")
    assert lab.labels("x").set_index("scene")["candidates"]["s2"] == len(METHODS) - 1


def test_only_one_task_or_data_set(tmp_path: Path) -> None:
    from helpers import write_dataset

    lab = make_lab(tmp_path, scenes=1)
    ingest(*load_manifest(write_dataset(tmp_path / "b", scenes=2, task="mff", dataset="b")), lab)
    score(lab)
    chosen = load_policy("fusionfm")
    select(lab, chosen, "x", task="mff")
    assert set(lab.labels("x")["dataset"]) == {"b"}
    select(lab, chosen, "x", dataset="toy")
    assert set(lab.labels("x")["task"]) == {"ivf"}
    with pytest.raises(UsageError, match=r"no data set is mef/\*; the lab holds ivf/toy, mff/b"):
        select(lab, chosen, "x", task="mef")


def test_a_scene_without_a_single_number_gets_no_label(tmp_path: Path) -> None:
    from helpers import write_dataset

    lab = make_lab(tmp_path, scenes=2)
    tiny = write_dataset(tmp_path / "b", scenes=1, dataset="tiny", size=(5, 9), methods=("mean",))
    ingest(*load_manifest(tiny), lab)
    score(lab)
    only_vif = Policy(name="t", version=1, weights={"ivf": {"VIF": 1, "SSIM": 1}})
    report = select(lab, only_vif, "x")
    assert (report.labels, report.unlabelled) == (2, 1)
    assert set(lab.labels("x")["dataset"]) == {"toy"}
    (reject,) = lab.rejects().to_dict("records")
    assert (reject["stage"], reject["reason"]) == ("select", "no_candidates")

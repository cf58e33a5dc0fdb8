"""Decisions of people stand above every policy, and say so when they cannot."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import fuse, make_lab, sources, tree_bytes, write_image

from fusionlab import audit
from fusionlab.errors import LabError
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.overrides import decide
from fusionlab.scoring import score
from fusionlab.selection import Policy, select
from fusionlab.selection.policy import Abstain
from fusionlab.tables import write_table

S0, S1, S2 = (("ivf", "toy", f"s{i}") for i in range(3))
METRICS = ["SSIM", "AG", "EN", "SD"]
SMOOTH = Policy(
    name="smooth", version=1, normalise="minmax", weights={"ivf": {"SSIM": 2.0, "EN": 1.0}}
)
SHARP = Policy(name="sharp", version=1, weights={"ivf": {"AG": 1.0}})


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("overrides")
    score(make_lab(folder, scenes=3), METRICS)
    return folder


@pytest.fixture
def lab(made: Path, tmp_path: Path) -> Lab:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Lab.open(tmp_path / "lab")


def labels_of(lab: Lab, policy: Policy = SMOOTH, name: str = "x", **options: int) -> pd.DataFrame:
    select(lab, policy, name, **options)
    return lab.labels(name).set_index("scene")


def reject(lab: Lab, scene: str) -> dict:
    (row,) = lab.rejects().query("stage == 'select' and scene == @scene").to_dict("records")
    return row


def test_a_chosen_candidate_has_the_total_and_margin_that_the_policy_gives_it(lab: Lab) -> None:
    before = labels_of(lab)
    assert before.loc["s0", "method"] != "noisy"
    decide(lab, S0, "choose", "noisy", by="ann", because="more detail")
    report = select(lab, SMOOTH, "x")
    after = lab.labels("x").set_index("scene")
    assert (report.labels, report.overridden, report.vetoed, report.stale_overrides) == (3, 1, 0, 0)
    label, was = after.loc["s0"], before.loc["s0"]
    assert (label["method"], label["chosen_by"]) == ("noisy", "ann")
    assert label["because"] == "more detail"
    assert label["policy_method"] == label["runner_up"] == was["method"]
    assert label["margin"] == pytest.approx(label["total"] - was["total"], abs=1e-12)
    assert label["margin"] < 0
    norms = 2 * label["norm_SSIM"] / 3 + label["norm_EN"] / 3
    assert label["total"] == pytest.approx(norms, abs=1e-12)
    index = lab.index("ivf", "toy").set_index(["scene", "name"])
    assert label["digest_candidate"] == index.loc[("s0", "noisy"), "digest"]
    kept = ["digest_a", "digest_b", "candidates", "decoy", "decoy_lead", "policy_digest"]
    assert label[kept].equals(was[kept])
    pd.testing.assert_frame_equal(after.drop("s0"), before.drop("s0"))
    assert audit.why("s0", lab, "x").method == "noisy"


def test_choosing_what_the_policy_chooses_keeps_its_margin_and_stability(lab: Lab) -> None:
    before = labels_of(lab)
    decide(lab, S0, "accept", before.loc["s0", "method"], by="ann")
    after = labels_of(lab)
    assert after.loc["s0", "chosen_by"] == "ann"
    said = ["chosen_by", "because"]
    pd.testing.assert_frame_equal(after.drop(columns=said), before.drop(columns=said))


def test_an_accepted_label_stays_under_another_policy(lab: Lab) -> None:
    first = labels_of(lab).loc["s0", "method"]
    other = labels_of(lab, SHARP).loc["s0", "method"]
    assert first != other
    decide(lab, S0, "accept", first, by="ann")
    label = labels_of(lab, SHARP).loc["s0"]
    assert (label["method"], label["policy_method"]) == (first, other)


def test_a_veto_takes_the_label_away_and_withdrawing_gives_it_back(lab: Lab) -> None:
    before = labels_of(lab)
    decide(lab, S0, "veto", by="ann", because="all blurred")
    report = select(lab, SMOOTH, "x")
    assert (report.labels, report.unlabelled, report.vetoed) == (2, 1, 1)
    row = reject(lab, "s0")
    assert (row["role"], row["reason"]) == ("scene", "vetoed")
    assert "ann vetoed" in row["detail"]
    assert "(all blurred)" in row["detail"]
    decide(lab, S0, "withdraw", by="ann")
    pd.testing.assert_frame_equal(labels_of(lab), before)
    assert lab.rejects().empty


def test_a_person_may_choose_what_the_policy_turns_away(lab: Lab) -> None:
    best = labels_of(lab).loc["s0", "method"]
    index = lab.index("ivf", "toy")
    mine = (index["scene"] == "s0") & (index["name"] == best)
    index.loc[mine, ["flags", "family"]] = ["clipped", "kin"]
    with lab.writing():
        lab.write_index("ivf", "toy", index)
    strict = SMOOTH.model_copy(update={"exclude": ("clipped",)})
    decide(lab, S0, "choose", best, by="ann")
    label = labels_of(lab, strict).loc["s0"]
    assert label["method"] == best
    assert (label["flags"], label["family"]) == ("clipped", "kin")
    assert np.isnan(label[["total", "margin", "norm_SSIM", "stability"]].astype(float)).all()
    assert label["policy_method"] == label["runner_up"] not in ("", best)
    assert not label["tied"]
    assert label["candidates"] == 3


def test_a_person_may_choose_where_the_policy_abstains_or_has_no_candidate(lab: Lab) -> None:
    unsure = SMOOTH.model_copy(update={"abstain": Abstain(margin=0.99)})
    with pytest.raises(LabError, match="abstains on all 3"):
        select(lab, unsure, "x")
    decide(lab, S0, "choose", "mean", by="ann")
    report = select(lab, unsure, "x")
    assert (report.labels, report.abstained, report.unlabelled) == (1, 2, 2)
    label = lab.labels("x").set_index("scene").loc["s0"]
    assert (label["method"], label["policy_method"], label["weight"]) == ("mean", "", 1.0)
    index = lab.index("ivf", "toy").set_index(["scene", "name"])["digest"]
    assert label["digest_a"] == index["s0", "ir"]
    assert lab.rejects()["reason"].tolist() == ["abstained", "abstained"]
    assert audit.why("s0", lab, "x").method == "mean"


def test_decisions_about_what_is_gone_or_changed_are_not_applied_and_say_what_to_do(
    lab: Lab, tmp_path: Path
) -> None:
    before = labels_of(lab)
    for scene in (S0, S1):
        decide(lab, scene, "choose", "noisy", by="ann")
    images = tmp_path / "images/toy/out/noisy"
    (images / "s0.png").unlink()
    write_image(images / "s1.png", fuse("sharp", *sources(1)) ^ 1)
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab, prune=True)
    score(lab, METRICS)
    report = select(lab, SMOOTH, "x")
    after = lab.labels("x").set_index("scene")
    assert set(after["chosen_by"]) == {"policy"}
    assert after.loc["s2", "method"] == before.loc["s2", "method"]
    assert (report.labels, report.unlabelled, report.stale_overrides) == (3, 0, 2)
    for scene, finding in (("s0", "candidate is gone"), ("s1", "pixels have changed")):
        row = reject(lab, scene)
        assert (row["reason"], row["role"], row["name"]) == ("stale_override", "method", "noisy")
        assert finding in row["detail"]
        assert f"fusionlab override ivf/toy/{scene} --withdraw" in row["detail"]


def test_of_several_labels_a_scene_a_decision_leaves_one_of_full_weight(lab: Lab) -> None:
    decide(lab, S0, "choose", "noisy", by="ann")
    labels = labels_of(lab, top=3)
    assert labels.loc[["s0"]][["method", "place", "weight"]].to_numpy().tolist() == [
        ["noisy", 1, 1.0]
    ]
    assert labels.loc[["s1"], "place"].tolist() == [1, 2, 3]
    assert labels.loc[["s1"], "weight"].sum() == pytest.approx(1.0)


def test_the_same_decisions_give_the_same_bytes(lab: Lab) -> None:
    decide(lab, S0, "choose", "noisy", by="ann")
    decide(lab, S1, "veto", by="ann")
    select(lab, SMOOTH, "x")
    before = tree_bytes(lab.path)
    select(lab, SMOOTH, "x")
    assert tree_bytes(lab.path) == before


def test_decisions_about_other_data_sets_change_nothing(lab: Lab) -> None:
    before = labels_of(lab)
    decided = decide(lab, S0, "veto", by="ann").as_dict() | {"dataset": "another"}
    from fusionlab.schemas import OVERRIDES

    write_table(lab.path / "overrides.parquet", pd.DataFrame([decided]), OVERRIDES)
    pd.testing.assert_frame_equal(labels_of(lab), before)


def test_when_everything_is_vetoed_the_message_says_so(lab: Lab) -> None:
    for scene in (S0, S1, S2):
        decide(lab, scene, "veto", by="ann")
    with pytest.raises(LabError, match=r"people vetoed 3.*fusionlab overrides"):
        select(lab, SMOOTH, "x")


def test_a_dry_run_counts_decisions_and_writes_nothing(lab: Lab) -> None:
    decide(lab, S0, "choose", "noisy", by="ann")
    before = tree_bytes(lab.path)
    assert select(lab, SMOOTH, "x", dry_run=True).overridden == 1
    assert tree_bytes(lab.path) == before

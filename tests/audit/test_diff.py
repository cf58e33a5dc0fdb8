"""What changed between two labels manifests: every reason by an example of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import fuse, make_lab, sources, write_dataset, write_image

from fusionlab import audit
from fusionlab.audit.diff import REASONS, summary
from fusionlab.errors import LabError, UnknownNameError
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.overrides import decide
from fusionlab.schemas import LABELS_ADDED
from fusionlab.schemas import labels_schema as schema
from fusionlab.scoring import score
from fusionlab.selection import Policy, select
from fusionlab.tables import write_table

SMOOTH = Policy(name="smooth", version=1, normalise="minmax", weights={"ivf": {"SSIM": 1.0}})
SHARP = Policy(
    name="sharp", version=2, normalise="minmax", weights={"ivf": {"AG": 2.0, "SSIM": 1.0}}
)
METRICS = ["SSIM", "AG", "EN", "SD"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("diff")
    lab = make_lab(folder, scenes=3)
    score(lab, METRICS)
    select(lab, SMOOTH, "a")
    select(lab, SHARP, "b")
    return folder


@pytest.fixture
def lab(made: Path, tmp_path: Path) -> Lab:
    shutil.copytree(made, tmp_path, dirs_exist_ok=True)
    return Lab.open(tmp_path / "lab")


def again(lab: Lab, tmp_path: Path, prune: bool = False) -> None:
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab, prune=prune)
    score(lab, METRICS)


def reasons(frame: pd.DataFrame) -> dict[str, str]:
    changed = frame[frame["change"] != "same"]
    return dict(zip(changed["scene"], changed["reason"], strict=True))


def test_nothing_changed(lab: Lab) -> None:
    found = audit.diff("a", "a", lab)
    assert found["change"].tolist() == ["same"] * 3
    assert set(found["reason"]) == {""}
    assert summary(found).to_dict("records") == [
        {"task": "ivf", "same": 3, "changed": 0, "only_a": 0, "only_b": 0}
    ]


def test_other_weights_are_told_by_what_each_metric_adds(lab: Lab) -> None:
    found = audit.diff("a", "b", lab)
    changed = found[found["change"] == "changed"]
    assert len(changed)
    assert set(changed["reason"]) == {"metrics"}
    b = lab.labels("b").set_index("scene")
    for row in changed.to_dict("records"):
        assert row["method_b"] == b.loc[row["scene"], "method"]
        lead = row["delta_AG"] + row["delta_SSIM"]
        assert lead > 0
        assert row["delta_AG"] > 0 > row["delta_SSIM"]
        assert f"leads {row['method_a']} by {lead:.4f}" in row["detail"]
        if b.loc[row["scene"], "runner_up"] == row["method_a"]:
            assert lead == pytest.approx(row["margin_b"])


def test_a_person_a_veto_and_a_scene_without_label(lab: Lab) -> None:
    decide(lab, ("ivf", "toy", "s0"), "choose", "noisy", by="ann")
    decide(lab, ("ivf", "toy", "s1"), "veto", by="bob")
    select(lab, SMOOTH, "c")
    found = audit.diff("a", "c", lab).set_index("scene")
    assert reasons(found.reset_index()) == {"s0": "overridden", "s1": "overridden"}
    assert found.loc["s0", "detail"] == "ann chose noisy in c"
    assert found.loc["s1", "change"] == "only_a"
    assert found.loc["s1", "detail"] == "bob vetoed the scene"
    assert found.loc["s1", "method_b"] == ""
    back = audit.diff("c", "a", lab).set_index("scene")
    assert back.loc["s1", "change"] == "only_b"
    assert back.loc["s0", "detail"] == "ann chose noisy in c"


def test_a_candidate_that_is_gone_new_or_has_other_pixels(lab: Lab, tmp_path: Path) -> None:
    images = tmp_path / "images/toy"
    gone = lab.labels("a").set_index("scene")["method"]["s0"]
    (images / "out" / gone / "s0.png").unlink()
    winner = lab.labels("a").set_index("scene")["method"]["s1"]
    write_image(images / "out" / winner / "s1.png", fuse("noisy", *sources(1)))
    a, b = (p.astype(float) for p in sources(2))
    better = np.clip(np.rint(0.55 * a + 0.45 * b), 0, 255).astype(np.uint8)
    write_image(images / "out" / "late" / "s2.png", better)
    again(lab, tmp_path, prune=True)
    select(lab, SMOOTH, "c")
    found = reasons(audit.diff("a", "c", lab))
    assert found["s0"] == "gone"
    assert found["s1"] == "pixels"
    if lab.labels("c").set_index("scene")["method"]["s2"] == "late":
        assert found["s2"] == "new"


def test_a_new_candidate_that_wins_under_the_same_policy(lab: Lab, tmp_path: Path) -> None:
    images = tmp_path / "images/toy"
    for method in ("copy_ir", "mean", "sharp"):
        (images / "out" / method / "s0.png").unlink()
    again(lab, tmp_path, prune=True)
    select(lab, SMOOTH, "few")
    write_image(images / "out/mean/s0.png", fuse("mean", *sources(0)))
    again(lab, tmp_path)
    select(lab, SMOOTH, "more")
    found = audit.diff("few", "more", lab).set_index("scene").loc["s0"]
    assert (found["method_a"], found["method_b"]) == ("noisy", "mean")
    assert found["reason"] == "new"


def test_other_sources_are_other_pixels(lab: Lab, tmp_path: Path) -> None:
    pixels, _ = sources(0)
    pixels[::5, ::7] ^= 1
    write_image(tmp_path / "images/toy/ir/s0.png", pixels)
    again(lab, tmp_path)
    select(lab, SMOOTH, "c")
    found = audit.diff("a", "c", lab).set_index("scene").loc["s0"]
    assert found["reason"] == "pixels"
    assert "sources" in found["detail"]


def test_who_is_turned_away_by_one_policy(lab: Lab, tmp_path: Path) -> None:
    flagged = lab.index("ivf", "toy")
    first = lab.labels("a").set_index("scene")["method"]["s0"]
    mine = (flagged["scene"] == "s0") & (flagged["name"] == first)
    flagged.loc[mine, "flags"] = "clipped"
    with lab.writing():
        lab.write_index("ivf", "toy", flagged)
    select(lab, SMOOTH.model_copy(update={"exclude": ("clipped",)}), "strict")
    found = audit.diff("a", "strict", lab).set_index("scene").loc["s0"]
    assert found["reason"] == "turned_away"
    assert found["detail"] == f"strict turns {first} away: clipped"


def test_scores_that_changed_after_the_second(lab: Lab) -> None:
    scores = lab.scores("ivf", "toy")
    noisy = (scores["metric"] == "AG") & (scores["method"] == "noisy")
    scores.loc[noisy, "value"] = -1.0
    sharp = (scores["metric"] == "AG") & (scores["method"] == "sharp")
    scores.loc[sharp, "value"] = -1.0
    with lab.writing():
        lab.write_scores("ivf", "toy", scores)
    assert set(reasons(audit.diff("a", "b", lab)).values()) == {"scores"}


def test_manifests_by_path_and_of_earlier_versions(lab: Lab, tmp_path: Path) -> None:
    labels = pd.read_parquet(lab.labels_path("a")).drop(columns=list(LABELS_ADDED))
    labels.to_parquet(tmp_path / "old.parquet")
    found = audit.diff(str(tmp_path / "old.parquet"), "b", lab)
    assert found["stability_a"].isna().all()
    assert set(reasons(found).values()) == {"metrics"}  # told under the second one's policy
    found = audit.diff("b", str(tmp_path / "old.parquet"), lab)
    assert set(reasons(found).values()) == {"unknown"}  # whose file does not say its policy


def test_labels_of_several_places_are_compared_by_the_first(lab: Lab) -> None:
    labels = lab.labels("a")
    second = labels.assign(place=2, method=labels["runner_up"])
    both = pd.concat([labels, second], ignore_index=True)
    write_table(lab.labels_path("top"), both, schema(["SSIM"]), note=SMOOTH.model_dump_json())
    assert set(audit.diff("a", "top", lab)["change"]) == {"same"}


def test_scenes_of_data_sets_that_only_one_knows(lab: Lab, tmp_path: Path) -> None:
    other = write_dataset(tmp_path / "more", dataset="other", scenes=1, methods=("mean",))
    ingest(*load_manifest(other), lab)
    score(lab, METRICS)
    select(lab, SMOOTH, "all")
    found = audit.diff("a", "all", lab).set_index("dataset").loc["other"]
    assert (found["change"], found["reason"]) == ("only_b", "no_label")
    assert found["detail"] == "a has no label for it"


def test_missing_scores_are_no_obstacle(lab: Lab) -> None:
    with lab.writing():
        scores = lab.scores("ivf", "toy")
        lab.write_scores("ivf", "toy", scores[scores["metric"] != "AG"])
    assert set(reasons(audit.diff("a", "b", lab)).values()) == {"unknown"}


def test_what_is_no_labels_manifest(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="unknown labels set 'c'"):
        audit.diff("a", "c", lab)
    with pytest.raises(LabError, match=r"none\.parquet: there is no such file"):
        audit.diff("a", str(tmp_path / "none.parquet"), lab)
    with pytest.raises(LabError, match="is no labels manifest, it lacks"):
        audit.diff("a", str(lab.path / "rejects.parquet"), lab)


def test_every_reason_has_words() -> None:
    assert all(REASONS.values())

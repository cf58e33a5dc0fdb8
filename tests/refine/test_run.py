"""Refining labels in a lab: kept where it pays, with provenance; nothing else moves."""

from __future__ import annotations

import base64
import io
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers import tree_bytes, write_image
from PIL import Image
from refine_scenes import blurred, noisy, psnr, scene
from typer.testing import CliRunner

from fusionlab import audit
from fusionlab.audit.pages import render_scene
from fusionlab.audit.scene import scene_page
from fusionlab.audit.study import Study
from fusionlab.cli import app
from fusionlab.errors import LabError, UnknownNameError, UsageError
from fusionlab.images import luminance, read_image
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.metrics import measure
from fusionlab.packing import pack
from fusionlab.refine import Damage, Repair, Way, read_map, refine
from fusionlab.schemas import labels_schema, normed_metrics
from fusionlab.scoring import missing, score
from fusionlab.selection import select
from fusionlab.selection.policy import Policy
from fusionlab.store import Address
from fusionlab.tables import read_note, write_table
from fusionlab.upkeep import verify
from fusionlab.validation.truths import truths_of

WEIGHTS = {"SELS": 1.0, "GERR": 1.0}
POLICY = Policy(name="p", version=1, weights={"mff": WEIGHTS})
METRICS = [*WEIGHTS, "EN", "PSNR_ref"]
SCENES = ("blurred", "colour", "deep", "sound")
HERE = np.s_[32:112, 24:104]


def by_focus(fused: np.ndarray, sources: list[np.ndarray], _task: str) -> Repair:
    """Take each place from the source that varies more there, where the label is far from it."""
    spread = [cv2.blur((s - cv2.blur(s, (9, 9))) ** 2, (9, 9)) for s in sources]
    best = np.take_along_axis(np.stack(sources), np.argmax(spread, axis=0)[None], axis=0)[0]
    far = (cv2.blur(np.abs(best - fused), (9, 9)) > 6.0).astype(np.float64)
    return Repair(fused + far * (best - fused), Damage({"detail": far, "halo": 0 * far}))


FOCUS = Way("focus", "1", by_focus)


def colourful(gray: np.ndarray) -> np.ndarray:
    tint = np.array([18, -6, 4])
    return np.clip(40 + 0.7 * gray[..., None] + tint, 0, 255).astype(np.uint8)


def write_scene(root: Path, name: str, seed: int) -> None:
    truth, near, far = scene((144, 176), seed)
    label = truth if name == "sound" else blurred(truth, HERE)
    other = noisy(truth, np.s_[:, :], 25.0)
    images = {"near": near, "far": far, "truth": truth}
    images |= {"out/good": label, "out/bad": other}
    for folder, image in images.items():
        pixels = image.astype(np.uint8)
        if name == "colour":
            pixels = colourful(image)
        elif name == "deep":
            pixels = image.astype(np.uint16) * 256 + 100
        write_image(root / folder / f"{name}.png", pixels)


def make(folder: Path) -> Lab:
    for seed, name in enumerate(SCENES):
        write_scene(folder / "images", name, seed)
    (folder / "images/set.yaml").write_text(
        "task: mff\ndataset: toy\n"
        "sources: {near: 'near/{scene}.*', far: 'far/{scene}.*'}\n"
        "candidates: out/{method}/{scene}.*\nreference: truth/{scene}.*\n"
    )
    lab = Lab.create(folder / "lab")
    ingest(*load_manifest(folder / "images/set.yaml"), lab)
    score(lab, METRICS)
    select(lab, POLICY, "first")
    return lab


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("refine")).path


@pytest.fixture
def lab(before: Path, tmp_path: Path) -> Lab:
    shutil.copytree(before, tmp_path / "lab")
    return Lab.open(tmp_path / "lab")


@pytest.fixture(scope="module")
def made(before: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    copied = tmp_path_factory.mktemp("made") / "lab"
    shutil.copytree(before, copied)
    opened = Lab.open(copied)
    report = refine(opened, "first", "second", way=FOCUS)
    assert (report.labels, report.refined, report.sound) == (4, 3, 1)
    assert (report.refused, report.left_out, report.known) == ({}, {}, 0)
    assert report.repaired == {"detail": 3}
    return opened


def label_of(lab: Lab, name: str, scene: str) -> pd.Series:
    return lab.labels(name).set_index("scene").loc[scene]


def image_of(lab: Lab, scene: str, name: str) -> np.ndarray:
    index = lab.index("mff", "toy").set_index(["scene", "name"], drop=False)
    return lab.images.read(Address.of(index.loc[scene, name]))


def rewrite(lab: Lab, name: str, **columns: object) -> None:
    labels = lab.labels(name).assign(**columns)
    schema = labels_schema(normed_metrics(labels))
    write_table(lab.labels_path(name), labels, schema, read_note(lab.labels_path(name)))


@pytest.mark.parametrize("scene", SCENES[:3])
def test_the_repaired_label_is_the_label_and_says_why(made: Lab, scene: str) -> None:
    label, old = label_of(made, "second", scene), label_of(made, "first", scene)
    assert (label["method"], label["chosen_by"], label["flags"]) == (
        "refined(second)",
        "refined",
        "refined",
    )
    assert label["runner_up"] == label["policy_method"] == old["method"] == "good"
    assert label["because"].startswith("repaired: detail on ")
    assert "held-out gain +" in label["because"]
    assert label["total"] == 1.0
    assert label["margin"] > 0
    assert label["digest_a"] == old["digest_a"]
    assert Policy.model_validate_json(read_note(made.labels_path("second"))) == POLICY


def test_a_sound_label_is_the_same_row(made: Lab) -> None:
    assert label_of(made, "second", "sound").equals(label_of(made, "first", "sound"))


@pytest.mark.parametrize("scene", SCENES[:3])
def test_only_the_damage_is_changed_and_only_its_luminance(made: Lab, scene: str) -> None:
    old, new, truth = (image_of(made, scene, name) for name in ("good", "refined(second)", "truth"))
    assert (new.shape, new.dtype) == (old.shape, old.dtype)
    gain = psnr(luminance(new), luminance(truth)) - psnr(luminance(old), luminance(truth))
    assert gain > 5
    assert np.array_equal(new[130:], old[130:])
    assert np.array_equal(new[:, 130:], old[:, 130:])
    if scene == "colour":
        moved = new.astype(int) - old
        assert (moved.max(axis=2) == moved.min(axis=2)).all()  # no channel clips here
    if scene == "deep":
        assert np.count_nonzero((new.astype(int) - old) % 257)  # finer than 8 bits


def test_it_is_stored_and_scored_like_any_candidate(made: Lab) -> None:
    row = made.index("mff", "toy").query("name == 'refined(second)' and scene == 'blurred'").iloc[0]
    assert (row["notes"], row["flags"], row["file"]) == ("made:refined good", "refined", "")
    assert row["digest"] == label_of(made, "second", "blurred")["digest_candidate"]
    near, far, truth, image = (
        luminance(image_of(made, "blurred", n)) for n in ("near", "far", "truth", "refined(second)")
    )
    scores = made.scores("mff", "toy").query("method == 'refined(second)' and scene == 'blurred'")
    values = dict(zip(scores["metric"], scores["value"], strict=True))
    assert values == measure(near, far, image, list(values), reference=truth)
    assert set(values) == set(METRICS)
    assert missing(made, METRICS)["to_measure"] == 0
    assert verify(made).wrong == []


def test_the_table_says_what_was_changed_where(made: Lab) -> None:
    table = made.refinements("mff", "toy").set_index(["scene", "kind"])
    assert len(table) == 8
    row = table.loc["blurred", "detail"]
    assert (row["reason"], row["method"], row["way"]) == ("", "good", "focus v1")
    assert 0.1 < row["area"] < 0.6
    assert row["strength"] == 1.0
    assert row["change"] > 2
    assert 0.5 < row["kept"] <= 1.0
    assert row["gain"] > 2
    assert row["digest_before"] == label_of(made, "first", "blurred")["digest_candidate"]
    assert row["digest_after"] == label_of(made, "second", "blurred")["digest_candidate"]
    where = read_map(row["map"])
    assert where.shape == (79, 96)
    assert where[30:50, 25:45].mean() > 0.5
    assert where[75:].max() == 0
    assert table.loc["blurred", "halo"]["map"] == b""
    assert set(table.loc["sound", "reason"]) == {"refine_no_change"}
    assert set(table.loc["sound", "digest_after"]) == {""}


def test_no_policy_chooses_a_refined_label(made: Lab, tmp_path: Path) -> None:
    copied = Lab.open(shutil.copytree(made.path, tmp_path / "lab"))
    select(copied, POLICY, "again")
    pd.testing.assert_frame_equal(copied.labels("again"), copied.labels("first"))
    (truth,) = truths_of(copied, "mff", "toy")
    assert set(truth.known.index.get_level_values("method")) == {"good", "bad"}


def test_a_second_run_works_out_nothing_and_changes_nothing(made: Lab) -> None:
    def never(*_: object) -> Repair:
        raise AssertionError("was called again")

    files = tree_bytes(made.path)
    report = refine(made, "first", "second", way=Way("focus", "1", never), workers=2)
    assert (report.known, report.refined, report.sound, report.refused) == (4, 3, 1, {})
    assert tree_bytes(made.path) == files


def test_one_worker_or_many_give_the_same_bytes(made: Lab, lab: Lab) -> None:
    refine(lab, "first", "second", way=FOCUS, workers=3)
    theirs, ours = tree_bytes(made.path), tree_bytes(lab.path)
    assert {name for name in ours if ours[name] != theirs.get(name)} == set()


@pytest.mark.parametrize("change", ["way", "margin"])
def test_other_settings_work_it_out_anew(lab: Lab, change: str) -> None:
    refine(lab, "first", "second", way=FOCUS)
    calls = []

    def counted(*given: object) -> Repair:
        calls.append(1)
        return by_focus(*given)

    version = "2" if change == "way" else "1"
    margin = 1000.0 if change == "margin" else 2.0
    report = refine(lab, "first", "second", way=Way("focus", version, counted), margin=margin)
    assert (len(calls), report.known) == (4, 0)
    if change == "margin":
        assert report.refused == {"refine_no_gain": 3}
        rejects = lab.rejects().query("stage == 'refine'")
        assert set(rejects["name"]) == {"refined(second)"}
        assert "a mean above 1000" in rejects["detail"].iloc[0]
        assert lab.labels("second").equals(lab.labels("first"))
        assert "refined(second)" not in set(lab.index("mff", "toy")["name"])
        assert "refined(second)" not in set(lab.scores("mff", "toy")["method"])


def test_a_dry_run_writes_nothing(lab: Lab) -> None:
    files = tree_bytes(lab.path)
    report = refine(lab, "first", "second", way=FOCUS, dry_run=True)
    assert (report.refined, report.sound) == (3, 1)
    assert tree_bytes(lab.path) == files


def test_progress_counts_labels_and_scored_images(lab: Lab) -> None:
    seen = []
    refine(lab, "first", "second", way=FOCUS, on_progress=lambda *now: seen.append(now))
    assert seen[-1] == (7, 7)


def test_labels_of_other_tasks_are_copied_and_forgotten(lab: Lab, tmp_path: Path) -> None:
    write_scene(tmp_path / "more", "blurred", 0)
    (tmp_path / "more/set.yaml").write_text(
        "task: mef\ndataset: more\n"
        "sources: {under: 'near/{scene}.*', over: 'far/{scene}.*'}\n"
        "candidates: out/{method}/{scene}.*\n"
    )
    ingest(*load_manifest(tmp_path / "more/set.yaml"), lab)
    score(lab, METRICS)
    select(lab, POLICY.model_copy(update={"weights": {"mff": WEIGHTS, "mef": WEIGHTS}}), "first")
    assert refine(lab, "first", "second", way=FOCUS).refined == 4
    report = refine(lab, "first", "second", way=FOCUS, tasks=["mff"])
    assert (report.labels, report.refined, report.known) == (4, 3, 4)
    labels = lab.labels("second").set_index("task")
    assert labels.loc["mef", "method"] == "good"
    assert lab.refinements("mef", "more").empty
    for table in (lab.index("mef", "more")["name"], lab.scores("mef", "more")["method"]):
        assert "refined(second)" not in set(table)


def test_the_command_says_what_it_did(lab: Lab) -> None:
    given = ["refine", "--lab", lab.path, "--labels", "first", "--as", "second", "--tasks", "mff"]
    shown = CliRunner().invoke(app, [str(x) for x in [*given, "--json"]])
    assert shown.exit_code == 0, shown.output
    report = json.loads(shown.stdout)
    assert (report["name"], report["labels"]) == ("second", 4)
    assert report["way"].startswith("statistics v")
    assert report["refined"] + report["sound"] + sum(report["refused"].values()) == 4
    again = CliRunner().invoke(app, [str(x) for x in given])
    assert "known" in again.output
    wrong = CliRunner().invoke(app, [str(x) for x in [*given, "--way", "magic"]])
    assert wrong.exit_code == 2
    assert "statistics" in wrong.output


def test_labels_of_no_known_task_are_told(lab: Lab) -> None:
    with pytest.raises(LabError, match="has none of ivf"):
        refine(lab, "first", "second", way=FOCUS, tasks=["ivf"])
    with pytest.raises(UnknownNameError, match="'mfff'"):
        refine(lab, "first", "second", way=FOCUS, tasks=["mfff"])


@pytest.mark.parametrize("kind", ["person", "mosaic", "second_place"])
def test_labels_of_every_kind_are_refined(lab: Lab, kind: str) -> None:
    if kind == "second_place":
        select(lab, POLICY, "first", top=2)
    else:
        chosen_by = "ann" if kind == "person" else "mosaic"
        rewrite(lab, "first", chosen_by=chosen_by, policy_method="bad")
    assert refine(lab, "first", "second", way=FOCUS).refined == 3
    labels = lab.labels("second").query("scene == 'blurred'").set_index("place")
    assert labels.loc[1, "method"] == "refined(second)"
    if kind == "second_place":
        assert labels.loc[2].equals(
            lab.labels("first").query("scene == 'blurred'").set_index("place").loc[2]
        )
    else:
        assert labels.loc[1, "policy_method"] == "bad"


def test_refined_labels_can_be_refined(lab: Lab) -> None:
    refine(lab, "first", "second", way=FOCUS)
    report = refine(lab, "second", "third", way=FOCUS)
    assert report.labels == 4
    assert set(lab.labels("third")["method"]) <= {"refined(third)", "refined(second)", "good"}
    assert len(lab.refinements("mff", "toy")["name"].unique()) == 2
    assert "refined(second)" in set(lab.labels("third")["method"])
    with pytest.raises(UsageError, match="choose another name"):  # it would write what it reads
        refine(lab, "third", "second", way=FOCUS)


@pytest.mark.parametrize("what", ["decoy", "gone", "changed"])
def test_a_label_without_its_pixels_is_left_out_and_told(lab: Lab, what: str) -> None:
    labels = lab.labels("first")
    column = "digest_candidate" if what == "changed" else "method"
    value = {"decoy": "decoy:mean", "gone": "lost", "changed": "0" * 64}[what]
    rewrite(lab, "first", **{column: labels[column].where(labels["scene"] != "blurred", value)})
    report = refine(lab, "first", "second", way=FOCUS)
    assert report.left_out == {"refine_label_changed": 1}
    assert lab.labels("second")["scene"].tolist() == ["colour", "deep", "sound"]
    (reject,) = lab.rejects().query("stage == 'refine'").to_dict("records")
    assert (reject["scene"], reject["reason"]) == ("blurred", "refine_label_changed")
    assert "select again" in reject["detail"]


def test_a_label_whose_sources_changed_is_left_out_and_told(lab: Lab, before: Path) -> None:
    shutil.copytree(before.parent / "images", lab.path.parent / "images")
    source = lab.path.parent / "images/near/blurred.png"
    write_image(source, read_image(source) // 2 + 60)
    ingest(*load_manifest(lab.path.parent / "images/set.yaml"), lab)
    report = refine(lab, "first", "second", way=FOCUS)
    assert report.left_out == {"refine_sources_changed": 1}
    assert "blurred" not in set(lab.labels("second")["scene"])


@pytest.mark.parametrize("name", ["good", "near"])
def test_damaged_pixels_leave_their_label_out(lab: Lab, name: str) -> None:
    index = lab.index("mff", "toy").query(f"scene == 'blurred' and name == '{name}'")
    address = Address.of(index.iloc[0])
    folder = lab.path / "images.zarr" / address.folder / address.array
    for file in folder.rglob("*"):
        if file.is_file() and file.name != "zarr.json":
            file.write_bytes(b"no image")
    report = refine(lab, "first", "second", way=FOCUS)
    reason = "refine_label_changed" if name == "good" else "refine_sources_changed"
    assert report.left_out[reason] >= 1
    assert "blurred" not in set(lab.labels("second")["scene"])


def test_when_no_label_is_left_the_lab_says_so(lab: Lab) -> None:
    rewrite(lab, "first", digest_a="0" * 64)
    with pytest.raises(LabError, match="select again"):
        refine(lab, "first", "second", way=FOCUS)


def test_a_label_that_shows_a_region_is_refined_there(tmp_path: Path) -> None:
    write_scene(tmp_path / "images", "blurred", 0)
    for method in ("good", "bad"):
        file = tmp_path / f"images/out/{method}/blurred.png"
        write_image(file, read_image(file)[:136, :160])
    (tmp_path / "images/set.yaml").write_text(
        "task: mff\ndataset: toy\n"
        "sources: {near: 'near/{scene}.*', far: 'far/{scene}.*'}\n"
        "candidates: out/{method}/{scene}.*\n"
    )
    lab = Lab.create(tmp_path / "lab")
    ingest(*load_manifest(tmp_path / "images/set.yaml"), lab)
    score(lab, list(WEIGHTS))
    select(lab, POLICY, "first")
    assert refine(lab, "first", "second", way=FOCUS).refined == 1
    row = lab.index("mff", "toy").query("name == 'refined(second)'").iloc[0]
    assert row["region"] == label_of(lab, "second", "blurred")["region"] == "0,0,136,160"
    assert (row["height"], row["width"]) == (136, 160)
    assert missing(lab, list(WEIGHTS))["to_measure"] == 0
    assert label_of(lab, "second", "blurred")["margin"] > 0


@pytest.mark.parametrize("fault", ["raises", "nan", "shape"])
def test_a_way_that_fails_leaves_the_label(lab: Lab, fault: str) -> None:
    def broken(fused: np.ndarray, *_: object) -> Repair:
        if fault == "raises":
            raise ZeroDivisionError("oops")
        plane = fused * np.nan if fault == "nan" else fused[1:]
        return Repair(plane, Damage({"noise": np.ones(fused.shape)}))

    report = refine(lab, "first", "second", way=Way("broken", "1", broken))
    assert report.refused == {"refine_error": 4}
    assert lab.labels("second").equals(lab.labels("first"))
    assert lab.refinements("mff", "toy").empty
    assert set(lab.rejects().query("stage == 'refine'")["reason"]) == {"refine_error"}


def test_a_way_without_maps_is_recorded(lab: Lab) -> None:
    def bare(fused: np.ndarray, sources: list[np.ndarray], task: str) -> Repair:
        return Repair(by_focus(fused, sources, task).plane, Damage({}))

    assert refine(lab, "first", "second", way=Way("bare", "1", bare)).refined == 3
    assert label_of(lab, "second", "blurred")["because"].startswith("repaired: traces;")
    assert set(lab.refinements("mff", "toy")["kind"]) == {""}


def test_what_the_user_asks_for_must_be(lab: Lab) -> None:
    with pytest.raises(UsageError, match="choose another name"):
        refine(lab, "first", "first", way=FOCUS)
    with pytest.raises(UsageError, match="shorter name"):
        refine(lab, "first", "x" * 145, way=FOCUS)
    with pytest.raises(UnknownNameError, match="statistics"):
        refine(lab, "first", "second", way="statistic")
    with pytest.raises(UnknownNameError, match="'frist'"):
        refine(lab, "frist", "second", way=FOCUS)
    (lab.path / "labels/first.parquet").unlink()
    with pytest.raises(LabError, match="no labels yet"):
        refine(lab, "first", "second", way=FOCUS)


def test_a_packed_lab_is_read_only_and_a_refined_one_packs(made: Lab, tmp_path: Path) -> None:
    pack(made, tmp_path / "packed")
    packed = Lab.open(tmp_path / "packed")
    assert verify(packed).wrong == []
    assert len(packed.refinements("mff", "toy")) == 8
    assert refine(packed, "first", "more", way=FOCUS, dry_run=True).refined == 3
    with pytest.raises(LabError, match="packed lab"):
        refine(packed, "first", "more", way=FOCUS)


def test_without_scores_a_refined_label_has_no_total(lab: Lab) -> None:
    (lab.path / "scores/mff-toy.parquet").unlink()
    assert refine(lab, "first", "second", way=FOCUS).refined == 3
    assert np.isnan(label_of(lab, "second", "blurred")["total"])


def test_it_outlives_an_ingest_that_prunes(lab: Lab, before: Path) -> None:
    refine(lab, "first", "second", way=FOCUS)
    index = lab.index("mff", "toy")
    ingest(*load_manifest(before.parent / "images/set.yaml"), lab, prune=True)
    pd.testing.assert_frame_equal(lab.index("mff", "toy"), index)


def test_the_audit_explains_it(made: Lab) -> None:
    answer = audit.why("blurred", made, "second")
    assert answer.method == "refined(second)"
    assert answer.reasons[0].startswith("refined(second) is good, repaired: detail on ")
    assert "The refiner found nothing to repair." in audit.why("sound", made, "second").reasons
    assert not any("refine" in reason for reason in audit.why("sound", made, "first").reasons)
    changes = audit.diff("first", "second", made).set_index("scene")
    assert changes["change"].to_dict() == {**dict.fromkeys(SCENES[:3], "changed"), "sound": "same"}
    assert changes.loc["blurred", "reason"] == "refined"
    assert changes.loc["blurred", "detail"].startswith("refined(second) is good, repaired: detail")
    frames = audit.all_frames(made, "second")
    (row,) = frames["refinements"].to_dict("records")
    assert (row["task"], row["kind"], row["found"], row["refined"]) == ("mff", "detail", 3, 3)
    assert row["change"] > 2
    assert audit.refinements(made, "first").empty
    assert frames["truth"].set_index("scene").loc["blurred", "method"] == "refined(second)"


def test_a_refused_repair_is_explained(lab: Lab) -> None:
    refine(lab, "first", "second", way=FOCUS, margin=1000.0)
    reasons = audit.why("blurred", lab, "second").reasons
    assert reasons[0].startswith("The refiner left it as it was (refine_no_gain): held-out gain")
    known = Study(lab, "second").dataset("mff", "toy")
    page = scene_page(known, "blurred")
    assert page.repaired is not None
    assert (page.repaired.before[0], page.repaired.after) == ("good", ("", ""))
    (frame,) = audit.refinements(lab, "second").to_dict("records")
    assert (frame["found"], frame["refined"]) == (3, 0)


def test_the_report_shows_before_after_and_where(made: Lab, tmp_path: Path) -> None:
    known = Study(made, "second").dataset("mff", "toy")
    shown = scene_page(known, "blurred").repaired
    assert shown is not None
    assert (shown.before[0], shown.after[0]) == ("good", "refined(second)")
    assert [row.cells[0].text for row in shown.table.rows] == ["detail"]
    assert list(shown.colours) == ["detail"]
    picture = Image.open(io.BytesIO(base64.b64decode(shown.map.split(",")[1])))
    assert (picture.mode, picture.size) == ("RGBA", (96, 79))
    assert picture.getpixel((35, 40))[3] == 255
    assert picture.getpixel((90, 75))[3] == 0
    html = render_scene(scene_page(known, "blurred"), "second")
    assert html.count("data:image/png;base64,") == 1
    for text in ("<h2>Refined</h2>", "<strong>before</strong> good", "refined(second)"):
        assert text in html
    assert "<h2>Refined</h2>" not in render_scene(
        scene_page(Study(made, "first").dataset("mff", "toy"), "blurred"), "first"
    )
    sound = scene_page(known, "sound").repaired
    assert sound is not None
    assert sound.map == ""
    assert "nothing to repair" in sound.said
    report = audit.write_report(made, tmp_path / "report", "second")
    assert report.damaged == 0
    assert "Refined labels" in (tmp_path / "report/index.html").read_text(encoding="utf-8")


_KILLED = """
import sys, time
from pathlib import Path
sys.path[:0] = sys.argv[2:]
import fusionlab.refine.run as run
from fusionlab.lab import Lab
from test_run import FOCUS
from dataclasses import replace
run._AT_ONCE = 1
def slow(*given):
    (Path(sys.argv[1]) / "started").touch()
    time.sleep(0.4)
    return FOCUS.repair(*given)
run.refine(Lab.open(sys.argv[1]), "first", "second", way=replace(FOCUS, repair=slow), workers=1)
"""


def test_killed_in_the_middle_it_goes_on(made: Lab, lab: Lab) -> None:
    here = Path(__file__).parent
    command = [sys.executable, "-c", _KILLED, str(lab.path), str(here), str(here.parent)]
    process = subprocess.Popen(command, env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)})
    deadline = time.monotonic() + 60
    while not (lab.path / "refinements/mff-toy.parquet").exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert "second" not in lab.labels_names()
    (lab.path / "started").unlink()
    again = Lab.open(lab.path)
    assert verify(again).wrong == []
    report = refine(again, "first", "second", way=FOCUS)
    assert 1 <= report.known < 4
    assert report.refined == 3
    theirs, ours = tree_bytes(made.path), tree_bytes(lab.path)
    assert {name for name in theirs if theirs[name] != ours.get(name)} == set()

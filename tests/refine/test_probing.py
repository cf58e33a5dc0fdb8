"""Training on the labels of a lab: what is learned from, kept, refused, and shown."""

import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
import torch
from helpers import make_lab, rewrite_labels, write_labels
from typer.testing import CliRunner

from fusionlab.cli import app
from fusionlab.errors import LabError, UnknownNameError, UsageError
from fusionlab.images import digest, luminance
from fusionlab.refine.examples import draw_labels, read_examples, split
from fusionlab.refine.keeping import load_probes
from fusionlab.refine.learned import load_repair
from fusionlab.refine.probing import train_probes
from fusionlab.refine.teaching import Settings
from fusionlab.store import Address

TINY = Settings(steps=6, batch=2, patch=12, every=3)


@pytest.fixture(autouse=True)
def _one_thread():
    torch.set_num_threads(1)


@pytest.fixture
def lab(tmp_path):
    """Return a lab whose labels are the means of its sources."""
    lab = make_lab(tmp_path, methods=("mean",))
    write_labels(lab, "mean")
    return lab


def test_examples_are_the_luminance_of_labels_and_both_sources(lab):
    rows = draw_labels(lab.labels("first"), "ivf", 0)
    index = lab.index("ivf", "toy")
    for example in read_examples(lab, rows):
        scene = example.place.removeprefix("ivf/toy/")
        label = lab.labels("first").set_index("scene").loc[scene]
        wanted = [label["digest_candidate"], label["digest_a"], label["digest_b"]]
        mine = index[index["scene"] == scene].set_index("digest")
        for plane, found in zip(example.planes, wanted, strict=True):
            entry = mine.loc[[found]].reset_index().iloc[0]
            pixels = luminance(lab.images.read(Address.of(entry)))
            np.testing.assert_allclose(255 * plane, pixels, atol=1e-4)


def test_probes_are_kept_with_what_they_were_trained_on(lab):
    checks = []
    report = train_probes(lab, "first", "mine", settings=TINY, on_check=lambda *c: checks.append(c))
    assert [(task, c.stage, c.step) for task, c in checks] == [
        ("ivf", "probes", 3),
        ("ivf", "probes", 6),
        ("ivf", "assembler", 3),
        ("ivf", "assembler", 6),
    ]
    _, origin = load_probes(lab, "mine", "ivf")
    assert (origin.labels, origin.scenes, len(origin.held_out)) == ("first", 2, 1)
    assert origin.settings == TINY
    assert origin.policy_digest == "p"
    assert report.trained["ivf"]["scenes"] == 2
    best = min(c.held_out for _, c in checks if c.stage == "assembler")
    assert origin.losses.assembler == pytest.approx(255 * best, abs=1e-3)
    assert origin.losses.held_out
    assert set(origin.limits) == {"detail", "target", "noise", "halo"}


def test_what_was_trained_repairs_a_label(lab):
    train_probes(lab, "first", settings=TINY)
    example = read_examples(lab, draw_labels(lab.labels("first"), "ivf", 0))[0]
    label, *sources = (255 * example.planes).astype(np.float64)
    repaired = load_repair(lab, "probes", "ivf")(label, sources, "ivf")
    assert repaired.plane.shape == label.shape
    assert 0 <= repaired.damage.anywhere.min() <= repaired.damage.anywhere.max() <= 1


def test_training_twice_gives_the_same_file_and_another_seed_another(lab):
    path = lab.path / "probes" / "probes-ivf.safetensors"
    files = []
    for seed in (0, 0, 1):
        train_probes(lab, "first", settings=TINY.model_copy(update={"seed": seed}))
        files.append(path.read_bytes())
    assert files[0] == files[1] != files[2]


def test_of_one_scene_none_is_held_out(lab):
    rewrite_labels(lab, lambda frame: frame[frame["scene"] == "s0"])
    train_probes(lab, "first", settings=TINY)
    _, origin = load_probes(lab, "probes", "ivf")
    assert (origin.scenes, origin.held_out, origin.losses.held_out) == (1, (), False)


def test_the_scenes_held_out_are_not_learned_from():
    rows = [{"scene": f"s{i}"} for i in range(100)]
    learned, held_out = split(rows)
    assert (len(learned), len(held_out)) == (90, 10)
    assert [*held_out, *learned] == rows
    assert [len(part) for part in split(rows[:2])] == [1, 1]
    assert len(split(rows * 10)[1]) == 32


def test_only_the_label_of_a_scene_is_drawn_and_no_more_than_asked(monkeypatch):
    frame = pd.DataFrame(
        [
            {"task": task, "dataset": "d", "scene": f"s{i}", "place": place}
            for task in ("ivf", "mif")
            for i in range(9)
            for place in (1, 2)
        ]
    )
    drawn = draw_labels(frame, "ivf", 0)
    assert sorted(row["scene"] for row in drawn) == [f"s{i}" for i in range(9)]
    assert {row["place"] for row in drawn} == {1}
    assert [row["scene"] for row in drawn] != sorted(row["scene"] for row in drawn)
    monkeypatch.setattr("fusionlab.refine.examples.MOST", 4)
    assert draw_labels(frame, "ivf", 0) == drawn[:4]


def test_a_label_of_a_region_is_compared_with_that_region(lab):
    rows = draw_labels(lab.labels("first"), "ivf", 0)[:1]
    whole = read_examples(lab, rows)[0].planes
    shown = [{**rows[0], "region": "4,6,48,57"}]
    planes = lab.images.read

    def cropped(address):
        pixels = planes(address)
        return pixels if address.array.startswith("method") else np.pad(pixels, ((4, 0), (6, 0)))

    index = lab.index("ivf", "toy").to_dict("records")
    for entry in index:
        pixels = cropped(Address.of(entry))
        entry.update(digest=digest(pixels), height=pixels.shape[0], width=pixels.shape[1])
        if entry["role"] == "source" and entry["scene"] == rows[0]["scene"]:
            shown[0]["digest_" + "ab"[entry["position"]]] = entry["digest"]
    lab.index = lambda *_: pd.DataFrame(index)
    lab.images.read = cropped
    assert np.array_equal(read_examples(lab, shown)[0].planes, whole)


def test_no_labels_of_a_task_say_what_to_do(lab):
    with pytest.raises(LabError, match=r"'first' has no labels of mff to learn from; select"):
        train_probes(lab, "first", task="mff", settings=TINY)
    rewrite_labels(lab, lambda frame: frame.iloc[:0])
    with pytest.raises(LabError, match=r"'first' has no labels to learn from; select"):
        train_probes(lab, "first", settings=TINY)
    assert not (lab.path / "probes").exists()


def test_names_that_cannot_be_are_refused_before_any_work(lab):
    with pytest.raises(UnknownNameError, match="labels set"):
        train_probes(lab, "second", settings=TINY)
    with pytest.raises(UsageError, match="name of probes"):
        train_probes(lab, "first", "a/b", settings=TINY)
    with pytest.raises(UnknownNameError, match="task"):
        train_probes(lab, "first", task="video", settings=TINY)
    with pytest.raises(UsageError, match="device 'abacus'"):
        train_probes(lab, "first", device="abacus", settings=TINY)


@pytest.mark.parametrize("column", ["digest_a", "digest_b", "digest_candidate"])
def test_an_image_that_changed_since_is_refused(lab, column):
    rewrite_labels(lab, lambda frame: frame.assign(**{column: "0" * 64}))
    with pytest.raises(LabError, match=r"of ivf/toy/s\d is not the image that the labels mean"):
        train_probes(lab, "first", settings=TINY)


def test_an_image_that_is_gone_is_refused(lab):
    index = lab.index("ivf", "toy")
    with lab.writing():
        lab.write_index("ivf", "toy", index[index["name"] != "vis"])
    with pytest.raises(LabError, match=r"source 1 of ivf/toy/s\d is not the image"):
        train_probes(lab, "first", settings=TINY)


def test_a_killed_run_leaves_the_probes_that_were_there(lab):
    train_probes(lab, "first", settings=TINY)
    before = (lab.path / "probes" / "probes-ivf.safetensors").read_bytes()
    leftover = lab.path / "probes" / ".partial-probes-ivf.safetensors-0"
    leftover.write_bytes(before[:100])
    command = "from fusionlab.cli import main; main()"
    running = subprocess.Popen(
        [sys.executable, "-c", command, "probes", "--lab", lab.path, "--labels", "first"],
        stderr=subprocess.PIPE, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    time.sleep(3)
    running.send_signal(signal.SIGKILL)
    running.communicate()
    assert (lab.path / "probes" / "probes-ivf.safetensors").read_bytes() == before
    train_probes(lab, "first", settings=TINY)
    assert [file.name for file in (lab.path / "probes").iterdir()] == ["probes-ivf.safetensors"]


def test_the_command_trains_and_says_what_it_did(lab):
    arguments = ["probes", "--lab", lab.path, "--labels", "first", "--name", "mine"]
    arguments += ["--steps", 4, "--patch", 12, "--json"]
    result = CliRunner().invoke(app, [str(a) for a in arguments])
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["name"] == "mine"
    assert report["trained"]["ivf"]["scenes"] == 2
    assert "ivf assembler 4/4: L1 " in result.stderr
    assert load_probes(lab, "mine", "ivf")[1].settings.steps == 4

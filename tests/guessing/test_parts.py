"""The parts of guessing: words, content, the walk, the written file, the command."""

import json

import numpy as np
import pytest
import yaml
from layouts import LAYOUTS, PAIRS, each, put, shown
from typer.testing import CliRunner

from fusionlab.cli import app
from fusionlab.errors import UsageError
from fusionlab.guessing import guess_manifest, manifest_text, write_guess
from fusionlab.guessing.content import Look, correlation, judge
from fusionlab.guessing.survey import survey
from fusionlab.guessing.words import affixes, is_passed_over, is_truth, meaning_of
from fusionlab.ingest import Manifest, load_manifest, preview
from fusionlab.ingest.tree import FileTree

MEANINGS = {
    **dict.fromkeys(["ir", "IR", "infrared", "cropinfrared", "Thermal", "Test_LLVIP_ir"], "ir"),
    **dict.fromkeys(["vi", "VIS", "visible", "crop_LR_visible", "RGB"], "vis"),
    **dict.fromkeys(["CT", "ct.zip"], "ct"),
    **dict.fromkeys(["MRI", "MR-T1", "T2"], "mri"),
    **dict.fromkeys(["PET", "PET-I"], "pet"),
    **dict.fromkeys(["under", "ue", "under_exposed", "low", "dark"], "under"),
    **dict.fromkeys(["over", "Overexposed", "high"], "over"),
    **dict.fromkeys(["A", "sourceA", "imageA", "near", "left"], "A"),
    **dict.fromkeys(["b", "source_B", "far"], "B"),
    **dict.fromkeys(["1", "source_1", "input1", "img1"], "1"),
    **dict.fromkeys(
        ["CT-MRI", "sources", "GTF", "MEF-GAN", "lytro", "12", "image", "DSIFT", "run1", "", "图"],
        None,
    ),
}


@pytest.mark.parametrize(("name", "modality"), MEANINGS.items())
def test_what_words_mean(name, modality):
    meaning = meaning_of(name)
    assert (meaning and meaning.modality) == modality


def test_roles_are_read_off_either_end_of_a_name():
    assert affixes("lytro-01-A") == [
        ("{scene}-A", "lytro-01", "A"),
        ("lytro-{scene}", "01-A", "lytro"),
    ]
    assert affixes("IR12") == [("IR{scene}", "12", "IR")]
    assert affixes("12ir") == [("{scene}ir", "12", "ir")]
    assert affixes("Horse") == []


def test_labels_are_truths_only_where_they_are_photographs():
    assert is_truth("Label", "mef")
    assert is_truth("data/all_in_focus", "mff")
    assert not is_truth("labels", "ivf")
    assert is_passed_over("train/Segmentation_labels")
    assert not is_passed_over("methods/MaskNet")


def looks(task, count=3):
    pairs = [[shown(task, f"s{n}", what) for what in PAIRS[task]] for n in range(count)]
    flat = [[x if x.ndim == 2 else x.mean(axis=2) for x in pair] for pair in pairs]
    return [tuple(Look(x.astype(np.float32), 0.0) for x in pair) for pair in flat]


@pytest.mark.parametrize("task", PAIRS)
def test_content_tells_the_task(task):
    opinion = judge(looks(task))
    assert opinion.task == task
    assert opinion.why


def test_flat_images_have_no_opinion_that_breaks():
    flat = Look(np.full((20, 30), 90, np.float32), 0.0)
    small = Look(np.full((10, 15), 90, np.float32), 0.0)
    assert judge([(flat, small)]).task == "ivf"  # no order in common
    assert correlation(flat.luma, flat.luma) == 0.0
    assert judge([]) is None


def test_the_walk_ends_at_the_limit_and_says_so(tmp_path):
    for n in range(5):
        put(tmp_path / f"ir/{n}.png", b"x")
    with FileTree(tmp_path) as tree:
        assert survey(tree, limit=3).images == 3
        assert not survey(tree, limit=3).complete
        assert survey(tree, limit=5).complete


@pytest.fixture
def vifb(tmp_path):
    return next(layout for layout in LAYOUTS if layout.manifest == "vifb").write(tmp_path)


def run(*arguments):
    return CliRunner().invoke(app, ["init", *map(str, arguments)])


def test_what_is_written_is_what_ingest_takes(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for path, (scene, what) in each(["1", "2"], ir="d e/ir/{s}.png", vis="d e/vi/{s}.png").items():
        put(tmp_path / path, shown("ivf", scene, what))
    shown_by = run("d e")
    assert shown_by.exit_code == 0, shown_by.output
    assert "next: fusionlab ingest d_e.yaml" in shown_by.output
    text = (tmp_path / "d_e.yaml").read_text()
    assert yaml.safe_load(text)["root"] == "d e"
    assert "# source vis: named 'vi', which means vis\n" in text
    got = CliRunner().invoke(app, ["ingest", "d_e.yaml", "--dry-run", "--json"])
    assert json.loads(got.output)["scenes"] == 2
    again = run("d e")
    assert again.exit_code == 2
    assert "--force" in again.output
    assert run("d e", "--force", "--name", "other", "--out", "d_e.yaml").exit_code == 0
    assert "dataset: other" in (tmp_path / "d_e.yaml").read_text()


def test_json_has_the_manifest_and_its_reasons(vifb, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    got = json.loads(run(vifb, "--json", "--dry-run").output)
    assert (got["task"], got["dataset"], got["guess"], got["file"]) == ("ivf", "vifb", "sure", None)
    assert Manifest.model_validate(got["manifest"]).dataset == "vifb"
    assert got["rejected"] == {"missing_source": 2}
    assert set(got["methods"].values()) == {4}
    assert not list(tmp_path.glob("*.yaml"))
    assert json.loads(run(vifb, "--json").output)["file"] == "vifb.yaml"


def test_the_table_says_what_was_taken_for_what(vifb):
    output = run(vifb, "--dry-run").output
    for word in ("source ir", "4 of 4 methods", "input/VI/{scene}.*", "missing_source 2", "sure"):
        assert word in output


def test_a_root_outside_the_manifests_folder_is_absolute(vifb, tmp_path):
    guess = guess_manifest(vifb)
    inside, outside = tmp_path / "m.yaml", tmp_path / "deep" / "m.yaml"
    assert yaml.safe_load(manifest_text(guess, inside))["root"] == "VIFB"
    write_guess(guess, outside)
    manifest, root = load_manifest(outside)
    assert root == vifb.resolve()
    assert preview(manifest, root)["scenes"] == guess.tried.scenes
    with pytest.raises(UsageError, match="--force"):
        write_guess(guess, outside)


@pytest.mark.parametrize(("arguments", "code"), [(["none"], 2), ([], 2), (["."], 1)])
def test_exit_codes_without_a_guess(arguments, code, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = run(*arguments)
    assert result.exit_code == code
    assert "Traceback" not in result.output

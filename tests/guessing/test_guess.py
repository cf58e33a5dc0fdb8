"""Guessing a manifest: usual layouts, layouts of one's own, what is left over, what stays open."""

import os
import zipfile

import numpy as np
import pytest
from layouts import LAYOUTS, NAMES, each, outputs, put, shown

from fusionlab.errors import FusionLabError, UnknownNameError, UsageError
from fusionlab.guessing import DOUBTFUL, LIKELY, SURE, guess_manifest
from fusionlab.ingest.find import find
from fusionlab.ingest.tree import FileTree

#: Layouts that are read otherwise, or not at all, where no name tells which benchmark it is.
OTHERWISE = {"mffw-MFFW", "realmff-RealMFF"}


def taken(guess):
    """Return path -> (scene, what) as ingest would read it by a guess."""
    manifest = guess.manifest
    with FileTree(guess.root, manifest.enters) as tree:
        findings = find(manifest, tree)
    kinds = {"method": "method:{}", "reference": "truth"}
    return {
        f.file: (s.scene, kinds.get(f.role, "{}").format(f.name))
        for s in findings.scenes
        for f in s.files
    }


def write(root, task, files):
    """Write images that show what `files` says, path -> (scene, what)."""
    for path, (scene, what) in files.items():
        put(root / path, shown(task, scene, what))
    return root


@pytest.mark.parametrize("layout", LAYOUTS, ids=NAMES)
def test_usual_layouts_under_their_names(layout, tmp_path):
    guess = guess_manifest(layout.write(tmp_path))
    assert (guess.content["task"], taken(guess)) == (layout.task, layout.files)
    assert guess.sureness in (SURE, LIKELY)
    assert guess.tried.scenes == len({scene for scene, _ in layout.files.values()})


@pytest.mark.parametrize(
    "layout", [one for one, name in zip(LAYOUTS, NAMES, strict=True) if name not in OTHERWISE]
)
def test_usual_layouts_under_a_name_that_tells_nothing(layout, tmp_path):
    neutral = tmp_path / "x" / "pictures"
    neutral.parent.mkdir()
    layout.write(tmp_path).rename(neutral)
    guess = guess_manifest(neutral)
    assert (guess.content["task"], guess.content["dataset"]) == (layout.task, "pictures")
    assert taken(guess) == layout.files


def test_series_of_two_and_of_three_side_by_side_are_two_data_sets(tmp_path):
    pairs = each(["1", "2"], A="two/{s}_A.png", B="two/{s}_B.png")
    more = each(["1", "2"], A="three/{s}_A.png", B="three/{s}_B.png", mid="three/{s}_C.png")
    root = write(tmp_path / "x", "mff", pairs | more)
    with pytest.raises(UsageError, match=r"several data sets.*init .*x/t\w+; fusionlab init"):
        guess_manifest(root)
    assert taken(guess_manifest(root / "two")) == {
        path.removeprefix("two/"): what for path, what in pairs.items()
    }


METHODS = ["GTF", "U2Fusion"]
OWN = {
    "role folders beside method folders": (
        "ivf",
        each(["1", "2"], ir="ir/{s}.png", vis="vi/{s}.jpg")
        | outputs("{m}/{s}.png", ["1", "2"], METHODS),
    ),
    "all in one folder": (
        "ivf",
        each(["car", "dog"], ir="{s}_ir.png", vis="{s}_vis.png")
        | outputs("{s}_{m}.png", ["car", "dog"], METHODS),
    ),
    "the word first": (
        "mif",
        each(["7", "8"], ct="CT-{s}.png", mri="MRI-{s}.png")
        | outputs("fused/{m}_{s}.png", ["7", "8"], METHODS),
    ),
    "a folder a scene": (
        "mef",
        each(["room", "sky"], under="{s}/under.png", over="{s}/over.png", mid="{s}/mid.png") | {},
    ),
    "methods deeper": (
        "mff",
        each(["x1", "x2"], A="near/{s}.png", B="far/{s}.png", truth="ground_truth/{s}.png")
        | outputs("results/{m}/test/{s}_fused.png", ["x1", "x2"], METHODS),
    ),
    "input1 and input2": (
        "mff",
        each(["p", "q", "r"], A="input1/{s}.png", B="input2/{s}.png"),
    ),
    "parts": (
        "mif",
        each(["1", "2"], pet="train/PET/{s}.png", mri="train/MRI/{s}.png")
        | each(["3"], pet="val/PET/{s}.png", mri="val/MRI/{s}.png"),
    ),
}


@pytest.mark.parametrize(("task", "files"), OWN.values(), ids=OWN)
def test_layouts_of_ones_own(task, files, tmp_path):
    guess = guess_manifest(write(tmp_path / "mine", task, files))
    assert (guess.content["task"], taken(guess)) == (task, files)
    assert guess.tried.rejected == {}


def test_patients_with_slices_of_the_same_names_stay_apart(tmp_path):
    files = {
        f"p{n}/{kind}/{i:03d}.png": (f"p{n}_{i:03d}", kind.lower())
        for n in (1, 2, 3)
        for kind in ("CT", "MRI")
        for i in range(2)
    }
    guess = guess_manifest(write(tmp_path / "clinic", "mif", files))
    assert guess.content["sources"] == {
        "ct": ["{scene}/CT/{slice}.*"],
        "mri": ["{scene}/MRI/{slice}.*"],
    }
    assert taken(guess) == files


def test_exposures_are_ordered_by_brightness_whatever_they_are_called(tmp_path):
    files = each(["u", "v"], over="A/{s}.png", under="B/{s}.png")
    guess = guess_manifest(write(tmp_path / "shots", "mef", files))
    assert (guess.content["task"], guess.sureness) == ("mef", LIKELY)
    assert taken(guess) == files
    assert any("under-exposed by content" in part.why for part in guess.parts)


def test_without_telling_names_the_two_least_alike_are_the_sources(tmp_path):
    scenes = ["s1", "s2", "s3"]
    files = each(scenes, ir="alpha/{s}.png", vis="gamma/{s}.png")
    files |= outputs("beta/{s}.png", scenes, ["beta"])
    guess = guess_manifest(write(tmp_path / "odd", "ivf", files))
    assert guess.sureness == DOUBTFUL
    assert taken(guess) == files  # gray is the infrared, colour the visible
    assert any("structure" in note for note in guess.notes)


def test_names_that_content_contradicts_are_doubted(tmp_path):
    files = each(["1", "2"], vis="ir/{s}.png", ir="vis/{s}.png")
    exchanged = guess_manifest(write(tmp_path / "exchanged", "ivf", files))
    assert exchanged.sureness == DOUBTFUL
    assert any("exchanged?" in note for note in exchanged.notes)
    files = each(["1", "2"], A="ir/{s}.png", B="vis/{s}.png")
    other = guess_manifest(write(tmp_path / "other", "mff", files))
    assert (other.content["task"], other.sureness) == ("ivf", DOUBTFUL)
    assert any("content says mff" in note for note in other.notes)


def test_two_likely_tasks_are_left_to_the_user(tmp_path):
    rng = np.random.default_rng(5)
    for n in range(3):  # the same order of levels, and darker by 20: neither focus nor exposure
        base = rng.integers(60, 200, (32, 32)).astype(np.uint8)
        put(tmp_path / f"d/A/{n}.png", base)
        put(tmp_path / f"d/B/{n}.png", base - np.uint8(20))
    with pytest.raises(UsageError, match="--task ivf or --task mif or --task mef or --task mff"):
        guess_manifest(tmp_path / "d")
    guess = guess_manifest(tmp_path / "d", task="mef", name="mine")
    assert (guess.content["task"], guess.content["dataset"]) == ("mef", "mine")
    with pytest.raises(UnknownNameError, match="unknown task"):
        guess_manifest(tmp_path / "d", task="xyz")


def test_what_is_no_candidate_is_passed_over_or_named(tmp_path):
    files = each(["1", "2"], ir="ir/{s}.png", vis="vis/{s}.png")
    root = write(tmp_path / "d", "ivf", files)
    put(root / "masks/1.png", shown("ivf", "1", "ir"))
    put(root / "reference/ir_registered/1.png", shown("ivf", "1", "ir"))
    put(root / "ir/3.png", shown("ivf", "3", "ir"))
    put(root / "notes.txt", b"words")
    put(root / "plots/result.png", shown("ivf", "x", "ir"))
    guess = guess_manifest(root)
    assert taken(guess) == files
    assert guess.content["ignore"] == ["reference/ir_registered/*", "masks/*", "*.txt"]
    assert guess.tried.rejected == {"missing_source": 1, "unmatched_file": 1}
    assert set(guess.tried.examples) == {"ir/3.png", "plots/result.png"}


def test_a_method_may_be_called_a_map(tmp_path):
    files = each(["1", "2"], A="near/{s}.png", B="far/{s}.png")
    files |= outputs("methods/{m}/{s}.png", ["1", "2"], ["focus_map", "gff", "mask"])
    assert taken(guess_manifest(write(tmp_path / "d", "mff", files))) == files


def test_archives_are_looked_into(tmp_path):
    files = each(["1", "2"], ir="ir.zip/{s}.png", vis="vis.zip/{s}.png")
    files |= outputs("methods/{m}.zip/{s}.png", ["1", "2"], METHODS)
    write(tmp_path / "flat", "ivf", files)
    for archive in {path.partition(".zip/")[0] for path in files}:
        packed = tmp_path / "packed" / f"{archive}.zip"
        packed.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(packed, "w") as written:
            for image in sorted((tmp_path / "flat" / f"{archive}.zip").iterdir()):
                written.write(image, image.name)
    guess = guess_manifest(tmp_path / "packed")
    assert guess.content["candidates"] == ["methods/{method}.zip/{scene}.*"]
    assert taken(guess) == files


def test_broken_images_and_links_out_of_the_folder_are_counted_and_named(tmp_path):
    files = each(["1", "2", "3"], ir="ir/{s}.png", vis="vis/{s}.png")
    root = write(tmp_path / "d", "ivf", files)
    (root / "ir/1.png").write_bytes(b"broken")
    secret = write(tmp_path / "secret", "ivf", each(["2"], ir="{s}.png")) / "2.png"
    (root / "vis/2.png").unlink()
    (root / "vis/2.png").symlink_to(secret)
    (root / "elsewhere").symlink_to(tmp_path / "secret", target_is_directory=True)
    guess = guess_manifest(root)
    assert guess.content["task"] == "ivf"
    assert set(guess.unreadable) == {"ir/1.png", "vis/2.png"}
    assert guess.unreadable["vis/2.png"].startswith("outside_root")
    assert guess.tried.rejected == {"linked_folder": 1}


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_that_may_not_be_read_is_counted(tmp_path):
    root = write(tmp_path / "d", "ivf", each(["1"], ir="ir/{s}.png", vis="vis/{s}.png"))
    (root / "closed").mkdir(mode=0)
    guess = guess_manifest(root)
    (root / "closed").chmod(0o700)
    assert guess.tried.rejected == {"unreadable": 1}


def test_all_images_broken_leave_the_names(tmp_path):
    for path in each(["1", "2"], ir="ir/{s}.png", vis="vis/{s}.png"):
        put(tmp_path / "d" / path, b"broken")
    guess = guess_manifest(tmp_path / "d")
    assert (guess.content["task"], guess.tried.scenes) == ("ivf", 2)
    assert any("no pair of images could be read" in note for note in guess.notes)


def test_nothing_to_guess_from(tmp_path):
    (tmp_path / "empty").mkdir()
    put(tmp_path / "text/a.txt", b"words")
    put(tmp_path / "one/a.png", shown("ivf", "a", "ir"))
    for folder, said in (("empty", "there are none"), ("text", "1 .txt"), ("one", "1 images")):
        with pytest.raises(FusionLabError, match=said) as raised:
            guess_manifest(tmp_path / folder)
        assert raised.value.exit_code == 1
    with pytest.raises(UsageError, match="no such folder"):
        guess_manifest(tmp_path / "none")


def test_names_that_a_pattern_cannot_spell_are_left_out_and_named(tmp_path):
    files = each(["1", "2"], ir="ir/{s}.png", vis="vis/{s}.png")
    root = write(tmp_path / "d", "ivf", files)
    put(root / "a{b}/1.png", shown("ivf", "1", "ir"))
    guess = guess_manifest(root)
    assert taken(guess) == files
    assert any("a{b}/1.png" in note for note in guess.notes)

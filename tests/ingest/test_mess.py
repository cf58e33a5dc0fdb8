"""Candidates that are misnamed, cropped, resized or bordered, in a data set of real photographs."""

import json
from pathlib import Path

import cv2
import numpy as np
import pytest

from fusionlab.demo.scenes import write_demo
from fusionlab.errors import UsageError
from fusionlab.images import digest, read_image
from fusionlab.ingest import Checks, ingest, load_manifest
from fusionlab.lab import FORMAT, Lab
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select

METHODS = ("laplacian", "mean")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory):
    root = tmp_path_factory.mktemp("photographs")
    write_demo(root)
    return root


@pytest.fixture
def data(photographs, tmp_path):
    """The multi-focus scenes with two methods, as files that a test may spoil."""
    root = tmp_path / "data"
    for file in sorted((photographs / "mff").rglob("*.png")):
        place = file.relative_to(photographs / "mff")
        if place.parts[0] != "methods" or place.parts[1] in METHODS:
            target = root / place
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read_bytes())
    return root


@pytest.fixture
def run(photographs, data, tmp_path):
    lab = Lab.create(tmp_path / "lab")

    def run(match="names", **options):
        checks = Checks(match=match, **options)
        manifest, _ = load_manifest(photographs / "mff.yaml")
        report = ingest(manifest, data, lab, checks=checks, workers=2)
        return report, lab

    return run


def scenes_of(data):
    return sorted(p.stem for p in (data / "sources" / "near").iterdir())


def shift_names(folder):
    """Give every file the name of the next one; return new name -> the scene that it shows."""
    files = sorted(folder.glob("*.png"))
    contents = [file.read_bytes() for file in files]
    truth = {}
    for k, file in enumerate(files):
        file.write_bytes(contents[(k + 1) % len(files)])
        truth[file.name] = files[(k + 1) % len(files)].stem
    return truth


def rejects(lab):
    got = lab.rejects()
    return {row["file"]: (row["reason"], row["detail"]) for row in got.to_dict("records")}


def index(lab):
    return lab.index("mff", "demo").set_index("file")


def edit(path, change):
    image = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    assert cv2.imwrite(str(path), change(image))


def test_names_that_tell_the_truth_raise_no_alarm(run, data):
    report, lab = run()
    assert report.rejected == {}
    methods = index(lab).query("role == 'method'")
    assert (methods["fit"] > 0.6).all()
    assert set(methods["region"]) == {""}


def test_by_names_a_candidate_of_another_scene_is_rejected_with_the_scene_it_shows(run, data):
    truth = shift_names(data / "methods" / "mean")
    report, lab = run()
    assert report.rejected == {"wrong_scene": len(truth)}
    for name, scene in truth.items():
        reason, detail = rejects(lab)[f"methods/mean/{name}"]
        assert reason == "wrong_scene"
        assert repr(scene) in detail
        assert "--match content" in detail


def test_by_content_every_candidate_comes_to_the_scene_it_shows(run, data):
    truth = shift_names(data / "methods" / "mean")
    report, lab = run(match="content")
    assert (report.rejected, report.moved) == ({}, len(truth))
    for name, scene in truth.items():
        row = index(lab).loc[f"methods/mean/{name}"]
        assert row["scene"] == scene
        assert f"named:{Path(name).stem}" in row["notes"]


def test_a_second_run_by_content_changes_nothing(run, data):
    shift_names(data / "methods" / "mean")
    first, lab = run(match="content")
    before = (lab.path / "index" / "mff-demo.parquet").read_bytes()
    again, _ = run(match="content")
    assert (again.added, again.changed, again.unchanged) == (0, 0, first.added)
    assert (lab.path / "index" / "mff-demo.parquet").read_bytes() == before


def test_going_back_to_names_leaves_no_file_in_index_and_rejects(run, data):
    truth = shift_names(data / "methods" / "mean")
    run(match="content")
    report, lab = run(match="names")
    assert report.kept == 0
    assert set(rejects(lab)) == {f"methods/mean/{name}" for name in truth}
    assert not set(rejects(lab)) & set(index(lab).index)


def test_by_content_a_running_number_finds_its_scene(run, data):
    for k, file in enumerate(sorted((data / "methods" / "mean").glob("*.png"))):
        file.rename(file.with_name(f"fused_{k:04d}.png"))
    report, _ = run(match="names")
    assert set(report.rejected) == {"no_sources"}
    report, lab = run(match="content")
    assert report.rejected == {}
    moved = index(lab).query("name == 'mean'")
    assert [Path(f).stem for f in moved.sort_values("scene").index] == [
        f"fused_{k:04d}" for k in range(len(moved))
    ]


def test_by_content_two_outputs_of_one_scene_are_both_rejected(run, data):
    first, second = sorted((data / "methods" / "mean").glob("*.png"))[:2]
    (data / "methods" / "mean" / "copy.png").write_bytes(first.read_bytes())
    second.write_bytes(first.read_bytes())
    report, lab = run(match="content")
    assert report.rejected == {"duplicate_file": 2}
    assert f"methods/mean/{first.name}" in index(lab).index


def test_a_candidate_that_shows_no_scene_here_is_rejected_either_way(run, data, photographs):
    foreign = next((photographs / "mif" / "methods" / "mean").glob("*.png")).read_bytes()
    file = sorted((data / "methods" / "mean").glob("*.png"))[0]
    file.write_bytes(foreign)
    for match in ("names", "content"):
        report, lab = run(match=match)
        assert set(report.rejected) & {"wrong_scene", "size_mismatch"}
        assert f"methods/mean/{file.name}" not in index(lab).index


def test_a_top_left_crop_is_stored_as_the_region_that_it_shows(run, data):
    file = sorted((data / "methods" / "mean").glob("*.png"))[0]
    edit(file, lambda image: image[:-5, :-3])
    report, lab = run()
    row = index(lab).loc[f"methods/mean/{file.name}"]
    source = read_image(data / "sources" / "near" / file.name)
    height, width = source.shape[0] - 5, source.shape[1] - 3
    assert report.aligned == 1
    assert (row["region"], row["alignment"]) == (f"0,0,{height},{width}", "crop")
    assert (row["height"], row["width"]) == (height, width)
    assert row["digest"] == digest(read_image(file))


def test_a_crop_is_scored_like_a_scene_that_was_cropped_itself(run, data, photographs, tmp_path):
    name = scenes_of(data)[0]
    cut = slice(0, -5), slice(0, -3)
    edit(data / "methods" / "mean" / f"{name}.png", lambda image: image[cut])
    _, lab = run()
    score(lab, ["EN", "SSIM", "Qabf", "PSNR_ref"], workers=1)
    folders = (data / "sources" / "near", data / "sources" / "far", data / "reference" / "truth")
    for folder in folders:
        edit(folder / f"{name}.png", lambda image: image[cut])
    (data / "methods" / "laplacian" / f"{name}.png").unlink()
    alone = Lab.create(tmp_path / "alone")
    ingest(load_manifest(photographs / "mff.yaml")[0], data, alone, workers=1)
    score(alone, ["EN", "SSIM", "Qabf", "PSNR_ref"], workers=1)
    columns = ["metric", "value"]
    own = "scene == @name and method == 'mean'"
    got = lab.scores("mff", "demo").query(own)[columns].reset_index(drop=True)
    expected = alone.scores("mff", "demo").query(own)[columns].reset_index(drop=True)
    assert len(got) == 4
    assert got.equals(expected)


def test_a_label_says_which_region_it_shows(run, data):
    name = scenes_of(data)[0]
    edit(data / "methods" / "mean" / f"{name}.png", lambda image: image[:-5, :-3])
    (data / "methods" / "laplacian" / f"{name}.png").unlink()
    _, lab = run()
    score(lab, workers=1)
    select(lab, load_policy("fusionfm"), "first")
    labels = lab.labels("first").set_index("scene")
    assert labels.loc[name, "region"].startswith("0,0,")
    assert set(labels.drop(index=name)["region"]) == {""}


def test_scores_of_a_region_do_not_stand_for_the_whole(run, data):
    name = scenes_of(data)[0]
    file = data / "methods" / "mean" / f"{name}.png"
    whole = file.read_bytes()
    edit(file, lambda image: image[:-5, :-3])
    _, lab = run()
    score(lab, ["EN"], workers=1)
    file.write_bytes(whole)
    run()
    assert score(lab, ["EN"], workers=1).measured == 1


def test_an_enlarged_copy_is_averaged_down_again(run, data):
    file = sorted((data / "methods" / "mean").glob("*.png"))[0]
    edit(file, lambda i: cv2.resize(i, None, fx=2, fy=2, interpolation=cv2.INTER_NEAREST))
    original = read_image(data / "sources" / "near" / file.name).shape[:2]
    _, lab = run()
    row = index(lab).loc[f"methods/mean/{file.name}"]
    assert (row["alignment"], row["region"]) == ("resize:1/2", "")
    assert (row["height"], row["width"]) == original


def test_without_its_rule_an_image_of_another_size_is_rejected_and_told_of_it(run, data):
    file = sorted((data / "methods" / "mean").glob("*.png"))[0]
    edit(file, lambda image: image[:-5, :-3])
    report, lab = run(align=())
    assert report.rejected == {"size_mismatch": 1}
    assert "--align crop" in rejects(lab)[f"methods/mean/{file.name}"][1]
    report, _ = run()
    assert report.rejected == {}


def test_a_ratio_that_is_no_whole_number_is_named_and_rejected(run, data):
    file = sorted((data / "methods" / "mean").glob("*.png"))[0]
    edit(file, lambda i: cv2.resize(i, None, fx=1.4, fy=1.4, interpolation=cv2.INTER_AREA))
    report, lab = run()
    assert report.rejected == {"size_mismatch": 1}
    assert "resized copy by 1.399" in rejects(lab)[f"methods/mean/{file.name}"][1]


def test_a_changed_source_has_its_candidates_judged_again(run, data):
    name, other = scenes_of(data)[:2]
    run()
    for modality in ("near", "far"):
        source = data / "sources" / modality
        (source / f"{name}.png").write_bytes((source / f"{other}.png").read_bytes())
    report, lab = run()
    wrong = {file for file, (reason, _) in rejects(lab).items() if reason == "wrong_scene"}
    assert {f"methods/{method}/{name}.png" for method in METHODS} <= wrong
    assert report.unchanged > 0


def test_an_unknown_choice_is_refused_with_the_known_ones():
    with pytest.raises(UsageError, match="names or content"):
        Checks(match="magic")
    with pytest.raises(UsageError, match="did you mean 'crop'"):
        Checks(align=("corp",))


def test_a_lab_that_was_not_inspected_is_inspected_by_the_next_ingest(run, data):
    _, lab = run()
    frame = lab.index("mff", "demo")
    before = frame.copy()
    frame["inspected"], frame["fit"] = "", np.nan
    lab.write_index("mff", "demo", frame)
    report, _ = run()
    assert (report.added, report.changed) == (0, 0)
    assert lab.index("mff", "demo").equals(before)
    assert json.loads((lab.path / "lab.json").read_text())["format"] == FORMAT


def middle_half(image):
    height, width = image.shape[:2]
    return image[height // 4 : height // 4 + height // 2, width // 4 : width // 4 + width // 2]


def bottom_right(image):
    return image[image.shape[0] // 10 :, image.shape[1] // 10 :]


def padded(image):
    return cv2.copyMakeBorder(image, 16, 16, 16, 16, cv2.BORDER_REFLECT)


@pytest.mark.parametrize(
    ("change", "rule"), [(middle_half, "crop"), (bottom_right, "crop"), (padded, "cut:16,16")]
)
def test_what_a_heavy_crop_or_border_leaves_is_known_for_its_scene(run, data, change, rule):
    for file in (data / "methods" / "mean").glob("*.png"):
        edit(file, change)
    report, lab = run()
    assert report.rejected == {}
    cut = index(lab).query("name == 'mean'")
    assert set(cut["alignment"]) == {rule}
    assert (cut["fit"] > 0.6).all()


def test_a_crop_of_another_scene_is_still_of_another_scene(run, data):
    truth = shift_names(data / "methods" / "mean")
    for file in (data / "methods" / "mean").glob("*.png"):
        edit(file, bottom_right)
    report, lab = run()
    assert set(report.rejected) == {"wrong_scene"}
    assert len(rejects(lab)) == len(truth)

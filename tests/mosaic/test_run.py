"""Mosaics in a lab: made where it pays, refused where not, with provenance; nothing else moves."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers import tree_bytes, write_image

from fusionlab import audit
from fusionlab.decoys import spoil
from fusionlab.errors import LabError, UsageError
from fusionlab.images import luminance, read_image
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.metrics import measure
from fusionlab.mosaic import mosaic
from fusionlab.packing import pack
from fusionlab.regions import Region
from fusionlab.scoring import missing, score
from fusionlab.selection import select
from fusionlab.selection.policy import Policy
from fusionlab.store import Address
from fusionlab.tables import read_note
from fusionlab.upkeep import verify

SIZE = (192, 256)
WEIGHTS = {"SELS": 1.0, "GERR": 1.0}
POLICY = Policy(name="p", version=1, weights={"mff": WEIGHTS})
METRICS = [*WEIGHTS, "QW", "QY", "QG", "PSNR_ref"]
HALVES = {"left": np.s_[:, :128], "right": np.s_[:, 128:]}


def photograph(seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    layers = [cv2.GaussianBlur(rng.normal(0, 1, SIZE), (0, 0), s) * s for s in (0.8, 2.0, 6.0)]
    texture = np.sum(layers, axis=0)
    return np.clip(127 + 45 * texture / texture.std(), 0, 255).astype(np.uint8)


def write_scene(root: Path, name: str, seed: int, planted: bool) -> None:
    """Write a scene whose candidates are spoiled in one half each, or one of them all over."""
    truth = photograph(seed)
    soft = cv2.GaussianBlur(truth, (0, 0), 2.5)
    near, far = truth.copy(), truth.copy()
    near[:96], far[96:] = soft[:96], soft[96:]
    write_image(root / "near" / f"{name}.png", near)
    write_image(root / "far" / f"{name}.png", far)
    write_image(root / "truth" / f"{name}.png", truth)
    rng = np.random.default_rng(seed + 100)
    for method, part in HALVES.items():
        image = np.clip(truth + rng.normal(0, 1.5, SIZE), 0, 255).astype(np.uint8)
        if planted:
            image[part] = spoil(image, "noise_10")[part]
        elif method == "right":
            image = spoil(image, "noise_10")
        write_image(root / "out" / method / f"{name}.png", image)
    mean = ((near.astype(int) + far) // 2).astype(np.uint8)
    write_image(root / "out" / "mean" / f"{name}.png", mean)


def make(folder: Path) -> Lab:
    """Make a lab with one scene where a mosaic pays and one where the whole is best."""
    for name, seed, planted in (("planted", 1, True), ("plain", 2, False)):
        write_scene(folder / "images", name, seed, planted)
    (folder / "images/set.yaml").write_text(
        "task: mff\ndataset: toy\n"
        "sources: {near: 'near/{scene}.*', far: 'far/{scene}.*'}\n"
        "candidates: out/{method}/{scene}.*\nreference: truth/{scene}.*\n"
    )
    lab = Lab.create(folder / "lab")
    ingest(*load_manifest(folder / "images/set.yaml"), lab)
    score(lab, METRICS)
    score(lab, list(WEIGHTS), tiles=True)
    select(lab, POLICY, "whole")
    return lab


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make(tmp_path_factory.mktemp("mosaic")).path


@pytest.fixture
def lab(before: Path, tmp_path: Path) -> Lab:
    import shutil

    shutil.copytree(before, tmp_path / "lab")
    return Lab.open(tmp_path / "lab")


@pytest.fixture(scope="module")
def made(before: Path, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    import shutil

    copied = tmp_path_factory.mktemp("made") / "lab"
    shutil.copytree(before, copied)
    opened = Lab.open(copied)
    report = mosaic(opened, "whole", "parts")
    assert (report.labels, report.proposed, report.made, report.refused) == (2, 1, 1, {})
    return opened


def label_of(lab: Lab, name: str, scene: str) -> pd.Series:
    return lab.labels(name).set_index("scene").loc[scene]


def test_the_mosaic_is_the_label_where_it_pays_and_nowhere_else(made: Lab) -> None:
    label = label_of(made, "parts", "planted")
    assert label["method"] == "mosaic(parts)"
    assert label["chosen_by"] == "mosaic"
    whole = label_of(made, "whole", "planted")
    assert label["policy_method"] == label["runner_up"] == whole["method"]
    assert label["margin"] > 0
    assert "left 6" in label["because"]
    assert "held-out gain" in label["because"]
    untouched = label_of(made, "parts", "plain")
    assert untouched.equals(label_of(made, "whole", "plain"))
    assert Policy.model_validate_json(read_note(made.labels_path("parts"))) == POLICY


def test_it_shows_each_candidate_where_it_was_not_spoiled(made: Lab) -> None:
    rows = made.mosaics("mff", "toy")
    assert set(rows["name"]) == {"mosaic(parts)"}
    assert len(rows) == 12
    for row in rows.to_dict("records"):
        region = Region.parse(row["tile"])
        assert row["method"] == ("right" if region.x < 128 else "left")
        assert row["total"] >= row["whole_total"]
    index = made.index("mff", "toy").set_index(["scene", "name"])
    digests = rows.groupby("method")["digest_candidate"].first()
    for method in HALVES:
        assert digests[method] == index.loc[("planted", method), "digest"]


def test_it_is_stored_with_provenance_and_scored_like_any_candidate(made: Lab) -> None:
    row = made.index("mff", "toy").query("name == 'mosaic(parts)'").iloc[0]
    assert row["notes"] == "made:mosaic right:6 left:6"
    assert (row["role"], row["flags"], row["file"]) == ("method", "mosaic", "")
    assert row["digest"] == label_of(made, "parts", "planted")["digest_candidate"]
    pixels = luminance(made.images.read(Address.of(row)))
    scores = made.scores("mff", "toy").query("method == 'mosaic(parts)'")
    values = scores.set_index("metric")["value"]
    assert set(values.index) == set(METRICS)
    entries = made.index("mff", "toy").query("scene == 'planted'").set_index("name", drop=False)
    near, far, truth = (
        luminance(made.images.read(Address.of(entries.loc[n]))) for n in ("near", "far", "truth")
    )
    assert dict(values) == measure(near, far, pixels, list(values.index), reference=truth)
    wide = made.scores("mff", "toy").query("scene == 'planted' and metric == 'PSNR_ref'")
    psnr = wide.set_index("method")["value"]
    assert psnr["mosaic(parts)"] > psnr.drop("mosaic(parts)").max() + 3
    assert missing(made, METRICS)["to_measure"] == 0
    assert verify(made).wrong == []


def test_the_audit_explains_it(made: Lab) -> None:
    answer = audit.why("planted", made, "parts")
    assert answer.method == "mosaic(parts)"
    assert answer.reasons[0].startswith("mosaic(parts) takes the place of")
    frames = audit.all_frames(made, "parts")
    assert frames["truth"].set_index("scene").loc["planted", "method"] == "mosaic(parts)"


def test_no_policy_chooses_a_mosaic_by_itself(made: Lab, tmp_path: Path) -> None:
    before = made.labels("whole")
    select(made, POLICY, "again")
    pd.testing.assert_frame_equal(made.labels("again"), before)


def test_it_packs(made: Lab, tmp_path: Path) -> None:
    pack(made, tmp_path / "packed")
    packed = Lab.open(tmp_path / "packed")
    assert verify(packed).wrong == []
    assert len(packed.mosaics("mff", "toy")) == 12
    with pytest.raises(LabError, match="packed lab"):
        mosaic(packed, "whole", "more")


def test_a_second_run_changes_nothing(made: Lab) -> None:
    before = tree_bytes(made.path)
    mosaic(made, "whole", "parts", workers=2)
    assert tree_bytes(made.path) == before


def test_what_does_not_gain_enough_is_refused_and_told(lab: Lab) -> None:
    report = mosaic(lab, "whole", "parts", margin=50.0)
    assert (report.proposed, report.made, report.refused) == (1, 0, {"mosaic_no_gain": 1})
    (row,) = lab.rejects().query("stage == 'mosaic'").to_dict("records")
    assert (row["scene"], row["reason"]) == ("planted", "mosaic_no_gain")
    assert "at least 50" in row["detail"]
    assert lab.labels("parts").equals(lab.labels("whole"))
    assert not (lab.index("mff", "toy")["flags"] == "mosaic").any()


def test_a_mosaic_that_is_refused_later_is_forgotten(lab: Lab) -> None:
    before = lab.index("mff", "toy"), lab.scores("mff", "toy")
    mosaic(lab, "whole", "parts")
    assert len(lab.index("mff", "toy")) == len(before[0]) + 1
    mosaic(lab, "whole", "parts", margin=50.0)
    pd.testing.assert_frame_equal(lab.index("mff", "toy"), before[0])
    pd.testing.assert_frame_equal(lab.scores("mff", "toy"), before[1])
    assert lab.mosaics("mff", "toy").empty


def test_without_a_clear_lead_nothing_is_proposed(lab: Lab) -> None:
    assert mosaic(lab, "whole", "parts", lead=2.0).proposed == 0


def test_a_dry_run_writes_nothing(lab: Lab) -> None:
    before = tree_bytes(lab.path)
    assert mosaic(lab, "whole", "parts", dry_run=True).made == 1
    assert tree_bytes(lab.path) == before


def test_a_label_of_a_person_stays(lab: Lab) -> None:
    from fusionlab.schemas import labels_schema
    from fusionlab.tables import write_table

    labels = lab.labels("whole")
    labels["chosen_by"] = "ann"
    note = read_note(lab.labels_path("whole"))
    write_table(lab.labels_path("whole"), labels, labels_schema(list(WEIGHTS)), note)
    assert mosaic(lab, "whole", "parts").proposed == 0
    assert lab.labels("parts").equals(lab.labels("whole"))


def test_missing_scores_name_the_command(lab: Lab, tmp_path: Path) -> None:
    (lab.path / "tiles/mff-toy.parquet").unlink()
    with pytest.raises(LabError, match=r"fusionlab score .*--tiles --metrics SELS,GERR"):
        mosaic(lab, "whole", "parts")
    (lab.path / "scores/mff-toy.parquet").unlink()
    score(lab, list(WEIGHTS))
    with pytest.raises(LabError, match=r"--metrics SELS,GERR,QW,QY,QG"):
        mosaic(lab, "whole", "parts")


def test_the_manifest_that_is_read_is_not_overwritten(lab: Lab) -> None:
    with pytest.raises(UsageError, match="choose another name"):
        mosaic(lab, "whole", "whole")


def test_a_mosaic_outlives_an_ingest_that_prunes_but_not_its_sources(tmp_path: Path) -> None:
    lab = make(tmp_path)
    mosaic(lab, "whole", "parts")
    manifest = load_manifest(tmp_path / "images/set.yaml")
    index = lab.index("mff", "toy")
    ingest(*manifest, lab, prune=True)
    pd.testing.assert_frame_equal(lab.index("mff", "toy"), index)
    source = tmp_path / "images/near/planted.png"
    write_image(source, read_image(source) // 2 + 60)
    report = ingest(*manifest, lab)
    assert report.pruned == 1
    assert "mosaic(parts)" not in set(lab.index("mff", "toy")["name"])

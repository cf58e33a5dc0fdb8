"""The split of a lab: written by select, only added to, the same in all labels of it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from helpers import fuse, make_lab, rewrite_labels, sources, tree_bytes, write_image, write_labels
from typer.testing import CliRunner

from fusionlab.cli import app
from fusionlab.errors import LabError, UnknownNameError, UsageError
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.schemas import labels_schema, normed_metrics
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select
from fusionlab.splits import PARTS, completed, plan_split
from fusionlab.tables import read_note, write_table
from fusionlab.training.reading import read_curated
from fusionlab.training.shards import read_shards, write_shards
from fusionlab.training.splitting import split
from fusionlab.upkeep import labels_info

METRICS = ("EN", "SD", "SSIM", "Qabf", "VIF", "QMI")
POLICY = load_policy("fusionfm")


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six scenes, scored; their images stand beside."""
    folder = tmp_path_factory.mktemp("splits")
    score(make_lab(folder, scenes=6), METRICS, workers=1)
    return folder


@pytest.fixture
def lab(first: Path, tmp_path: Path) -> Lab:
    shutil.copytree(first, tmp_path, dirs_exist_ok=True)
    return Lab.open(tmp_path / "lab")


def parts(lab: Lab, name: str = "first") -> dict[str, str]:
    return lab.labels(name).set_index("scene")["split"].to_dict()


def add(lab: Lab, name: str, a: np.ndarray, b: np.ndarray) -> None:
    """Add a scene, and score it."""
    images = lab.path.parent / "images" / "toy"
    for folder, pixels in {"ir": a, "vis": b, "out/mean": fuse("mean", a, b)}.items():
        write_image(images / folder / f"{name}.png", pixels)
    ingest(*load_manifest(images.parent / "toy.yaml"), lab)
    score(lab, METRICS, workers=1)


def test_labels_say_what_is_for_what_and_all_labels_of_a_lab_agree(lab: Lab) -> None:
    report = select(lab, POLICY, "first", shares=(0.5, 0.25, 0.25))
    assert sum(report.split.values()) == report.labels == 6
    assert set(parts(lab).values()) == set(PARTS)
    select(lab, POLICY.normalised_by("minmax"), "other")
    assert parts(lab, "other") == parts(lab)
    assert json.loads(read_note(lab.splits_path))["shares"] == [0.5, 0.25, 0.25]
    shown = labels_info(lab).set_index("name").loc["first"]
    assert {part: shown[part] for part in PARTS} == report.split


def test_another_scene_moves_none_and_follows_its_source(lab: Lab) -> None:
    select(lab, POLICY, "first", test=["ivf/toy/s4"])
    before = parts(lab)
    a, _ = sources(4)
    _, b = sources(31)
    add(lab, "s7", a, b)
    select(lab, POLICY, "again")
    after = parts(lab, "again")
    assert {scene: after[scene] for scene in before} == before
    assert after["s7"] == "test"
    assert parts(lab) == before


def test_a_scene_that_ties_two_parts_together_is_in_none_and_a_reject_says_so(lab: Lab) -> None:
    select(lab, POLICY, "first")
    before = parts(lab)
    train = next(scene for scene, part in before.items() if part == "train")
    test = next(scene for scene, part in before.items() if part == "test")
    a, _ = sources(int(train[1:]))
    _, b = sources(int(test[1:]))
    add(lab, "between", a, b)
    report = select(lab, POLICY, "again")
    assert report.split["none"] == 1
    after = parts(lab, "again")
    assert after == before | {"between": ""}
    assert "between" not in lab.splits()["scene"].tolist()
    (row,) = lab.rejects().query("reason == 'split_conflict'").to_dict("records")
    assert (row["stage"], row["scene"]) == ("select", "between")
    assert f"ivf/toy/{train} (train) and ivf/toy/{test} (test)" in row["detail"]
    learned, judged = split(read_curated(lab, "again"))
    assert not {"ivf/toy/between"} & {e.place for e in (*learned.examples, *judged.examples)}


def test_a_split_that_stands_is_only_given_up_when_asked(lab: Lab) -> None:
    select(lab, POLICY, "first")
    stands = (lab.path / "splits.parquet").read_bytes()
    with pytest.raises(UsageError, match=r"split by 0\.8,0\.1,0\.1 already.*--resplit"):
        select(lab, POLICY, "again", shares=(0.6, 0.2, 0.2))
    learned = next(scene for scene, part in parts(lab).items() if part == "train")
    with pytest.raises(UsageError, match=rf"1 scenes, the first ivf/toy/{learned} \(for train\)"):
        select(lab, POLICY, "again", test=[f"ivf/toy/{learned}"])
    with pytest.raises(UnknownNameError, match="unknown data set 'ivf/tox'"):
        select(lab, POLICY, "again", test=["ivf/tox"])
    assert (lab.path / "splits.parquet").read_bytes() == stands
    select(lab, POLICY, "again", shares=(0.6, 0.2, 0.2), test=["ivf/toy"], resplit=True)
    assert set(parts(lab, "again").values()) == {"test"}
    add(lab, "later", *sources(50))
    select(lab, POLICY, "again")
    assert parts(lab, "again")["later"] == "test"  # what is for test by name stays so


def test_a_dry_run_counts_and_writes_nothing(lab: Lab) -> None:
    before = tree_bytes(lab.path)
    assert sum(select(lab, POLICY, "first", dry_run=True).split.values()) == 6
    assert tree_bytes(lab.path) == before


def test_a_table_without_its_rule_says_how_to_begin_anew(lab: Lab) -> None:
    select(lab, POLICY, "first")
    with lab.writing():
        lab.write_splits(lab.splits(), "{}x")
    with pytest.raises(LabError, match=r"does not say by what rule.*--resplit"):
        select(lab, POLICY, "first")
    select(lab, POLICY, "first", resplit=True)
    assert len(lab.splits()) == 6


def test_groups_of_a_manifest_stay_together(lab: Lab) -> None:
    manifest = lab.path.parent / "images" / "toy.yaml"
    manifest.write_text(manifest.read_text() + "group: '{group}?'\n")
    report = ingest(*load_manifest(manifest), lab)
    assert (report.changed, report.added) == (0, 0)
    sources_only = lab.index("ivf", "toy").query("role == 'source'")
    assert set(sources_only["group"]) == {"ivf/toy/s"}
    select(lab, POLICY, "first")
    assert set(parts(lab).values()) == {"train"}  # one patient alone is learned from
    assert {e.group for e in read_curated(lab, "first").examples} == {"ivf/toy/s0"}
    manifest.write_text(manifest.read_text().replace("'{group}?'", "'x{group}'"))
    assert ingest(*load_manifest(manifest), lab).rejected == {"no_group": 6}
    assert set(lab.index("ivf", "toy")["group"]) == {""}
    assert len(lab.rejects().query("reason == 'no_group'")["scene"].unique()) == 6


def test_labels_of_an_earlier_version_are_completed_by_the_same_function(lab: Lab) -> None:
    select(lab, POLICY, "first")
    whole = lab.labels("first")
    (lab.path / "splits.parquet").unlink()
    schema = labels_schema(normed_metrics(whole))
    path = lab.labels_path("first")
    old = [(f.name, f.type) for f in schema.columns if f.name != "split"]
    import pyarrow as pa

    narrow = type(schema)(schema.name, pa.schema(old), schema.key)
    write_table(path, whole.drop(columns="split"), narrow, POLICY.model_dump_json())
    assert "split" not in lab.labels("first")
    pd.testing.assert_series_equal(completed(lab, lab.labels("first"))["split"], whole["split"])
    found = {e.place.rpartition("/")[2]: e.split for e in read_curated(lab, "first").examples}
    assert found == dict(zip(whole["scene"], whole["split"], strict=True))


def test_an_export_carries_the_split(lab: Lab, tmp_path: Path) -> None:
    select(lab, POLICY, "first")
    curated = read_curated(lab, "first")
    write_shards(curated, tmp_path / "out")
    again = read_shards(tmp_path / "out")
    assert {e.place: e.split for e in again.examples} == {
        e.place: e.split for e in curated.examples
    }
    assert again.digest == curated.digest


def test_a_label_of_a_scene_that_is_gone_is_in_no_part(lab: Lab) -> None:
    write_labels(lab, "mean")
    rewrite_labels(lab, lambda frame: frame.assign(scene=frame["scene"] + "x"))
    labels = lab.labels("first").drop(columns="split")
    assert set(plan_split(lab, [("ivf", "toy")], labels).column(labels)) == {""}


@pytest.mark.parametrize("wrong", ["0.8", "0.8,0.2", "a,b,c", "1,1,1", "0,0.5,0.5", "nan,0,1"])
def test_shares_that_are_none_are_refused(lab: Lab, wrong: str) -> None:
    asked = ["select", "--lab", str(lab.path), "--policy", "fusionfm", "--name", "x"]
    found = CliRunner().invoke(app, [*asked, "--split", wrong])
    assert found.exit_code == 2, found.output
    assert "--split" in found.output
    assert not lab.splits_path.exists()


def test_the_command_line_splits_as_it_is_told(lab: Lab) -> None:
    asked = ["select", "--lab", str(lab.path), "--policy", "fusionfm", "--name", "x", "--json"]
    found = CliRunner().invoke(app, [*asked, "--split", "1,0,0", "--test", "ivf/toy/s1"])
    assert json.loads(found.stdout)["split"] == {"train": 5, "test": 1}

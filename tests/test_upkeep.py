"""Info counts what is there; verify finds every kind of damage and changes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from helpers import METHODS, make_lab, tree_bytes, write_dataset
from typer.testing import CliRunner

from fusionlab import upkeep
from fusionlab.cli import app
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select
from fusionlab.store import Address


def chunk_of(lab: Lab, scene: str, name: str) -> Path:
    entry = lab.index("ivf", "toy").query("scene == @scene and name == @name").iloc[0]
    address = Address.of(entry)
    return lab.images.path / address.folder / address.array / f"c.{address.row}.0.0"


def damage(lab: Lab, kind: str) -> None:
    chunk = chunk_of(lab, "s1", "mean")
    if kind == "deleted":
        chunk.unlink()
    elif kind == "truncated":
        chunk.write_bytes(chunk.read_bytes()[:40])
    elif kind == "other pixels":
        chunk.write_bytes(chunk_of(lab, "s0", "mean").read_bytes())
    else:
        entry = lab.index("ivf", "toy").query("scene == 's1' and name == 'mean'").iloc[0]
        lab.images.write(Address.of(entry), np.zeros((48, 57), np.uint8))


def test_an_untouched_lab_is_whole(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=3)
    seen: list[tuple[int, int]] = []
    report = upkeep.verify(lab, workers=2, on_progress=lambda d, t: seen.append((d, t)))
    assert (report.images, report.wrong) == (3 * (2 + len(METHODS)), [])
    assert (seen[0], seen[-1]) == ((0, 18), (18, 18))


@pytest.mark.parametrize("kind", ["deleted", "truncated", "other pixels", "overwritten"])
def test_damage_is_found_named_and_repaired_by_force(tmp_path: Path, kind: str) -> None:
    lab = make_lab(tmp_path, scenes=3)
    damage(lab, kind)
    before = tree_bytes(lab.path)
    result = CliRunner().invoke(app, ["verify", "--lab", str(lab.path), "--json"])
    assert result.exit_code == 1
    (wrong,) = json.loads(result.stdout)["wrong"]
    assert (wrong["scene"], wrong["name"]) == ("s1", "mean")
    assert wrong["file"] == "out/mean/s1.png"
    assert tree_bytes(lab.path) == before
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab, force=True)
    assert upkeep.verify(lab).wrong == []


def test_verify_says_in_words_what_it_found(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    whole = CliRunner().invoke(app, ["verify", "--lab", str(lab.path)])
    assert (whole.exit_code, "all 6 images" in whole.output) == (0, True)
    chunk_of(lab, "s0", "ir").unlink()
    broken = CliRunner().invoke(app, ["verify", "--lab", str(lab.path)])
    assert broken.exit_code == 1
    assert "1 of 6 images are wrong" in broken.output
    assert "--force" in broken.output


def test_info_counts_images_scores_labels_and_rejects(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=2, reference=True)
    (tmp_path / "b/bare/out/mean").mkdir(parents=True)
    (tmp_path / "b/bare/out/mean/s9.png").write_bytes(b"")
    ingest(*load_manifest(write_dataset(tmp_path / "b", scenes=1, dataset="bare")), lab)
    score(lab, ["EN", "SD"])
    select(lab, load_policy_of_two(tmp_path), "first")
    answer = CliRunner().invoke(app, ["info", "--lab", str(lab.path), "--json"])
    found = json.loads(answer.stdout)
    bare, toy = found["datasets"]
    assert (toy["scenes"], toy["methods"], toy["images"], toy["references"]) == (2, 4, 14, 2)
    assert (toy["metrics"], toy["scores"], toy["rejects"]) == (2, 2 * 8 * 2, 0)
    assert (bare["dataset"], bare["scenes"], bare["rejects"]) == ("bare", 1, 1)
    (labels,) = found["labels"]
    assert (labels["name"], labels["policy"], labels["labels"]) == ("first", "two v1", 3)
    shown = CliRunner().invoke(app, ["info", "--lab", str(lab.path)])
    assert "Data sets" in shown.output
    assert "two v1" in shown.output


def load_policy_of_two(folder: Path):
    path = folder / "two.yaml"
    path.write_text("name: two\nversion: 1\nweights:\n  ivf: {EN: 1, SD: 1}\n")
    return load_policy(str(path))


def test_an_empty_lab_has_empty_tables(tmp_path: Path) -> None:
    lab = Lab.create(tmp_path / "lab")
    assert upkeep.info(lab).empty
    assert upkeep.labels_info(lab).empty
    assert upkeep.verify(lab).images == 0

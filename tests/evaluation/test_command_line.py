"""fusionlab evaluate: runs of a lab, seeds, steps, JSON, pages, and what is wrong."""

from __future__ import annotations

import json
from pathlib import Path

import pandas as pd
import pytest
import torch
from evaluations import run_scenes
from fusing_models import make_model, save_run
from helpers import tree_bytes
from typer.testing import CliRunner, Result

from fusionlab.cli import app
from fusionlab.evaluation.tables import place_of
from fusionlab.lab import Lab
from fusionlab.schemas import RUN_SCENES
from fusionlab.tables import write_table

torch.set_num_threads(1)


def run(lab: Lab, *arguments: object) -> Result:
    words = ["evaluate", "--lab", lab.path, "--workers", 1, "--device", "cpu", *arguments]
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture
def with_runs(lab: Lab) -> Lab:
    for seed in range(2):
        folder = save_run(Path(str(lab.path)) / "runs" / f"r{seed}", make_model(seed=seed))
        scenes = run_scenes(lab, s0="validation") if seed else None
        if scenes is not None:
            write_table(folder / "scenes.parquet", scenes, RUN_SCENES)
    return lab


def test_all_runs_of_a_lab_are_evaluated_with_pages(with_runs: Lab, tmp_path: Path):
    html = tmp_path / "pages"
    result = run(with_runs, "--html", html, "--datasets", "toy")
    assert result.exit_code == 0, result.output
    for said in ("run:r0", "run:r1", "labels:first", "decoy:mean", "excludes zero", "validation"):
        assert said in result.output
    assert "run:r0: lists no scenes" in result.output
    page = (html / "index.html").read_text()
    assert "run:r0" in page
    assert "plotly" in page
    scenes = list((html / "scenes").rglob("*.html"))
    assert len(scenes) == 7
    one = scenes[0].read_text()
    for name in ("run:r0", "run:r1", "labels:first"):
        assert f'data-name="{name}"' in one
    assert len(list((html / "images").rglob("*.webp"))) >= 7 * 5
    before = tree_bytes(html)
    assert run(with_runs, "--html", html, "--datasets", "toy").exit_code == 0
    assert tree_bytes(html) == before


def test_seeds_steps_and_json(with_runs: Lab):
    result = run(with_runs, "--runs", "flow=r0+r1,r1", "--steps", "1,2", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["entrants"] == ["run:flow@1", "run:flow@2", "run:r1@1", "run:r1@2", "labels:first"]
    seeds = {row["method"]: row["seeds"] for row in found["leaderboard"]}
    assert (seeds["run:flow@2"], seeds["run:r1@1"]) == (2, 1)
    board = pd.read_parquet(place_of(with_runs) / "leaderboard.parquet")
    assert len(board) == len(found["leaderboard"])


def test_a_run_elsewhere_and_a_model_by_its_path(with_runs: Lab, tmp_path: Path):
    folder = save_run(tmp_path / "far", make_model(seed=3))
    result = run(with_runs, "--runs", f"{folder / 'model.safetensors'},x={folder}", "--json")
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout)["entrants"] == ["run:far", "run:x", "labels:first"]


def test_a_dry_run_writes_nothing(with_runs: Lab):
    before = tree_bytes(with_runs.path)
    result = run(with_runs, "--dry-run")
    assert result.exit_code == 0, result.output
    assert "14" in result.output
    assert tree_bytes(with_runs.path) == before


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--runs", "r7"), "no such run"),
        (("--runs", "r0,r0"), "there twice"),
        (("--runs", "r0+r1"), "NAME=r0+r1"),
        (("--runs", "a@b=r0"), "has no '@'"),
        (("--runs", ","), "names nothing"),
        (("--steps", "0"), "above 0"),
        (("--steps", "two"), "above 0"),
        (("--labels", "second"), "second"),
        (("--datasets", "nowhere"), "nowhere"),
        (("--metrics", "nothing"), "nothing"),
        (("--seen-scenes", "maybe"), "maybe"),
    ],
)
def test_wrong_use_is_told(with_runs: Lab, arguments: tuple[str, ...], says: str):
    result = run(with_runs, *arguments)
    assert result.exit_code == 2, result.output
    assert says in result.output
    assert not place_of(with_runs).exists()


def test_a_lab_without_runs_says_how_to_train(lab: Lab):
    result = run(lab)
    assert result.exit_code == 2
    assert "fusionlab train" in result.output
    assert run(lab, "--labels", "first").exit_code == 0


def test_a_run_of_training_scenes_is_refused(with_runs: Lab):
    folder = Path(str(with_runs.path)) / "runs" / "r1"
    write_table(folder / "scenes.parquet", run_scenes(with_runs, s2="train"), RUN_SCENES)
    result = run(with_runs, "--runs", "r1")
    assert result.exit_code == 2
    assert "--seen-scenes skip" in result.output
    checkpoint = folder / "checkpoints" / "best.safetensors"
    checkpoint.parent.mkdir()
    checkpoint.write_bytes((folder / "model.safetensors").read_bytes())
    assert run(with_runs, "--runs", str(checkpoint)).exit_code == 2
    assert run(with_runs, "--runs", "r1", "--seen-scenes", "skip").exit_code == 0

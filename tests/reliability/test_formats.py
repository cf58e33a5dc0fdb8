"""A lab of every format that was ever released still opens, and answers as it did."""

from __future__ import annotations

import json
import tarfile
from pathlib import Path

import pandas as pd
import pytest
from helpers import tree_bytes
from typer.testing import CliRunner

from fusionlab.audit import all_frames, why
from fusionlab.cli import app
from fusionlab.lab import FORMAT, Lab
from fusionlab.selection import select
from fusionlab.upkeep import info, verify

FIXTURES = sorted((Path(__file__).parents[1] / "fixtures").glob("lab-format-*.tar.xz"))


@pytest.fixture(params=FIXTURES, ids=lambda file: file.name.partition(".")[0])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """Return a copy of a lab that another version wrote."""
    with tarfile.open(request.param) as archive:
        archive.extractall(tmp_path / "lab", filter="data")
    return tmp_path / "lab"


def marked(lab: Path) -> int:
    return json.loads((lab / "lab.json").read_text())["format"]


def test_there_is_a_lab_of_every_format_before_this_one() -> None:
    formats = {int(file.name.partition(".")[0].rpartition("-")[2]) for file in FIXTURES}
    assert set(range(1, FORMAT)) <= formats


def test_reading_answers_and_changes_no_byte(old: Path) -> None:
    before = tree_bytes(old)
    lab = Lab.open(old)
    (task, dataset), *_ = lab.datasets()
    index = lab.index(task, dataset)
    counted = info(lab).iloc[0]
    assert counted["images"] == len(index)
    assert counted["scores"] == len(lab.scores(task, dataset))
    name = lab.labels_names()[0]
    frames = all_frames(old, name)
    assert frames["wins"]["wins"].sum() == len(lab.labels(name))
    scene = index["scene"].iloc[0]
    found = why(scene, old, name)
    assert found.scene == scene
    assert found.reasons
    report = verify(lab)
    assert (report.images, report.wrong) == (len(index), [])
    assert tree_bytes(old) == before


def answers(lab: Path) -> None:
    """Ask every question that the command line knows."""
    opened = Lab.open(lab)
    name, scene = opened.labels_names()[0], opened.index(*opened.datasets()[0])["scene"].iloc[0]
    labels = ("--labels", name)
    questions = [("info",), ("verify",), ("audit", *labels), ("why", scene, *labels)]
    for question in (*questions, ("score", "--dry-run")):
        result = CliRunner().invoke(app, [*question, "--lab", str(lab)])
        assert result.exit_code == 0, result.output


def test_commands_answer_and_change_no_byte(old: Path) -> None:
    before = tree_bytes(old)
    answers(old)
    assert tree_bytes(old) == before


def test_the_next_write_marks_the_format_and_all_is_still_readable(old: Path) -> None:
    lab = Lab.open(old)
    name = lab.labels_names()[0]
    first = lab.labels(name)
    policy = why(first["scene"].iloc[0], old, name).policy
    select(lab, policy, "again")
    assert marked(old) == FORMAT
    again = Lab.open(old).labels("again")
    same = ["scene", "method", "total", "margin", "runner_up", "digest_candidate"]
    pd.testing.assert_frame_equal(again[same], first[same])
    answers(old)

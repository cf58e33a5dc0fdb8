"""fusionlab continual: what it prints, writes and refuses."""

import json
import shlex

import pandas as pd
import pytest
from helpers import make_lab
from typer.testing import CliRunner

from fusionlab.cli import app


def run(line):
    return CliRunner().invoke(app, shlex.split(line))


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    made = make_lab(tmp_path_factory.mktemp("continual"), scenes=3).path
    assert run(f"score --lab {made}").exit_code == 0
    assert run(f"select --lab {made} --policy fusionfm --name first").exit_code == 0
    return made


SMALL = "--labels first --strategies naive,joint --steps-per-task 2 --batch 2 --patch 16"


def test_a_study_is_trained_once_and_printed(lab, tmp_path):
    dry = run(f"continual --lab {lab} {SMALL} --dry-run --json")
    assert dry.exit_code == 0, dry.output
    # naive and joint of one task are one stage
    assert {k: json.loads(dry.stdout)[k] for k in ("cells", "stages", "trained")} == {
        "cells": 2, "stages": 1, "trained": 1,
    }  # fmt: skip
    assert not (lab / "studies").exists()
    found = run(f"continual --lab {lab} {SMALL} --csv {tmp_path}")
    assert found.exit_code == 0, found.output
    for word in ("PSNR", "average", "gap_joint", "naive", "forgetting.html"):
        assert word in found.output
    assert (lab / "studies" / "first" / "forgetting.html").exists()
    assert set(pd.read_csv(tmp_path / "results.csv")["strategy"]) == {"naive", "joint"}
    again = json.loads(run(f"continual --lab {lab} {SMALL} --json").stdout)
    assert (again["trained"], again["stages"]) == (0, 1)
    assert {row["metric"] for row in again["table"]} >= {"PSNR", "SSIM"}


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ("--strategies nave", "Did you mean 'naive'"),
        ("--orders ivf-mef", "unknown task 'mef'"),
        ("--seeds one", "seeds"),
        ("--ewc-shape root", "raw"),
        ("--network large", "unknown network"),
    ],
)
def test_wrong_options_exit_with_2_and_say_what_is_right(lab, wrong, says):
    found = run(f"continual --lab {lab} {SMALL} {wrong} --out none")
    assert found.exit_code == 2, found.output
    assert says in " ".join(found.output.split())

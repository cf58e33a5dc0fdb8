"""The tab key: what the shell is offered, through the protocol that its script speaks."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest


def offered(line: str, folder: Path, **environment: str) -> list[str]:
    """Return what is offered for the last word of `line`, as bash asks for it."""
    asked = {
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split(" ")) - 1),
        "_FUSIONLAB_COMPLETE": "complete_bash",
    }
    done = subprocess.run(
        [sys.executable, "-c", "from fusionlab.cli import app; app(prog_name='fusionlab')"],
        env={**os.environ, **asked, **environment},
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
    )
    assert not done.stderr
    return done.stdout.split()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in (
        "lab/labels/first.parquet",
        "lab/labels/.tmp-x.parquet",
        "lab/index/ivf-vifb.parquet",
        "lab/index/mff-lytro.parquet",
        "other/labels/second.parquet",
        "mine.yaml",
        "notes.txt",
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    return tmp_path


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("fusionlab sel", ["select"]),
        ("fusionlab select --task m", ["mef", "mff", "mif"]),
        ("fusionlab select --policy r", ["robust"]),
        ("fusionlab run al", ["all_in_one"]),
        ("fusionlab ingest m3", ["m3fd"]),
        ("fusionlab ingest mi", ["mine.yaml"]),
        ("fusionlab ingest ./mi", ["./mine.yaml"]),
        ("fusionlab ingest oth", ["other/"]),
        ("fusionlab audit --labels ", ["first"]),
        ("fusionlab audit --lab other --labels ", ["second"]),
        ("fusionlab audit --lab nowhere --labels ", []),
        ("fusionlab select --dataset ", ["lytro", "vifb"]),
        ("fusionlab evaluate --datasets lytro,", ["lytro,vifb"]),
        ("fusionlab score --metrics EN,SD,MEF", ["EN,SD,MEF_SSIM", "EN,SD,MEF_SSIM_1s"]),
        ("fusionlab baselines --methods gff,lapl", ["gff,laplacian"]),
    ],
)
def test_what_is_offered(line: str, expected: list[str], folder: Path) -> None:
    assert offered(line, folder) == expected


def test_the_lab_of_the_environment_is_looked_at(folder: Path) -> None:
    found = offered("fusionlab why x --labels ", folder, FUSIONLAB_LAB="other")
    assert found == ["second"]

"""A lab with three labels to review."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from helpers import make_lab

from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select


@pytest.fixture(scope="session")
def reviewable(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("reviewable")
    made = make_lab(folder, scenes=3)
    score(made)
    select(made, load_policy("fusionfm"), "first")
    return folder


@pytest.fixture
def lab(reviewable: Path, tmp_path: Path) -> Lab:
    """Return a lab of one's own, in ``lab``, of the images in ``images/toy``."""
    shutil.copytree(reviewable, tmp_path, dirs_exist_ok=True)
    return Lab.open(tmp_path / "lab")

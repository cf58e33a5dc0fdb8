"""Labs and models for tests of the evaluation: models are plain functions."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pandas as pd
import pytest
from helpers import METHODS, make_lab, write_dataset

from fusionlab.errors import MethodError
from fusionlab.evaluation import Entrant
from fusionlab.images import Pixels, digest
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select

METRICS = ("EN", "SD", "SSIM", "Qabf", "VIF", "QMI", "Nabf", "PSNR_ref")


def a_little_sharp(sources: Sequence[Pixels]) -> Pixels:
    mean = (sources[0].astype(float) + sources[1]) / 2
    return np.clip(np.rint(mean + 0.4 * (mean - np.roll(mean, 1, 0))), 0, 255).astype(np.uint8)


@dataclass
class Model:
    """A function in the place of a network; counts its calls."""

    name: str = "model"
    digest: str = "d1"
    function: Callable[[Sequence[Pixels]], Pixels] = a_little_sharp
    fails_on: str = ""
    calls: list[int | None] = field(default_factory=list)

    def fuse(
        self, sources: Sequence[Pixels], task: str = "", *, steps: int | None = None
    ) -> Pixels:
        assert task
        self.calls.append(steps)
        if digest(sources[0]) == self.fails_on:
            raise MethodError("out_of_memory", "it is too large")
        return self.function(sources)


def entrant(
    model: Model, group: str = "", steps: int | None = None, scenes: pd.DataFrame | None = None
) -> Entrant:
    return Entrant(f"run:{model.name}", f"run:{group or model.name}", model, steps, scenes)


def scored(lab: Lab, *labels: str) -> Lab:
    score(lab, METRICS, workers=1)
    for name in labels:
        select(lab, load_policy("fusionfm"), name)
    return lab


@pytest.fixture(scope="session")
def first_lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("evaluated")
    return Path(str(scored(make_lab(folder, scenes=7, reference=True), "first").path))


@pytest.fixture
def lab(first_lab: Path, tmp_path: Path) -> Lab:
    """Seven scenes with a truth, scored, with the labels ``first``."""
    return Lab.open(shutil.copytree(first_lab, tmp_path / "lab"))


@pytest.fixture
def jpeg_lab(tmp_path: Path) -> Lab:
    """Two scenes whose candidates are JPEG files of quality 60."""
    manifest = write_dataset(tmp_path / "images", scenes=2, size=(96, 120))
    for i in range(2):
        for method in METHODS:
            path = tmp_path / "images" / "toy" / "out" / method / f"s{i}.png"
            pixels = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
            path.unlink()
            cv2.imwrite(str(path.with_suffix(".jpg")), pixels, [cv2.IMWRITE_JPEG_QUALITY, 60])
    made = Lab.create(tmp_path / "lab")
    ingest(*load_manifest(manifest), made)
    return scored(made, "first")


def run_scenes(lab: Lab, **parts: str) -> pd.DataFrame:
    """What a run lists that had some scenes of the toy data set: scene -> part."""
    rows = []
    for scene, part in parts.items():
        found = lab.index("ivf", "toy").query(f"scene == '{scene}' and role == 'source'")
        first, second = found.sort_values("position")["digest"]
        keys = {"task": "ivf", "dataset": "toy", "scene": scene, "part": part, "method": "mean"}
        rows.append({**keys, "digest_a": first, "digest_b": second, "digest_candidate": ""})
    return pd.DataFrame(rows)

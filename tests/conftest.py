"""Fixtures that many tests share."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np
import pytest
import yaml
from hypothesis import settings

from fusionlab.images import encode_png
from fusionlab.ingest import Manifest

# How long an example takes says more about the machine than about the code.
settings.register_profile("fusionlab", deadline=None)
settings.load_profile("fusionlab")

_SHARED = Path(os.environ.get("FUSIONLAB_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture
def shared() -> Path:
    """Return the folder of real data and golden numbers that lies beside a checkout."""
    if not (_SHARED / "golden").is_dir():
        pytest.skip(f"no real data at {_SHARED}; set FUSIONLAB_SHARED to its folder")
    return _SHARED


@dataclass
class Dataset:
    """A small data set on disk: ``sources/MODALITY/SCENE.png`` and ``methods/METHOD/SCENE.png``."""

    root: Path
    text: dict = field(default_factory=dict)

    @property
    def manifest(self) -> Manifest:
        return Manifest.model_validate(self.text)

    @property
    def manifest_file(self) -> Path:
        return self.root.parent / f"{self.root.name}.yaml"

    def save_manifest(self) -> Path:
        self.manifest_file.write_text(yaml.safe_dump(self.text, sort_keys=False))
        return self.manifest_file

    def put(self, file: str, content: np.ndarray | bytes) -> Path:
        """Write an image, or bytes as they are, under the root."""
        path = self.root / file
        path.parent.mkdir(parents=True, exist_ok=True)
        if isinstance(content, np.ndarray):
            flags = {".jpg": ".jpg", ".bmp": ".bmp"}.get(path.suffix.lower())
            content = cv2.imencode(flags, content)[1].tobytes() if flags else encode_png(content)
        path.write_bytes(content)
        return path


def picture(seed: object, shape: tuple[int, ...] = (6, 8), dtype: type = np.uint8) -> np.ndarray:
    """Return noise that depends on `seed` alone."""
    rng = np.random.default_rng(list(repr(seed).encode()))
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


@pytest.fixture
def make_dataset(tmp_path):
    """Return a function that writes a small data set and gives it back."""

    def make(
        scenes=("s1", "s2"),
        methods=("M1", "M2"),
        modalities=("ir", "vis"),
        shape=(6, 8),
        dtype=np.uint8,
        task="ivf",
        name="tiny",
        reference=False,
    ) -> Dataset:
        text = {
            "task": task,
            "dataset": name,
            "root": name,
            "sources": {m: f"sources/{m}/{{scene}}.*" for m in modalities},
            "candidates": "methods/{method}/{scene}.*",
        }
        if reference:
            text["reference"] = "reference/{scene}.*"
        data = Dataset(tmp_path / name, text)
        data.root.mkdir()
        folders = [f"sources/{m}" for m in modalities] + [f"methods/{m}" for m in methods]
        for scene in scenes:
            for folder in folders + ["reference"] * reference:
                data.put(f"{folder}/{scene}.png", picture((folder, scene), shape, dtype))
        data.save_manifest()
        return data

    return make

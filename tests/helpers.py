"""Small labs for tests: real files, really ingested."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd

from fusionlab.images import encode_png
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.schemas import labels_schema
from fusionlab.tables import write_table

METHODS = ("copy_ir", "mean", "noisy", "sharp")


def sources(seed: int, height: int = 48, width: int = 57) -> tuple[np.ndarray, np.ndarray]:
    """Two textured 8-bit images that share some structure."""
    rng = np.random.Generator(np.random.PCG64(seed))
    y, x = np.mgrid[:height, :width]
    a = 127 + 80 * np.sin(x / 5 + seed) + rng.normal(0, 6, (height, width))
    b = 127 + 80 * np.cos(y / 4) * np.sin(x / 9) + rng.normal(0, 6, (height, width))
    return (np.clip(np.rint(p), 0, 255).astype(np.uint8) for p in (a, b))


def fuse(method: str, a: np.ndarray, b: np.ndarray) -> np.ndarray:
    mean = (a.astype(float) + b) / 2
    rng = np.random.Generator(np.random.PCG64(1))
    fused = {
        "copy_ir": a.astype(float),
        "mean": mean,
        "noisy": mean + rng.normal(0, 20, a.shape),
        "sharp": mean + 1.5 * (mean - np.roll(mean, 1, 0)),
    }[method]
    return np.clip(np.rint(fused), 0, 255).astype(np.uint8)


def write_image(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(pixels))


def write_dataset(
    root: Path,
    scenes: int = 3,
    methods: tuple[str, ...] = METHODS,
    task: str = "ivf",
    reference: bool = False,
    dataset: str = "toy",
    size: tuple[int, int] = (48, 57),
) -> Path:
    """Write images and a manifest under `root`; return the manifest."""
    for i in range(scenes):
        a, b = sources(i, *size)
        write_image(root / dataset / "ir" / f"s{i}.png", a)
        write_image(root / dataset / "vis" / f"s{i}.png", b)
        for method in methods:
            write_image(root / dataset / "out" / method / f"s{i}.png", fuse(method, a, b))
        if reference:
            write_image(root / dataset / "truth" / f"s{i}.png", fuse("mean", a, b))
    manifest = root / f"{dataset}.yaml"
    manifest.write_text(
        f"task: {task}\ndataset: {dataset}\nroot: {dataset}\n"
        "sources:\n  ir: ir/{scene}.*\n  vis: vis/{scene}.*\n"
        "candidates: out/{method}/{scene}.*\n"
        + ("reference: truth/{scene}.*\n" if reference else "")
    )
    return manifest


def make_lab(folder: Path, **options: object) -> Lab:
    """Ingest a toy data set into ``folder/lab``."""
    lab = Lab.create(folder / "lab")
    ingest(*load_manifest(write_dataset(folder / "images", **options)), lab)
    return lab


def write_labels(lab: Lab, method: str, name: str = "first") -> None:
    """Write a labels manifest in which `method` is the label of every scene that it has."""
    schema = labels_schema([])
    empty = {"string": "", "int8": 1, "int32": 1, "bool": False, "double": 0.0}
    common = {f.name: empty[str(f.type)] for f in schema.columns}
    common |= {"weight": 1.0, "chosen_by": "policy", "policy_digest": "p", "method": method}
    rows = []
    for key in lab.datasets():
        for scene, mine in lab.index(*key).groupby("scene"):
            a, b = mine[mine["role"] == "source"].sort_values("position")["digest"][:2]
            (label,) = mine[mine["name"] == method].to_dict("records")
            named = {"task": key[0], "dataset": key[1], "scene": scene, "region": label["region"]}
            digests = {"digest_a": a, "digest_b": b, "digest_candidate": label["digest"]}
            rows.append({**common, **named, **digests})
    with lab.writing():
        write_table(lab.labels_path(name), pd.DataFrame(rows), schema)


def rewrite_labels(lab: Lab, change: Callable[[pd.DataFrame], pd.DataFrame]) -> None:
    """Replace the labels manifest ``first``, without metrics, by what `change` makes of it."""
    write_table(lab.labels_path("first"), change(lab.labels("first")), labels_schema([]))


def tree_bytes(folder: Path) -> dict[str, bytes]:
    """Every file below `folder` but hidden ones, with its content."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file()
        and not any(part.startswith(".") for part in file.relative_to(folder).parts)
    }

"""Ingest end to end against a bare loop of `cv2.imread`, as a ratio within one run.

    python benchmarks/ingest.py [--data DIR] [--workers 2] [--repeats 3] [--store PLACE] [--json]

Prints, over the same files:

* the rate of `cv2.imread` in N threads, nothing kept: what any reader must spend;
* the rate of `fusionlab ingest` with N workers into a new lab, all of it: finding the files,
  reading, decoding, digests, checks, compressing, writing, index and rejects;
* the rate of reading the stored images again, and of `fusionlab verify`;
* what each step costs an image, in one thread.

With --data, the files below ``DIR/<task>/<dataset>/{sources,methods}``; else 640x480 images made
from photographs, PNG and JPEG. With --store, labs are made below that place, e.g. ``s3://bucket``.
Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import tempfile
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")

import cv2
import numpy as np
from skimage import data as photographs

from fusionlab.atomic import replace_bytes
from fusionlab.errors import ImageError
from fusionlab.images import decode, digest
from fusionlab.ingest import Manifest, ingest
from fusionlab.ingest.find import find
from fusionlab.ingest.tree import FileTree
from fusionlab.lab import Lab
from fusionlab.paths import remove_tree, to_place
from fusionlab.store import Address
from fusionlab.upkeep import verify
from fusionlab.zarrfiles import ArrayLayout


def generated(folder: Path, scenes: int, methods: int) -> Path:
    """Write a data set of 640x480 images, half of the methods as JPEG; return its root."""
    base = [cv2.resize(image(), (640, 480)) for image in (photographs.camera, photographs.coins)]
    rng = np.random.Generator(np.random.PCG64(0))
    for s in range(scenes):
        noise = rng.normal(0, 4, base[0].shape)
        for i, name in enumerate(
            ["sources/a", "sources/b", *(f"methods/m{m}" for m in range(methods))]
        ):
            w = i / (methods + 1)
            image = np.clip(w * base[0] + (1 - w) * base[1] + noise, 0, 255).astype(np.uint8)
            file = folder / "ivf/bench" / name / f"s{s:04d}.{'jpg' if i % 2 and i > 1 else 'png'}"
            file.parent.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(file), image)
    return folder


def manifests(root: Path) -> list[tuple[Manifest, Path]]:
    """Return a manifest for every data set below `root` that has two sources and a method."""
    found = []
    for folder in sorted(root.glob("*/*")):
        modalities = sorted(p.name for p in (folder / "sources").glob("*"))
        if len(modalities) < 2 or not (folder / "methods").is_dir():
            continue
        text = {
            "task": folder.parent.name,
            "dataset": folder.name,
            "root": ".",
            "sources": {m: f"sources/{m}/{{scene}}.*" for m in modalities},
            "candidates": "methods/{method}/{scene}.*",
        }
        found.append((Manifest.model_validate(text), folder))
    return found


def files_of(sets: list[tuple[Manifest, Path]]) -> list[Path]:
    """Return the files that ingest will read: those that belong to a scene."""
    return [
        folder / found.file
        for manifest, folder in sets
        for scene in find(manifest, FileTree(folder)).scenes
        for found in scene.files
    ]


def imread_seconds(files: list[Path], workers: int) -> tuple[float, float]:
    """Wall and processor seconds of the bare loop."""
    with ThreadPoolExecutor(workers) as pool:
        start, busy = time.perf_counter(), time.process_time()
        read = sum(
            pool.map(lambda f: cv2.imread(f, cv2.IMREAD_UNCHANGED) is not None, map(str, files))
        )
        spent = time.perf_counter() - start, time.process_time() - busy
    assert read > 0.9 * len(files)
    return spent


def ingest_seconds(sets, place, workers: int) -> tuple[float, float, float, float, int]:
    """Wall and processor seconds of ingest, seconds of reading back and verify, images stored."""
    lab = Lab.create(place)
    start, busy = time.perf_counter(), time.process_time()
    for manifest, folder in sets:
        ingest(manifest, folder, lab, workers=workers)
    stored, busy = time.perf_counter() - start, time.process_time() - busy
    rows = [r for key in lab.datasets() for r in lab.index(*key).to_dict("records")]
    with ThreadPoolExecutor(workers) as pool:
        start = time.perf_counter()
        list(pool.map(lambda row: lab.images.read(Address.of(row)).shape, rows))
        read = time.perf_counter() - start
    start = time.perf_counter()
    assert verify(lab, workers=workers).wrong == []
    checked = time.perf_counter() - start
    remove_tree(place)
    return stored, busy, read, checked, len(rows)


def step_costs(files: list[Path], folder: Path) -> dict[str, float]:
    """Milliseconds an image that each step costs in one thread, best of three."""
    data = [file.read_bytes() for file in files]
    images = [image for d in data if (image := _decoded(d)) is not None]
    layouts = [ArrayLayout(1, image.shape, str(image.dtype)) for image in images]
    chunks = [layout.encode(image) for layout, image in zip(layouts, images, strict=True)]
    places = [folder / str(i) for i in range(len(chunks))]
    steps = {
        "read": lambda: [file.read_bytes() for file in files],
        "imread": lambda: [cv2.imread(str(file), cv2.IMREAD_UNCHANGED) for file in files],
        "decode": lambda: [_decoded(d) is None for d in data],
        "digest_file": lambda: [hashlib.sha256(d).digest() for d in data],
        "digest_pixels": lambda: [digest(image) for image in images],
        "compress": lambda: [a.encode(b) is None for a, b in zip(layouts, images, strict=True)],
        "decompress": lambda: [a.decode(b) is None for a, b in zip(layouts, chunks, strict=True)],
        "write": lambda: [
            replace_bytes(place, chunk, folder) for place, chunk in zip(places, chunks, strict=True)
        ],
    }
    found = {}
    for name, step in steps.items():
        found[name] = round(min(_seconds(step) for _ in range(3)) / len(files) * 1000, 3)
    found["mean_file_bytes"] = round(np.mean([len(d) for d in data]))
    found["mean_pixel_bytes"] = round(np.mean([image.nbytes for image in images]))
    found["mean_chunk_bytes"] = round(np.mean([len(chunk) for chunk in chunks]))
    return found


def _decoded(data: bytes):
    try:
        return decode(data).pixels
    except ImageError:
        return None


def _seconds(action) -> float:
    start = time.perf_counter()
    action()
    return time.perf_counter() - start


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path)
    parser.add_argument("--scenes", type=int, default=20)
    parser.add_argument("--methods", type=int, default=20)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--store", help="make the labs below this place, e.g. s3://bucket")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    cv2.setNumThreads(1)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        root = options.data or generated(folder / "images", options.scenes, options.methods)
        sets = manifests(root)
        files = files_of(sets)
        imread_seconds(files, options.workers)
        bare, runs = [], []
        for _ in range(options.repeats):  # in turns, so that a busy moment harms both alike
            bare.append(imread_seconds(files, options.workers))
            place = to_place(f"{options.store or folder}/lab-{uuid.uuid4().hex}")
            runs.append(ingest_seconds(sets, place, options.workers))
        images = runs[0][4]
        (wall, busy), (stored, worked, read, checked, _) = (
            [min(column) for column in zip(*table, strict=True)] for table in (bare, runs)
        )
        found = {
            "files": len(files),
            "images": images,
            "workers": options.workers,
            "imread_per_s": round(len(files) / wall, 1),
            "ingest_per_s": round(len(files) / stored, 1),
            "ingest_over_imread": round(wall / stored, 3),
            "the_same_in_cpu_time": round(busy / worked, 3),
            "read_back_per_s": round(images / read, 1),
            "verify_per_s": round(images / checked, 1),
            "ms_an_image": step_costs(files[:400], folder),
        }
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in {**found, **found.pop("ms_an_image")}.items():
            print(f"{name:20} {value}")


if __name__ == "__main__":
    main()

"""Scoring end to end, as ratios within one run.

    python benchmarks/scoring.py [--scenes 6] [--candidates 25] [--size 640x480] [--json]

Prints, on a lab of PNG-born scenes at the given size:

* the kernels' own rate: `fusionlab.metrics.prepare` and `.measure` in one thread, pixels in memory;
* `fusionlab score` with 1 and 2 workers, reading, decoding and checking digests included;
* the same for tiles (`--tiles`), as a multiple of the time for whole images;
* the peak memory of scoring 100 and 1,000 small scenes, each in a process of its own.

Run it on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
from skimage import data

from fusionlab.images import encode_png
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.metrics import prepare
from fusionlab.scoring import score

HOT_FIVE = ("EN", "SD", "SSIM_cddfuse", "Qabf", "VIF")


def scene_images(seed: int, candidates: int, width: int, height: int) -> list[np.ndarray]:
    """Two sources cut from photographs, and that many blends of them."""
    rng = np.random.Generator(np.random.PCG64(seed))
    camera, coins = data.camera(), cv2.resize(data.coins(), (512, 512))
    flips = rng.integers(0, 2, 4)
    a = cv2.resize(np.flip(camera, flips[:1].nonzero()[0]), (width, height))
    b = cv2.resize(np.flip(coins, flips[1:2].nonzero()[0]), (width, height))
    weights = np.linspace(0.2, 0.8, candidates)
    noise = rng.normal(0, 4, (height, width))
    blends = [
        np.clip(np.rint(w * a + (1 - w) * b + noise), 0, 255).astype(np.uint8) for w in weights
    ]
    return [a, b, *blends]


def make_lab(folder: Path, scenes: int, candidates: int, width: int, height: int) -> Lab:
    """Write the images as PNG and ingest them."""
    root = folder / "images"
    names = ["ir", "vis", *(f"out/m{i:02d}" for i in range(candidates))]
    for name in names:
        (root / name).mkdir(parents=True)
    for s in range(scenes):
        for name, image in zip(names, scene_images(s, candidates, width, height), strict=True):
            (root / name / f"s{s:04d}.png").write_bytes(encode_png(image))
    manifest = folder / "bench.yaml"
    manifest.write_text(
        "task: ivf\ndataset: bench\nroot: images\n"
        "sources: {ir: 'ir/{scene}.*', vis: 'vis/{scene}.*'}\n"
        "candidates: out/{method}/{scene}.*\n"
    )
    lab = Lab.create(folder / "lab")
    ingest(*load_manifest(manifest), lab)
    shutil.rmtree(root)
    return lab


def kernel_rate(scenes: int, candidates: int, width: int, height: int) -> float:
    """Candidates a second that the metrics alone reach in one thread."""
    sets = [scene_images(s, candidates, width, height) for s in range(scenes)]
    prepare(sets[0][:2], HOT_FIVE).measure(sets[0][2])  # compile
    start = time.perf_counter()
    for images in sets:
        scene = prepare(images[:2], HOT_FIVE)
        for fused in images[2:]:
            scene.measure(fused)
    return scenes * candidates / (time.perf_counter() - start)


def scoring_rate(lab: Lab, workers: int, repeats: int, tiles: bool = False) -> float:
    """Candidates (decoys included) a second that scoring reaches, best of `repeats` runs."""
    best = 0.0
    for _ in range(repeats):
        shutil.rmtree(lab.path / ("tiles" if tiles else "scores"), ignore_errors=True)
        marks: list[tuple[float, int]] = []
        score(
            lab,
            HOT_FIVE,
            tiles=tiles,
            workers=workers,
            on_progress=lambda done, _total, m=marks: m.append((time.perf_counter(), done)),
        )
        (start, _), (end, done) = marks[0], marks[-1]
        best = max(best, done / (end - start))
    return best


_PEAK = """
import re, sys
from pathlib import Path
from fusionlab.lab import Lab
from fusionlab.scoring import score
score(Lab.open(sys.argv[1]), ["EN", "SD", "SSIM_cddfuse", "Qabf", "VIF"], workers=2)
# not getrusage: its peak counts what the parent held before exec
print(int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) / 1024)
"""


def peak_mebibytes(scenes: int) -> float:
    """Peak resident memory of a process that scores `scenes` small scenes of four candidates."""
    with tempfile.TemporaryDirectory() as folder:
        lab = make_lab(Path(folder), scenes, 4, 160, 120)
        command = [sys.executable, "-c", _PEAK, str(lab.path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.split()[-1])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=8)
    parser.add_argument("--candidates", type=int, default=25)
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    width, height = map(int, options.size.split("x"))
    kernels = max(
        kernel_rate(options.scenes, options.candidates, width, height)
        for _ in range(options.repeats)
    )
    with tempfile.TemporaryDirectory() as folder:
        lab = make_lab(Path(folder), options.scenes, options.candidates, width, height)
        one = scoring_rate(lab, 1, options.repeats)
        two = scoring_rate(lab, 2, options.repeats)
        tiles = scoring_rate(lab, 1, options.repeats, tiles=True)
    small, large = peak_mebibytes(100), peak_mebibytes(1000)
    found = {
        "kernels_per_s": round(kernels, 1),
        "score_1_worker_per_s": round(one, 1),
        "score_2_workers_per_s": round(two, 1),
        "score_over_kernels": round(one / kernels, 3),
        "two_over_one": round(two / one, 3),
        "tiles_time_over_images": round(one / tiles, 3),
        "peak_mib_100_scenes": round(small),
        "peak_mib_1000_scenes": round(large),
        "peak_ratio": round(large / small, 3),
    }
    if options.json:
        print(json.dumps(found))
    else:
        for name, value in found.items():
            print(f"{name:24} {value}")


if __name__ == "__main__":
    main()

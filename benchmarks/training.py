"""How fast patches are drawn, beside what the network consumes.

    python benchmarks/training.py [--lab LAB --labels NAME | --data EXPORT] [--seconds 3] [--json]

* `loader`: patches a second that the loader alone delivers, for batches of 16 patches of 64 x 64
  and of 32 of 128 x 128, made ahead by 1 and by 2 threads, or cropped on `--device` from pixels
  that are held there. Without a lab or an export: 64 scenes of noise, 480 x 640.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
import torch

from fusionlab.tasks import TASKS
from fusionlab.training.curated import Curated, Example
from fusionlab.training.feeding import Feed, Resident
from fusionlab.training.patches import Patches, PatchSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusionlab.flow.batch import Batch

SIZES = ((16, 64), (32, 128))
WORKERS = (1, 2)
REPEATS = 3


def loader(curated: Curated, seconds: float, device: str) -> Iterator[dict[str, object]]:
    """Yield patches a second of each way to get them."""
    for batch, patch in SIZES:
        patches = Patches(curated, PatchSettings(batch=batch, patch=patch))
        size = {"batch": batch, "patch": patch}
        for workers in WORKERS:
            with Feed(patches.batch, workers=workers) as feed:
                rate = batch * rate_of(feed, seconds)
            yield {**size, "way": f"threads: {workers}", "patches_a_second": round(rate)}
        rate = batch * rate_of(Resident(patches, device), seconds)
        yield {**size, "way": f"held on {device}", "patches_a_second": round(rate)}


def rate_of(feed: Callable[[int], Batch], seconds: float) -> float:
    """Return the batches a second of the fastest of a few repeats."""
    best, step = 0.0, 0
    for _ in range(REPEATS):
        start, first = time.perf_counter(), step
        while (spent := time.perf_counter() - start) < seconds / REPEATS:
            last = feed(step)
            step += 1
        if last.label.is_cuda:
            torch.cuda.synchronize()
            spent = time.perf_counter() - start
        best = max(best, (step - first) / spent)
    return best


def data_of(arguments: argparse.Namespace) -> Curated:
    """Return the labels of a lab or an export, or noise."""
    if arguments.data:
        from fusionlab.training.shards import read_shards

        return read_shards(arguments.data)
    if arguments.lab:
        from fusionlab.lab import Lab
        from fusionlab.training.reading import read_curated

        return read_curated(Lab.open(arguments.lab), arguments.labels)
    rng = np.random.default_rng(0)
    names = [f"{task}/noise/{i:02d}" for task in TASKS for i in range(16)]
    return Curated([noise(name, rng) for name in names], "noise", "")


def noise(place: str, rng: np.random.Generator) -> Example:
    planes = rng.integers(0, 65536, (3, 480, 640), dtype=np.uint16)
    return Example(place, place.partition("/")[0], planes, 1.0, "noise", ("", "", ""))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lab")
    parser.add_argument("--labels", default="first")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    curated = data_of(arguments)
    rows = list(loader(curated, arguments.seconds, arguments.device))
    if arguments.json:
        print(
            json.dumps({"scenes": len(curated), "bytes": curated.bytes, "loader": rows}, indent=2)
        )
        return
    print(f"{len(curated)} scenes, {curated.bytes / 1e6:.0f} MB")
    for row in rows:
        print("{batch:4} x {patch:3}  {way:14} {patches_a_second:8} patches/s".format(**row))


if __name__ == "__main__":
    main()

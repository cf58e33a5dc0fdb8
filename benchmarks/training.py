"""How fast patches are drawn, beside what the network consumes.

    python benchmarks/training.py [--lab LAB --labels NAME | --data EXPORT] [--seconds 3] [--json]

* `loader`: patches a second that the loader alone delivers, for batches of 16 patches of 64 x 64
  and of 32 of 128 x 128, made ahead by 1 and by 2 threads, or cropped on `--device` from pixels
  that are held there. Without a lab or an export: 64 scenes of noise, 480 x 640.
* `network`: patches a second that training consumes, of one batch again and again, and with the
  loader; how many times faster the loader alone is; and the share of the time that the device waits
  for the loader: 1 - with / without.
* `fusing`: milliseconds an image of 640 x 480 in 1, 2 and 4 steps.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from itertools import product
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch

from fusionlab.devices import choose_device
from fusionlab.flow.model import FusionModel, ModelSettings
from fusionlab.tasks import TASKS
from fusionlab.training.curated import Curated, Example
from fusionlab.training.distributed import Workers
from fusionlab.training.feeding import Feed, Resident
from fusionlab.training.loop import Trainer
from fusionlab.training.patches import Patches, PatchSettings
from fusionlab.training.run import feed_of, new_model
from fusionlab.training.settings import NETWORKS, TrainSettings

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


def network(curated: Curated, seconds: float, device: str) -> Iterator[dict[str, object]]:
    """Yield patches a second that training consumes, without and with the loader."""
    workers = Workers(choose_device(device))
    sizes = SIZES if workers.device.type == "cuda" else SIZES[:1]  # the second takes a CPU minutes
    for (batch, patch), (name, settings) in product(sizes, NETWORKS.items()):
        train = TrainSettings(
            model=ModelSettings(network=settings),
            patches=PatchSettings(batch=batch, patch=patch),
            steps=10**9,
            checks={"log": 10**9, "every": 10**9},
        )
        trainer = Trainer(new_model(curated, train), train, workers)
        one = Patches(curated, train.patches).batch(0).to(workers.device)
        alone = batch * steps_a_second(trainer, lambda _step, one=one: one, seconds)
        with feed_of(curated, train, workers) as feed:
            fed = batch * steps_a_second(trainer, feed, seconds)
            loads = batch * rate_of(feed, seconds)
        yield {
            "network": name,
            "batch": batch,
            "patch": patch,
            "alone": round(alone),
            "with_loader": round(fed),
            "loader_is_faster": round(loads / alone, 1),
            "waits": round(max(0.0, 1 - fed / alone), 3),
        }


def steps_a_second(trainer: Trainer, feed: Callable[[int], Batch], seconds: float) -> float:
    """Return the fastest of a few repeats; the first steps are not counted."""

    def steps(count: int) -> float:
        start = time.perf_counter()
        trainer.train(feed, lambda _: None, until=trainer.step + count)
        if trainer.workers.device.type == "cuda":
            torch.cuda.synchronize()
        return time.perf_counter() - start

    steps(3)
    count = max(2, int(seconds / REPEATS / (steps(2) / 2)))
    return count / min(steps(count) for _ in range(REPEATS))


def fusing(device: str) -> Iterator[dict[str, object]]:
    """Yield milliseconds an image of 640 x 480."""
    chosen = choose_device(device)
    for name, settings in NETWORKS.items():
        model = FusionModel(ModelSettings(network=settings)).to(chosen).eval()
        a, b = torch.rand(2, 1, 1, 480, 640, device=chosen).unbind(0)
        task = torch.ones(1, dtype=torch.long, device=chosen)
        for steps in (1, 2, 4):
            times = []
            with torch.inference_mode():
                for _ in range(REPEATS + 1):
                    start = time.perf_counter()
                    model.fuse(a, b, task, steps=steps).cpu()
                    times.append(time.perf_counter() - start)
            yield {"network": name, "steps": steps, "milliseconds": round(1e3 * min(times), 1)}


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
    found = {
        "loader": list(loader(curated, arguments.seconds, arguments.device)),
        "network": list(network(curated, arguments.seconds, arguments.device)),
        "fusing": list(fusing(arguments.device)),
    }
    if arguments.json:
        print(json.dumps({"scenes": len(curated), "bytes": curated.bytes, **found}, indent=2))
        return
    print(f"{len(curated)} scenes, {curated.bytes / 1e6:.0f} MB")
    for title, rows in found.items():
        print(f"\n{title}\n{pd.DataFrame(rows).to_string(index=False)}")


if __name__ == "__main__":
    main()

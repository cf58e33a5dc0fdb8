"""The learned way of the refiner beside the training-free one, on planted damage.

    python benchmarks/probes.py --lab LAB --labels TEST --name NAME [--task mff,ivf] [--scenes 12]
    python benchmarks/probes.py --lab LAB --pairs FOLDER --name NAME        multi-focus, with truth

The probes NAME of LAB were trained before on other scenes (fusionlab probes). Sound labels are
those of the labels manifest TEST, or, of the pairs in FOLDER/{A,B,reference}, what the baseline focus_map
makes of them. Every kind of damage is planted in each, in a grade drawn by chance. Truth is the
reference of a pair, else the label before it was damaged. Printed, by task and kind: PSNR (dB) to
the truth of the damaged label and of each repair, the worst change of each on any label, and the
IoU of the map of the planted kind, and of all maps together, above a half with the planted place.
"""

from __future__ import annotations

import argparse
import time
import zlib
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch

from fusionlab import baselines
from fusionlab.colour import luminance
from fusionlab.lab import Lab
from fusionlab.refine import KINDS, repair
from fusionlab.refine.damage import Damage
from fusionlab.refine.examples import draw_labels, read_examples
from fusionlab.refine.keeping import load_probes
from fusionlab.refine.learned import WAYS, enhance_parts, repair_by
from fusionlab.refine.parts import take_apart
from fusionlab.refine.planting import Planted, plant
from fusionlab.validation.simulate import pairs_with_truth

GRADES = 3
NONE = "none"


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Return the PSNR in dB, 60 at most: equal images must not outweigh all others."""
    return float(10 * np.log10(255.0**2 / max(np.mean((image - truth) ** 2), 0.065)))


def iou(found: np.ndarray, planted: np.ndarray) -> float:
    """Return the IoU of a map above a half with the planted place."""
    flagged = found > 0.5
    return float((flagged & planted).sum() / max((flagged | planted).sum(), 1))


def labels_of(lab: Lab, name: str, task: str, count: int) -> list[tuple]:
    """Return (place, label, sources, truth) of labels that are taken for sound."""
    rows = draw_labels(lab.labels(name), task, 0)[:count]
    planes = [(e.place, (255 * e.planes).astype(np.float64)) for e in read_examples(lab, rows)]
    return [(place, p[0], [p[1], p[2]], p[0]) for place, p in planes]


def labels_of_pairs(folder: Path, count: int) -> list[tuple]:
    """Return the same for multi-focus pairs whose truth is known."""
    found = []
    for scene in list(pairs_with_truth(folder))[:count]:
        sources = list(scene.sources.values())
        label = luminance(baselines.apply("focus_map", "mff", sources))
        planes = [luminance(source) for source in sources]
        found.append((scene.name, label, planes, luminance(scene.reference)))
    return found


def measured(task: str, kind: str, case: tuple, net: torch.nn.Module, limits: dict) -> dict:
    """Return the figures of one label with one kind of damage."""
    place, label, sources, truth = case
    rng = np.random.default_rng(zlib.crc32(f"{place} {kind}".encode()))
    grade = int(rng.integers(GRADES))
    sound = Planted(label, np.zeros(label.shape, bool), NONE, 0)
    planted = sound if kind == NONE else plant(label, kind, grade, rng)
    start = time.perf_counter()
    free = repair(planted.plane, sources, task)
    seconds = [time.perf_counter() - start]
    learned = repair_by(net, limits, planted.plane, sources, task)
    seconds.append(time.perf_counter() - start - seconds[0])
    parts = take_apart(
        net, planted.plane.astype(np.float32), [s.astype(np.float32) for s in sources]
    )
    told = planted.mask.astype(np.float64)
    known = Damage({k: told * (k == kind) for k in KINDS})
    repairs = {"free": free.plane}
    repairs |= {way: enhance_parts(planted.plane, parts, learned.damage, way) for way in WAYS}
    repairs["fine, place told"] = enhance_parts(planted.plane, parts, known, "fine")
    before = psnr(planted.plane, truth)
    row = {"damaged": before, **{way: psnr(made, truth) - before for way, made in repairs.items()}}
    for name, damage in (("free", free.damage), ("probes", learned.damage)):
        if kind != NONE:
            row[f"IoU {name}"] = iou(damage.maps[kind], planted.mask)
        row[f"IoU {name}, any"] = iou(damage.anywhere, planted.mask)
        row[f"flagged {name}"] = float((damage.anywhere > 0.5).mean())
    return row | {"s free": seconds[0], "s probes": seconds[1], "Mpx": label.size / 1e6}


def show(task: str, rows: dict[str, list[dict]]) -> None:
    """Print the means over labels, and the worst change of every repair."""
    for kind, found in rows.items():
        print(f"\n{task}, {kind}, {len(found)} labels")
        for key in found[0]:
            values = np.array([row[key] for row in found])
            worst = (
                f"  worst {values.min():+.2f}" if key in ("free", "fine, place told", *WAYS) else ""
            )
            print(f"  {key:18} {values.mean():8.3f}{worst}")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lab", type=Path, required=True)
    parser.add_argument("--labels")
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--name", default="probes")
    parser.add_argument("--task", default="ivf,mif,mef,mff")
    parser.add_argument("--scenes", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lab = Lab.open(options.lab)
    for task in ["mff"] if options.pairs else options.task.split(","):
        net, origin = load_probes(lab, options.name, task)
        if options.pairs:
            cases = labels_of_pairs(options.pairs, options.scenes)
        else:
            cases = labels_of(lab, options.labels, task, options.scenes)
        rows = defaultdict(list)
        for kind in (NONE, *KINDS):
            rows[kind] = [measured(task, kind, case, net, origin.limits) for case in cases]
        show(task, rows)


if __name__ == "__main__":
    main()

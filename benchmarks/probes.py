"""The learned way of the refiner beside the training-free one, on planted damage.

    python benchmarks/probes.py --lab LAB --name NAME --pairs FOLDER        multi-focus, with truth
    python benchmarks/probes.py --lab LAB --name NAME --labels TEST [--task ivf,mif] [--scenes 12]

The probes NAME of LAB were trained before on other scenes (fusionlab probes). Sound labels are what
the baseline focus_map makes of the pairs in FOLDER/{A,B,reference}, or those of the labels manifest
TEST, whose truth is then the label before it was damaged. Every kind of damage is planted in each,
in a grade drawn by chance. The columns are those of `benchmarks/refiner.py`. Ways: `free` (without
probes), `everywhere` (a, as FusionBooster does), `masked` (b), `by_kind` (what probes do by
default), the first and the last with the gate as well, and `by_kind, told`: the same with the
planted place given.
"""

from __future__ import annotations

import argparse
import os
import time
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd
import torch
from refiner import Case, Way, gated, outcome, table, ungated

from fusionlab import baselines
from fusionlab.colour import Plane, luminance
from fusionlab.lab import Lab
from fusionlab.refine import KINDS, Damage
from fusionlab.refine.examples import draw_labels, read_examples
from fusionlab.refine.keeping import load_probes
from fusionlab.refine.learned import ENHANCEMENTS, enhance_parts, repair_by
from fusionlab.refine.parts import Parts, take_apart
from fusionlab.refine.planting import plant_each
from fusionlab.validation.simulate import pairs_with_truth

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Label = tuple[str, Plane, list[Plane], Plane]


def labels_of(lab: Lab, name: str, task: str, count: int) -> Iterator[Label]:
    """Yield scene, label, sources and truth of labels that are taken for sound."""
    rows = draw_labels(lab.labels(name), task, 0)[:count]
    for example in read_examples(lab, rows):
        label, *sources = np.rint(255 * example.planes).astype(np.float64)
        yield example.place, label, sources, label


def labels_of_pairs(folder: Path, count: int) -> Iterator[Label]:
    """Yield the same of multi-focus pairs whose truth is known."""
    for scene in list(pairs_with_truth(folder))[:count]:
        images = list(scene.sources.values())
        label = np.rint(luminance(baselines.apply("focus_map", "mff", images)))
        yield scene.name, label, [luminance(x) for x in images], luminance(scene.reference)


def cases(task: str, labels: Iterator[Label]) -> Iterator[Case]:
    """Yield every label undamaged, and damaged in each way."""
    for scene, label, sources, truth in labels:
        known = (sources, truth)
        yield Case("", task, scene, "", "none", label, None, *known)
        for planted in plant_each(label, np.random.default_rng(zlib.crc32(scene.encode()))):
            yield Case("", task, scene, "", planted.kind, planted.plane, planted.mask, *known)


class Learned:
    """The ways by one set of probes, which see each label once."""

    def __init__(self, lab: Lab, name: str, task: str) -> None:
        self.net, origin = load_probes(lab, name, task)
        self.limits = origin.limits
        self.parts: Parts | None = None
        self.damage = Damage({})

    def look(self, case: Case) -> None:
        """Take the label of a case apart, and identify its damage."""
        planes = [p.astype(np.float32) for p in (case.plane, *case.sources)]
        self.parts = take_apart(self.net, planes[0], planes[1:])
        self.damage = repair_by(self.net, self.limits, case.plane, case.sources, case.task).damage

    def way(self, name: str, told: Damage | None = None) -> Way:
        """Return one way to enhance what was looked at."""

        def way(plane: Plane, _sources: Sequence[Plane], task: str) -> tuple[Plane, Damage]:
            made = enhance_parts(plane, self.parts, told or self.damage, task, name)
            return np.rint(made), self.damage

        return way


def told(case: Case) -> Damage:
    """Return the damage that was planted."""
    nowhere = np.zeros(case.plane.shape)
    mask = nowhere if case.mask is None else case.mask.astype(np.float64)
    return Damage({kind: mask if kind == case.kind else nowhere for kind in KINDS})


def compare(lab: Lab, name: str, task: str, labels: Iterator[Label]) -> pd.DataFrame:
    """Return the outcomes of all ways."""
    learned, rows = Learned(lab, name, task), []
    for case in cases(task, labels):
        learned.look(case)
        ways = {"free": ungated(), "free, gated": gated(ungated())}
        ways |= {way: learned.way(way) for way in ENHANCEMENTS}
        ways["by_kind, gated"] = gated(learned.way("by_kind"))
        ways["by_kind, told"] = learned.way("by_kind", told(case))
        rows += [{"way": way, **outcome(case, run)} for way, run in ways.items()]
    return pd.DataFrame(rows)


def speed(lab: Lab, name: str, task: str) -> None:
    """Print the seconds of a label of 640 x 480 on one core, the least of three."""
    net, origin = load_probes(lab, name, task)
    rng = np.random.default_rng(0)
    plane, *sources = rng.uniform(0, 255, (3, 480, 640))
    ways = {
        "probes": lambda: repair_by(net, origin.limits, plane, sources, task),
        "free": lambda: ungated()(plane, sources, task),
    }
    for way, run in ways.items():
        times = []
        for _ in range(3):
            start = time.process_time()
            run()
            times.append(time.process_time() - start)
        print(f"{task}: {way} {min(times):.2f} s a label of 640 x 480")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--lab", type=Path, required=True)
    parser.add_argument("--name", default="probes")
    parser.add_argument("--pairs", type=Path)
    parser.add_argument("--labels")
    parser.add_argument("--task", default="ivf,mif,mef,mff")
    parser.add_argument("--scenes", type=int, default=12)
    options = parser.parse_args()
    torch.set_num_threads(1)
    lab = Lab.open(options.lab)
    for task in ["mff"] if options.pairs else options.task.split(","):
        if options.pairs:
            labels = labels_of_pairs(options.pairs, options.scenes)
        else:
            labels = labels_of(lab, options.labels, task, options.scenes)
        found = table(compare(lab, options.name, task, labels), ["kind", "way"])
        print(f"\n## {task}\n\n{found.to_string(index=False)}", flush=True)
        speed(lab, options.name, task)


if __name__ == "__main__":
    main()

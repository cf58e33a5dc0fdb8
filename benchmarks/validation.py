"""Policies against every truth there is: the tables that the documentation quotes.

    python benchmarks/validation.py [--data ../shared/data] [--train ../shared/train]
        [--lab LAB] [--voc 41] [--policy NAME ...] [--against fusionfm] [--json]

Ingests the data sets of ``benchmarks/manifests/`` below DATA, and simulated multi-focus scenes
made of the pairs with a truth in ``TRAIN/mff/{gray_synth,mf_voc}``; scores what the policies ask
for; and validates them. With --lab the lab is kept, and a second run measures only what is new.
"""

from __future__ import annotations

import argparse
import json
import shutil
import tempfile
from itertools import islice
from pathlib import Path

from fusionlab import terminal
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import load_policy, shipped_policies
from fusionlab.tasks import TASKS
from fusionlab.validation import validate
from fusionlab.validation.simulate import pairs_with_truth, write_simulation

MANIFESTS = Path(__file__).parent / "manifests"
PAIRS = {"sim_gray": "gray_synth", "sim_voc": "mf_voc"}


def real_data(lab: Lab, data: Path) -> None:
    """Ingest every data set of ``benchmarks/manifests/`` that lies below `data`."""
    for path in sorted(MANIFESTS.glob("*.yaml")):
        folders = [data / task / path.stem for task in TASKS]
        root = next((folder for folder in folders if folder.is_dir()), None)
        if root is not None:
            ingest(*load_manifest(path, root), lab)


def simulated(lab: Lab, train: Path, voc: int) -> None:
    """Ingest the simulated scenes: all of gray_synth, and `voc` of mf_voc, evenly spread."""
    folder = Path(tempfile.mkdtemp(prefix="fusionlab-simulated-"))
    try:
        for dataset, name in PAIRS.items():
            pairs = train / "mff" / name
            count = sum(1 for _ in (pairs / "A").iterdir())
            step = 1 if name == "gray_synth" else max(1, count // voc)
            scenes = islice(pairs_with_truth(pairs), 0, None, step)
            ingest(*load_manifest(write_simulation(scenes, folder, dataset)), lab)
    finally:
        shutil.rmtree(folder)


def main() -> None:
    """Build, score, validate, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=Path("../shared/data"))
    parser.add_argument("--train", type=Path, default=Path("../shared/train"))
    parser.add_argument("--lab", type=Path, help="keep the lab here")
    parser.add_argument("--voc", type=int, default=41, help="simulated scenes from mf_voc")
    parser.add_argument("--policy", action="append", help="else all shipped")
    parser.add_argument("--against", default="fusionfm")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    policies = [load_policy(name) for name in options.policy or shipped_policies()]
    against = load_policy(options.against)
    with tempfile.TemporaryDirectory() as temporary:
        lab = Lab.create(options.lab or Path(temporary) / "lab")
        real_data(lab, options.data)
        simulated(lab, options.train, options.voc)
        wanted = [m for p in (*policies, against) for t in p.weights for m in p.task_metrics(t)]
        with terminal.progress("score") as advance:
            score(lab, list(dict.fromkeys([*wanted, "PSNR_ref"])), on_progress=advance)
        with terminal.progress("trials") as advance:
            found = validate(lab, policies, against, on_progress=advance)
    if options.json:
        print(json.dumps(terminal.plain(found.as_dict())))
        return
    for title, frame in found.tables(against.name):
        terminal.print_frame(title, frame)


if __name__ == "__main__":
    main()

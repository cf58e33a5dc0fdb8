"""Selecting over many scores: no pixel is read, so another policy takes moments.

    python benchmarks/selection.py [--scenes 800] [--methods 25] [--json]

Makes a lab of made-up scores and times `fusionlab.selection.select` (reading the tables and writing
the labels included), best of five.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from fusionlab.decoys import DECOYS
from fusionlab.images import join_digests
from fusionlab.lab import Lab
from fusionlab.schemas import INDEX
from fusionlab.selection import load_policy, select

METRICS = ("EN", "SD", "SSIM", "Qabf", "VIF")


def make_lab(folder: Path, scenes: int, methods: int) -> tuple[Lab, int]:
    """Write index and scores of made-up images; return the lab and the number of score rows."""
    rng = np.random.Generator(np.random.PCG64(0))
    lab = Lab.create(folder / "lab")
    images, scores = [], []
    for s in range(scenes):
        scene = {"task": "ivf", "dataset": "bench", "scene": f"s{s:06d}"}
        facts = {
            **scene, "height": 480, "width": 640, "channels": 1, "dtype": "uint8",
            "bucket": "480x640x1-uint8", "row": s, "file": "", "file_digest": "",
            "file_format": "PNG", "file_mode": "L", "notes": "", **INDEX.added,
        }  # fmt: skip
        digests = [f"{s:063x}a", f"{s:063x}b"]
        for position, name in enumerate(("ir", "vis")):
            place = {"role": "source", "name": name, "position": position}
            images.append({**facts, **place, "digest": digests[position]})
        candidates = {f"m{m:03d}": f"{s:032x}{m:032x}" for m in range(methods)}
        for name, digest in candidates.items():
            place = {"role": "method", "name": name, "position": -1}
            images.append({**facts, **place, "digest": digest})
        joined = join_digests(digests)
        for method, digest in {**candidates, **{name: name for name in DECOYS}}.items():
            for metric in METRICS:
                stamp = {"metric_version": 1, "sources_digest": joined, "candidate_digest": digest}
                scores.append({**scene, "method": method, "metric": metric, "value": 0.0, **stamp})
    table = pd.DataFrame(scores)
    table["value"] = rng.random(len(table))
    lab.write_index("ivf", "bench", pd.DataFrame(images))
    lab.write_scores("ivf", "bench", table)
    return lab, len(table)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scenes", type=int, default=800)
    parser.add_argument("--methods", type=int, default=25)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        lab, rows = make_lab(Path(folder), options.scenes, options.methods)
        times = []
        for _ in range(5):
            start = time.perf_counter()
            select(lab, load_policy("fusionfm"), "bench")
            times.append(time.perf_counter() - start)
    found = {"score_rows": rows, "select_s": round(min(times), 3)}
    print(json.dumps(found) if options.json else f"{rows:,} score rows: {min(times):.3f} s")


if __name__ == "__main__":
    main()

"""Where our methods stand among the real ones of public benchmarks, and how long they take.

    python benchmarks/baselines.py --data DATA [--lab LAB] [--rows OUT.parquet] [--workers 2]

DATA holds data sets as ``<task>/<dataset>`` of ``benchmarks/manifests/``; they are brought in as
users do, unless LAB holds them already. Each of our methods is put among the real candidates of a
scene, alone, and all are ranked by each metric and by the total of a policy; who fails a guard
comes last. The tables give its position by the mean rank over the scenes: 1 is best, N + 1 worst,
N the methods that have an output for half of the scenes at least.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd

from fusionlab import baselines
from fusionlab.configs import load_yaml
from fusionlab.images import luminance
from fusionlab.ingest import ingest
from fusionlab.ingest.manifest import Manifest
from fusionlab.lab import Lab
from fusionlab.metrics import get, prepare
from fusionlab.regions import Region, crop
from fusionlab.scoring.plan import plan_scenes
from fusionlab.selection import load_policy
from fusionlab.selection.guards import failed
from fusionlab.selection.ranking import rank_candidates

if TYPE_CHECKING:
    from fusionlab.scoring.plan import ScenePlan
    from fusionlab.selection import Policy

MANIFESTS = Path(__file__).parent / "manifests"
SETS = "vifb", "lytro", "harvard_ct_mri", "harvard_pet_mri", "harvard_spect_mri", "mefdb"
METRICS = ["Qabf", "VIF", "SSIM_cddfuse", "FMI_gradient", "MS_SSIM"]
KEY = ["task", "dataset", "scene", "method"]
OURS = "ours:"


def brought_in(data: Path, folder: Path) -> Lab:
    """Return a new lab with the data sets."""
    lab = Lab.create(folder / "lab")
    for dataset in SETS:
        manifest = load_yaml(MANIFESTS / f"{dataset}.yaml", Manifest)
        ingest(manifest, data / manifest.task / dataset, lab)
    return lab


def measured(plan: ScenePlan, place: str, policy: Policy) -> list[dict]:
    """Return a row of metrics for every real candidate of a scene and for each of our methods."""
    cv2.setNumThreads(1)
    lab, names = Lab.open(place), list(dict.fromkeys([*METRICS, *policy.task_metrics(plan.task)]))
    pixels = [lab.images.read(block.address) for block in plan.sources]
    planes = [luminance(image) for image in pixels]
    states = {"": prepare(planes, names)}
    rows = []

    def add(method, image, region=""):
        if region not in states:
            part = [crop(plane, Region.parse(region)) for plane in planes]
            states[region] = prepare(part, names)
        key = dict(zip(KEY, (plan.task, plan.dataset, plan.scene, method), strict=True))
        rows.append(key | states[region].measure(luminance(image)))

    for method, block in plan.candidates:
        if block is not None:
            add(method, lab.images.read(block.address), block.region)
    for method in baselines.names(plan.task):
        add(OURS + method, baselines.apply(method, plan.task, pixels))
    return rows


def places(pool: pd.DataFrame, policy: Policy, task: str) -> pd.DataFrame:
    """Return the rank of every candidate in its scene, 1 is best, by each metric and the total."""
    scene = pool.index.get_level_values("scene")
    found = pd.DataFrame(
        {m: pool[m].groupby(scene).rank(ascending=get(m).direction == "lower") for m in METRICS}
    )
    found["five"] = found[METRICS].mean(axis=1)
    allowed = pool[failed(pool, policy, task) == ""]
    ranked = rank_candidates(allowed, policy, task).set_index(["scene", "method"])["place"]
    last = pool["Qabf"].groupby(scene).transform("size")
    found["total"] = ranked.reindex(pool.index).fillna(last)
    return found


def positions(rows: pd.DataFrame, policy: Policy, task: str) -> pd.DataFrame:
    """Return the position of each of our methods among the real ones of one data set."""
    wide = rows.set_index(["scene", "method"])
    names = wide.index.get_level_values("method")
    ours = names.str.startswith(OURS)
    counts = names[~ours].value_counts()
    often = counts.index[counts >= wide.index.get_level_values("scene").nunique() / 2]
    lines = {}
    for method in dict.fromkeys(names[ours]):
        pool = wide[(names == method) | names.isin(often)]
        mean = places(pool, policy, task).groupby(level="method").mean()
        line = mean.rank(method="min").loc[method].astype(int)
        value = wide["Qabf"][names == method].mean()
        lines[f"`{method.removeprefix(OURS)}`"] = {"of": len(often) + 1, "mean Qabf": value, **line}
    return pd.DataFrame(lines).T


def summary(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """Return the positions by Qabf, by the five metrics together and by the total, set by set."""
    columns = {}
    for title, table in tables.items():
        words = table[["Qabf", "five", "total"]].astype(int).astype(str).agg(", ".join, axis=1)
        columns[f"{title.split('/')[1]} ({table['of'].iloc[0]:.0f})"] = words
    order = [f"`{name}`" for name in baselines.names()]
    return pd.DataFrame(columns).reindex(order).fillna("")


def speed() -> pd.DataFrame:
    """Return milliseconds of one core for a gray and a colour pair of 640 x 480, best of nine."""
    cv2.setNumThreads(1)
    rng = np.random.default_rng(0)
    pair = [
        cv2.GaussianBlur(x, (0, 0), 2) for x in rng.integers(0, 256, (2, 480, 640, 3), np.uint8)
    ]
    times = {}
    for name in baselines.names():
        task = baselines.get(name).tasks[0]
        for kind, sources in (("gray", [x[:, :, 0].copy() for x in pair]), ("colour", pair)):
            laps = []
            for _ in range(9):
                start = time.process_time()
                baselines.apply(name, task, sources)
                laps.append(time.process_time() - start)
            times.setdefault(f"`{name}`", {})[f"{kind}, ms"] = round(1000 * min(laps))
    return pd.DataFrame(times).T


def markdown(frame: pd.DataFrame) -> str:
    """Return a frame as a table of Markdown."""
    lines = [["method", *frame.columns], ["---"] * (len(frame.columns) + 1)]
    for name, row in frame.iterrows():
        lines.append([name, *map(_cell, row)])
    return "\n".join(f"| {' | '.join(map(str, line))} |" for line in lines)


def _cell(value: str | float) -> str:
    if isinstance(value, str):
        return value
    return f"{value:.3f}" if value % 1 else f"{value:.0f}"


def all_rows(options: argparse.Namespace, policy: Policy) -> pd.DataFrame:
    """Return the metrics of every image: those of an earlier run, if they were kept."""
    if options.rows and options.rows.is_file():
        return pd.read_parquet(options.rows)
    with tempfile.TemporaryDirectory() as folder, Pool(options.workers) as pool:
        lab = Lab.open(options.lab) if options.lab else brought_in(options.data, Path(folder))
        plans = [
            plan
            for task, dataset in lab.datasets()
            if dataset in SETS
            for plan in plan_scenes(lab.index(task, dataset))
        ]
        job = partial(measured, place=str(lab.path), policy=policy)
        rows = pd.DataFrame([row for found in pool.imap(job, plans) for row in found])
    if options.rows:
        rows.to_parquet(options.rows)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, help="folder of the data sets")
    parser.add_argument("--lab", help="a lab that holds them already")
    parser.add_argument("--policy", default="robust", help="whose total; a name or a YAML file")
    parser.add_argument("--rows", type=Path, help="where measured values are kept")
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    if not (options.data or options.lab):
        parser.error("say where the data are: --data or --lab")
    policy = load_policy(options.policy)
    start = time.monotonic()
    rows = all_rows(options, policy)
    sets = {
        f"{task}/{dataset}": positions(part, policy, task).sort_values("five")
        for (task, dataset), part in rows.groupby(["task", "dataset"], sort=False)
    }
    for title, table in {"speed": speed(), "positions": summary(sets), **sets}.items():
        print(table.to_json() if options.json else f"\n{title}\n\n{markdown(table)}")
    print(json.dumps({"seconds": round(time.monotonic() - start)}))


if __name__ == "__main__":
    main()

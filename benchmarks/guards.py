"""What the guards turn away: defects, decoys, real outputs, the truth, and what people like best.

    python benchmarks/guards.py --data DATA [--train TRAIN] [--policy robust] [--rows OUT.parquet]

DATA holds data sets as ``<task>/<dataset>`` of ``benchmarks/manifests/``. Their real outputs are
judged as they are; in each scene the two that lie nearest to the sources' edges (GERR), one from
the middle and, where there is one, the truth are spoiled in every way of
`fusionlab.decoys.SPOILS`. TRAIN holds sources alone, ``<task>/<dataset>/<modality>``: there the
demo's methods make the candidates. The limits are those of the policy. Truths are those of
synthetic blur; the references of other data sets are sources of another kind, or other methods'
work.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import dataclass
from functools import partial
from multiprocessing import Pool
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd
from numpy.typing import NDArray

from fusionlab import baselines
from fusionlab.configs import load_yaml
from fusionlab.decoys import DECOYS, SPOILS, spoil
from fusionlab.demo.scenes import methods_of
from fusionlab.images import decode, luminance
from fusionlab.ingest import ingest
from fusionlab.ingest.manifest import Manifest
from fusionlab.lab import Lab
from fusionlab.metrics import prepare
from fusionlab.regions import Region, crop
from fusionlab.scoring.plan import plan_scenes
from fusionlab.selection import load_policy
from fusionlab.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionlab.selection import Policy

HERE = Path(__file__).parent
Image = NDArray[np.uint8] | NDArray[np.float64]
KEY = ["task", "dataset", "scene", "kind", "name", "of"]
PLAIN = {"mean", "max"}
EXACT = {"gray_synth"}
TRAIN_EACH = 4
READABLE = {".bmp", ".jpg", ".png", ".tif", ".tiff"}
OPINIONS = ("mef", "mefdb")


@dataclass
class Scene:
    """Luminances of one scene; each candidate with the sources it is to be measured against."""

    task: str
    dataset: str
    name: str
    kind: str
    sources: list[Image]
    candidates: dict[str, tuple[list[Image], Image]]
    truth: Image | None


def real_scenes(data: Path, folder: Path) -> Iterator[Scene]:
    """Yield every scene of ``benchmarks/manifests/``, brought in as users do."""
    lab = Lab.create(folder / "lab")
    for path in sorted((HERE / "manifests").glob("*.yaml")):
        manifest = load_yaml(path, Manifest)
        ingest(manifest, data / manifest.task / manifest.dataset, lab)

    def read(block):
        return luminance(lab.images.read(block.address))

    for task, dataset in lab.datasets():
        for plan in plan_scenes(lab.index(task, dataset)):
            sources = [read(block) for block in plan.sources]
            candidates = {}
            for name, block in plan.candidates:
                if block is not None:
                    region = Region.parse(block.region) if block.region else None
                    part = sources if region is None else [crop(s, region) for s in sources]
                    candidates[name] = part, read(block)
            exact = plan.reference if dataset in EXACT else None
            truth = read(exact) if exact else None
            yield Scene(task, dataset, plan.scene, "real", sources, candidates, truth)


def simulated_scenes(train: Path, each: int) -> Iterator[Scene]:
    """Yield a few pairs of every data set, with what the demo's methods make of them."""
    for folder in sorted(train.glob("*/*/")):
        task = folder.parent.name
        modalities = sorted(p for p in folder.iterdir() if p.is_dir() and p.name != "reference")
        if task == "mef":
            modalities.reverse()
        files = sorted(f for f in modalities[0].iterdir() if f.suffix in READABLE)
        for file in files[:: max(1, len(files) // each)][:each]:
            paths = [next(m.glob(f"{file.stem}.*")) for m in modalities]
            pixels = [decode(path.read_bytes()).pixels for path in paths]
            truth = next((folder / "reference").glob(f"{file.stem}.*"), None)
            yield _simulated(task, folder.name, file.stem, pixels, truth)


def _simulated(task, dataset, name, pixels, truth) -> Scene:
    sources = [luminance(x) for x in pixels]
    made = {m: luminance(baselines.apply(m, task, pixels)) for m in methods_of(task)}
    candidates = {m: (sources, image) for m, image in made.items()}
    true = luminance(decode(truth.read_bytes()).pixels) if truth else None
    return Scene(task, dataset, name, "built-in", sources, candidates, true)


def judge(scene: Scene, names: list[str]) -> list[dict]:
    """Return a row of metrics for every image that can be made of a scene."""
    rows = []
    states = {}

    def add(kind, name, sources, image, of=""):
        if id(sources) not in states:
            states[id(sources)] = prepare(sources, [*names, "GERR"])
        key = scene.task, scene.dataset, scene.name, kind, name, of
        rows.append(dict(zip(KEY, key, strict=True)) | states[id(sources)].measure(image))

    for name, (sources, image) in scene.candidates.items():
        add(scene.kind, name, sources, image)
    whole = [r for r in rows if scene.candidates[r["name"]][0] is scene.sources]
    order = [r["name"] for r in sorted(whole, key=lambda r: r["GERR"]) if r["name"] not in PLAIN]
    chosen = dict.fromkeys([*order[:2], *order[len(order) // 2 :][:1]])
    spoiled = {name: scene.candidates[name][1] for name in chosen}
    if scene.truth is not None:
        add("truth", "truth", scene.sources, scene.truth)
        spoiled["truth"] = scene.truth
    for name, make in DECOYS.items():
        add("decoy", name, scene.sources, make(*scene.sources[:2]))
    for position, source in enumerate(scene.sources):
        add("decoy", f"copy of source {position + 1}", scene.sources, source)
    for of, image in spoiled.items():
        for name, way in SPOILS.items():
            add(way.kind, name, scene.sources, spoil(image, name), of)
    return rows


def failed(rows: pd.DataFrame, policy: Policy) -> pd.DataFrame:
    """Return which guards each row fails, one column a guard."""
    found = pd.DataFrame(False, index=rows.index, columns=list(policy.guards))
    for task, part in rows.groupby("task"):
        for name, (metric, low, high) in policy.task_guards(task).items():
            found.loc[part.index, name] = (part[metric] < low) | (part[metric] > high)
    return found


def report(rows: pd.DataFrame, bad: pd.DataFrame, data: Path) -> dict[str, pd.DataFrame]:
    """Return the tables: what is caught, and what is turned away that should not be."""
    share = bad.assign(any=bad.any(axis=1)).mul(100)
    tasks = [t for t in TASKS if t in set(rows["task"])]
    tables = {}
    for kind in ("decoy", "defect", "mild"):
        chosen = rows["kind"] == kind
        by = [rows["name"][chosen], rows["task"][chosen]]
        tables[f"{kind}: caught, %"] = share["any"][chosen].groupby(by).mean().unstack()[tasks]
    for kind in ("real", "built-in", "truth"):
        chosen = rows["kind"] == kind
        if chosen.any():
            by = [rows["task"][chosen], rows["dataset"][chosen]]
            table = share[chosen].groupby(by).mean()
            table.insert(0, "images", share["any"][chosen].groupby(by).size())
            whole = share[chosen].groupby(rows["task"][chosen]).mean()
            whole.insert(0, "images", rows["task"][chosen].value_counts())
            whole.index = pd.MultiIndex.from_product([whole.index, ["all"]])
            tables[f"{kind}: turned away, %"] = pd.concat([table, whole]).sort_index()
    real = rows["kind"] == "real"
    gone = rows[real & bad.any(axis=1)]
    reasons = bad.loc[gone.index].apply(lambda r: "+".join(r.index[r]), axis=1)
    listed = gone.assign(why=reasons).groupby(["task", "name"])
    of = rows[real].groupby(["task", "name"]).size()
    methods = listed["why"].agg(lambda w: ", ".join(sorted(set(w)))).to_frame()
    methods.insert(0, "of", of)
    methods.insert(0, "turned away", listed.size())
    tables["methods turned away"] = methods.sort_values("turned away", ascending=False)
    opinions = data / OPINIONS[0] / OPINIONS[1] / "mos.csv"
    if opinions.is_file():
        tables["opinion"] = opinion(rows[real], bad.any(axis=1), pd.read_csv(opinions))
    return tables


def opinion(real: pd.DataFrame, gone: pd.Series, scores: pd.DataFrame) -> pd.DataFrame:
    """Return how many of those that people like first, second, ... are turned away."""
    scores = scores.rename(columns={"name": "scene", "method": "name"})
    chosen = real[(real["task"] == OPINIONS[0]) & (real["dataset"] == OPINIONS[1])]
    both = chosen.assign(gone=gone).merge(scores, on=["scene", "name"])
    place = both.groupby("scene")["mos"].rank(ascending=False).astype(int).rename("place")
    return both.groupby(place)["gone"].agg(["size", "sum"])


def cost(names: list[str]) -> dict[str, float]:
    """Return milliseconds a candidate at 640 x 480, all guards and each alone, best of nine."""
    rng = np.random.default_rng(0)
    a, b, f = (
        cv2.GaussianBlur(x, (0, 0), 2) for x in rng.integers(0, 256, (3, 480, 640), np.uint8)
    )
    times = {}
    for asked in (names, *([name] for name in names)):
        scene = prepare([a, b], asked)
        scene.measure(f)
        laps = []
        for _ in range(9):
            start = time.perf_counter()
            scene.measure(f)
            laps.append(time.perf_counter() - start)
        times["all" if asked is names else asked[0]] = round(1000 * min(laps), 2)
    return times


def measured(options: argparse.Namespace, names: list[str]) -> pd.DataFrame:
    """Return the metrics of every image: those of an earlier run, if they were kept."""
    if options.rows and options.rows.is_file():
        return pd.read_parquet(options.rows)
    job = partial(judge, names=names)
    with tempfile.TemporaryDirectory() as folder, Pool(options.workers) as pool:
        found = [r for rs in pool.imap(job, real_scenes(options.data, Path(folder))) for r in rs]
        if options.train:
            simulated = simulated_scenes(options.train, options.each)
            found += [r for rs in pool.imap(job, simulated) for r in rs]
    rows = pd.DataFrame(found)
    if options.rows:
        rows.to_parquet(options.rows)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", type=Path)
    parser.add_argument("--each", type=int, default=TRAIN_EACH, help="pairs of a data set of TRAIN")
    parser.add_argument("--policy", default="robust", help="whose guards; a name or a YAML file")
    parser.add_argument("--rows", type=Path, help="where measured values are kept, to try limits")
    parser.add_argument("--workers", type=int, default=2)
    options = parser.parse_args()
    policy = load_policy(options.policy)
    names = list(dict.fromkeys(guard.metric for guard in policy.guards.values()))
    cv2.setNumThreads(1)
    print("ms a candidate:", json.dumps(cost(names)))
    rows = measured(options, names)
    pd.set_option("display.width", 200, "display.max_rows", 500, "display.max_columns", 50)
    pd.set_option("display.float_format", lambda x: f"{x:.1f}", "display.max_colwidth", 60)
    for title, table in report(rows, failed(rows, policy), options.data).items():
        print(f"\n{title}\n{table.to_string()}")


if __name__ == "__main__":
    main()

"""Does the refiner repair what was damaged, and leave alone what was not?

    python benchmarks/refiner.py --data DATA --train TRAIN [--parts planted,ablation,real,speed]
                                 [--every 4] [--json]

DATA and TRAIN are folders of registered pairs; DATA has outputs of methods.

* `planted`: labels with a truth and damage of each kind planted in one grade drawn by chance, and
  undamaged (`none`; `perfect` are the truths themselves, whose PSNR counts as 100 dB at most and
  which hold structure that no source has). Scenes: multi-focus of DATA and TRAIN (`gray_synth`;
  of `mf_voc` every `--every`-th) and the embedded scenes of all tasks. Labels: the truth itself
  where it is one (multi-focus), and what three classical methods make of the sources. For each
  kind: PSNR (dB) to the truth before, and its mean change, with a 95 % interval (bootstrap over
  scenes), its smallest and the share of labels that lost more than 0.1 dB; IoU of the map (above
  0.5) with the planted one. Ways: `refined` (the gate included), `ungated`, and `unsharp` (amount
  0.5, sigma 1).
* `ablation`: the same, over all kinds, of the refiner without one of its parts.
* `real`: labels that `robust` selects among the outputs of real methods: mean change in Qabf, VIF,
  FMI_gradient and Nabf, which neither the refiner nor its gate looks at.
* `picture`: `refiner.jpg`, embedded multi-focus scenes: the label with planted damage, where which
  kind was found (`detail` and `target` green, `noise` red, `halo` and `clipping` blue), the refined
  label, the truth.
* `speed`: labels a second on one core, 640 x 480, two sources, by part.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("NUMBA_NUM_THREADS", "1")

import cv2
import numpy as np
import pandas as pd

import fusionlab.refine.decompose as decomposing
from fusionlab import baselines
from fusionlab.colour import Plane, luminance
from fusionlab.demo.scenes import make_scenes
from fusionlab.images import luminance as any_luminance
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.metrics import measure
from fusionlab.refine import Damage, repair
from fusionlab.refine.gate import gate
from fusionlab.refine.limits import LIMITS, Limits
from fusionlab.refine.planting import plant, plant_each
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select
from fusionlab.store import Address
from fusionlab.validation.simulate import pairs_with_truth

MANIFESTS = Path(__file__).parent / "manifests"
REAL = {
    "ivf": ("vifb", "tno", "roadscene"),
    "mif": ("harvard_ct_mri", "harvard_pet_mri", "harvard_spect_mri"),
    "mef": ("mefdb", "rchen19", "sice_holoco", "ifcnn_small"),
    "mff": ("lytro", "mffw", "mfi_whu"),
}
UNSEEN = ("Qabf", "VIF", "FMI_gradient", "Nabf")
LABELS = {"mff": ("focus_map", "gff", "laplacian")}
ELSEWHERE = ("gff", "laplacian", "wavelet")
UNDAMAGED = ("none", "perfect")
HARM = -0.1

Way = Callable[[Plane, Sequence[Plane], str], tuple[Plane, Damage | None]]


@dataclass(frozen=True)
class Case:
    """One label with a truth; `mask` is where damage was planted, None where none was."""

    set: str
    task: str
    scene: str
    label: str
    kind: str
    plane: Plane
    mask: np.ndarray | None
    sources: list[Plane]
    truth: Plane


def cases(options: argparse.Namespace) -> Iterator[Case]:
    """Yield the labels of all scenes, damaged in each way and undamaged."""
    data, train = options.data / "mff" / "gray_synth", options.train / "mff"
    parts = ("sources/A", "sources/B", "reference/all_in_focus")
    sets = {
        "demo": make_scenes(),
        "data": [*pairs_with_truth(data, *parts)],
        "train_synth": [*pairs_with_truth(train / "gray_synth")],
        "train_voc": [*pairs_with_truth(train / "mf_voc")][:: options.every],
    }
    for name, scenes in sets.items():
        for scene in scenes:
            rng = np.random.default_rng(zlib.crc32(scene.name.encode()))
            images = list(scene.sources.values())
            truth = luminance(scene.reference)
            labels = {m: baselines.apply(m, scene.task, images) for m in labels_of(scene.task)}
            planes = {m: luminance(image) for m, image in labels.items()}
            if scene.task == "mff":
                planes["truth"] = truth
            sources = [luminance(image) for image in images]
            for label, plane in planes.items():
                sound = np.rint(plane)
                known = (sources, truth)
                nothing = "perfect" if label == "truth" else "none"
                yield Case(name, scene.task, scene.name, label, nothing, sound, None, *known)
                for planted in plant_each(sound, rng):
                    kind, damaged, mask = planted.kind, planted.plane, planted.mask
                    yield Case(name, scene.task, scene.name, label, kind, damaged, mask, *known)


def labels_of(task: str) -> tuple[str, ...]:
    """Return the methods whose fusions are damaged."""
    return LABELS.get(task, ELSEWHERE)


def ungated(limits: dict[str, Limits] = LIMITS) -> Way:
    """Return the refiner without its gate."""

    def way(plane: Plane, sources: Sequence[Plane], task: str) -> tuple[Plane, Damage | None]:
        repaired = repair(plane, sources, task, limits[task])
        return np.rint(repaired.plane), repaired.damage

    return way


def gated(before_gate: Way) -> Way:
    """Return a way behind the gate."""

    def way(plane: Plane, sources: Sequence[Plane], task: str) -> tuple[Plane, Damage | None]:
        after, damage = before_gate(plane, sources, task)
        return gate(plane, after, sources, task, POLICY).plane, damage

    return way


def unsharp(plane: Plane, _sources: Sequence[Plane], _task: str) -> tuple[Plane, Damage | None]:
    """Sharpen everywhere."""
    detail = plane - cv2.GaussianBlur(plane, (0, 0), 1.0)
    return np.rint(np.clip(plane + 0.5 * detail, 0.0, 255.0)), None


POLICY = load_policy("robust")
WAYS: dict[str, Way] = {"refined": gated(ungated()), "ungated": ungated(), "unsharp": unsharp}


def without(**changes: object) -> dict[str, Limits]:
    """Return the limits of all tasks with some replaced."""
    return {task: replace(limits, **changes) for task, limits in LIMITS.items()}  # type: ignore[arg-type]


#: Limits under which a step does nothing (or, for identify, finds damage everywhere).
NEVER, ALWAYS = (1e9, 2e9), (1e9, 2e9)
ABLATIONS: dict[str, dict[str, Limits]] = {
    "no lost detail put back": without(lost=(-2.0, -1.0)),
    "no surplus taken off": without(exaggerated=NEVER),
    "no alien structure removed": without(alien=(2.0, 3.0)),
    "no tone": without(tone=False),
    "no opening": without(opening=(0,)),
    "identify: everywhere": without(
        lost=ALWAYS, exaggerated=(-1.0, 0.0), alien=(-1.0, 0.0), alien_levels=(1e-6,), opening=(0,)
    ),
}


def psnr(plane: Plane, truth: Plane) -> float:
    """Return the PSNR in dB, at most 100."""
    error = float(np.mean(np.square(plane - truth)))
    return 100.0 if error < 255.0**2 / 1e10 else 10 * np.log10(255.0**2 / error)


def overlap(found: np.ndarray, planted: np.ndarray) -> float:
    """Return the intersection of two masks over their union."""
    return float((found & planted).sum() / max(1, (found | planted).sum()))


def outcome(case: Case, way: Way) -> dict[str, object]:
    """Return what a way makes of one label."""
    after, damage = way(case.plane, case.sources, case.task)
    row: dict[str, object] = {
        "set": case.set,
        "task": case.task,
        "scene": case.scene,
        "label": case.label,
        "kind": case.kind,
        "before": psnr(case.plane, case.truth),
        "change": psnr(after, case.truth) - psnr(case.plane, case.truth),
        "touched": float(np.mean(after != case.plane)),
    }
    if damage is not None and case.mask is not None:
        row["iou"] = overlap(damage.maps[case.kind] > 0.5, case.mask)
        row["iou_any"] = overlap(damage.anywhere > 0.5, case.mask)
    return row


def table(rows: pd.DataFrame, by: list[str]) -> pd.DataFrame:
    """Summarise outcomes."""
    found = []
    for key, mine in rows.groupby(by, sort=False):
        low, high = interval(mine)
        found.append(
            {
                **dict(zip(by, key if isinstance(key, tuple) else (key,), strict=True)),
                "labels": len(mine),
                "before": round(mine["before"].mean(), 1),
                "change": f"{mine['change'].mean():+.2f} [{low:+.2f}, {high:+.2f}]",
                "smallest": f"{mine['change'].min():+.2f}",
                "harmed": f"{100 * (mine['change'] < HARM).mean():.1f} %",
                "touched": f"{100 * mine['touched'].mean():.1f} %",
                **{
                    name: "" if mine[name].isna().all() else f"{mine[name].mean():.2f}"
                    for name in ("iou", "iou_any")
                    if name in mine
                },
            }
        )
    return pd.DataFrame(found)


def interval(mine: pd.DataFrame, column: str = "change") -> tuple[float, float]:
    """Return the 95 % interval of a mean, by bootstrap over scenes."""
    means = mine.groupby("scene")[column].mean().to_numpy()
    rng = np.random.default_rng(0)
    draws = rng.choice(means, (2000, len(means))).mean(axis=1)
    return float(np.quantile(draws, 0.025)), float(np.quantile(draws, 0.975))


def planted(options: argparse.Namespace) -> None:
    """Print what each way makes of damage of each kind."""
    found = list(cases(options))
    for name, way in WAYS.items():
        rows = pd.DataFrame([outcome(case, way) for case in found])
        rows["where"] = np.where(rows["task"] == "mff", "mff", "ivf, mif, mef")
        show(options, f"planted: {name}", table(rows, ["where", "kind"]))
        if name == "refined":
            mff = rows[(rows["task"] == "mff") & ~rows["kind"].isin(UNDAMAGED)]
            show(options, "planted: refined, mff by label", table(mff, ["set", "label"]))


def ablation(options: argparse.Namespace) -> None:
    """Print what the refiner is worth without one of its parts; multi-focus labels."""
    found = [case for case in cases(options) if case.task == "mff"]
    ways = {"refiner": WAYS["refined"], "no gate": WAYS["ungated"]}
    ways |= {name: gated(ungated(limits)) for name, limits in ABLATIONS.items()}
    rows = []
    for name, way in ways.items():
        rows += [{"without": name, **outcome(case, way)} for case in found]
    levels = decomposing.MAX_LEVELS
    decomposing.MAX_LEVELS = 1
    rows += [{"without": "decompose: one level", **outcome(c, WAYS["refined"])} for c in found]
    decomposing.MAX_LEVELS = levels
    frame = pd.DataFrame(rows)
    damaged = ~frame["kind"].isin(UNDAMAGED)
    show(options, "ablation: damaged labels", table(frame[damaged], ["without"]))
    for kind in UNDAMAGED:
        show(options, f"ablation: {kind}", table(frame[frame["kind"] == kind], ["without"]))


def real_labels(options: argparse.Namespace) -> Iterator[tuple[str, str, Plane, list[Plane]]]:
    """Yield (task, scene, label, sources) of what robust selects among real outputs."""
    with tempfile.TemporaryDirectory() as folder:
        lab = Lab.create(Path(folder) / "lab")
        for task, datasets in REAL.items():
            for dataset in datasets:
                manifest = MANIFESTS / f"{dataset}.yaml"
                ingest(*load_manifest(manifest, options.data / task / dataset), lab)
        score(lab, sorted({m for task in REAL for m in POLICY.task_metrics(task)}))
        select(lab, POLICY, "real")
        labels = lab.labels("real")
        for label in labels[labels["place"] == 1].to_dict("records"):
            index = lab.index(label["task"], label["dataset"])
            mine = index[index["scene"] == label["scene"]].to_dict("records")
            chosen = [r for r in mine if (r["role"], r["name"]) == ("method", label["method"])]
            sources = sorted(
                (r for r in mine if r["role"] == "source"), key=lambda r: r["position"]
            )
            if chosen[0]["region"]:
                continue
            planes = [
                any_luminance(lab.images.read(Address.of(r))).astype(np.float64)
                for r in [*chosen, *sources]
            ]
            yield label["task"], f"{label['dataset']}/{label['scene']}", planes[0], planes[1:]


def real(options: argparse.Namespace) -> None:
    """Print how real labels change by metrics that neither refiner nor gate looks at."""
    rows = []
    for task, scene, plane, sources in real_labels(options):
        before = measure(sources[0], sources[1], plane, UNSEEN)
        for name, way in WAYS.items():
            after, _ = way(plane, sources, task)
            values = measure(sources[0], sources[1], np.rint(after), UNSEEN)
            touched = float(np.mean(after != plane))
            change = {m: values[m] - before[m] for m in UNSEEN}
            rows.append({"way": name, "task": task, "scene": scene, "touched": touched, **change})
    found = []
    for (way, task), mine in pd.DataFrame(rows).groupby(["way", "task"], sort=False):
        row = {"way": way, "task": task, "labels": len(mine)}
        row["changed"] = int((mine["touched"] > 0).sum())
        row["touched"] = f"{100 * mine['touched'].mean():.1f} %"
        for metric in UNSEEN:
            low, high = interval(mine, metric)
            row[metric] = f"{mine[metric].mean():+.4f} [{low:+.4f}, {high:+.4f}]"
        found.append(row)
    show(options, "real labels", pd.DataFrame(found))


def picture(_options: argparse.Namespace) -> None:
    """Draw embedded scenes with planted damage, what was found, and what became of them."""
    lines = []
    kinds = {"garage": "detail", "cup": "noise", "tray": "target"}
    for scene in make_scenes():
        if scene.task != "mff":
            continue
        images = list(scene.sources.values())
        sources, truth = [luminance(image) for image in images], luminance(scene.reference)
        sound = np.rint(luminance(baselines.apply("gff", "mff", images)))
        damaged = plant(sound, kinds[scene.name], 2, np.random.default_rng(1)).plane
        after, damage = WAYS["refined"](damaged, sources, "mff")
        assert damage is not None
        maps = damage.maps
        found = np.stack(
            [
                np.maximum(maps["halo"], maps["clipping"]),
                np.maximum(maps["detail"], maps["target"]),
                maps["noise"],
            ],
            axis=2,
        )
        over = 0.4 * damaged[:, :, None] + 150 * found
        gray = [np.repeat(plane[:, :, None], 3, axis=2) for plane in (damaged, after, truth)]
        line = np.hstack([gray[0], over, *gray[1:]]).clip(0, 255).astype(np.uint8)
        lines.append(cv2.resize(line, (1200, 1200 * line.shape[0] // line.shape[1])))
    cv2.imwrite("refiner.jpg", np.vstack(lines))
    print("refiner.jpg")


def speed(options: argparse.Namespace) -> None:
    """Print labels a second on one core, 640 x 480, of a damaged multi-focus label."""
    cv2.setNumThreads(1)
    scene = next(s for s in make_scenes() if s.task == "mff")
    sized = [cv2.resize(luminance(image), (640, 480)) for image in scene.sources.values()]
    label = luminance(baselines.apply("gff", "mff", list(scene.sources.values())))
    rng = np.random.default_rng(0)
    damaged = plant_each(np.rint(cv2.resize(label, (640, 480))), rng)[0].plane
    rows = []
    for name, way in WAYS.items():
        times = []
        for _ in range(20):
            start = time.process_time()
            way(damaged, sized, "mff")
            times.append(time.process_time() - start)
        best = min(times)
        rows.append(
            {"way": name, "ms": round(1e3 * best, 1), "labels a second": round(1 / best, 1)}
        )
    show(options, "speed, 640 x 480, one core", pd.DataFrame(rows))


def show(options: argparse.Namespace, title: str, frame: pd.DataFrame) -> None:
    """Print one table."""
    if options.json:
        print(json.dumps({"table": title, "rows": frame.to_dict("records")}), flush=True)
        return
    print(f"\n{title}\n", flush=True)
    lines = [list(map(str, frame.columns)), ["---"] * len(frame.columns)]
    lines += [[str(value) for value in row] for row in frame.itertuples(index=False)]
    print("\n".join(f"| {' | '.join(line)} |" for line in lines), flush=True)


PARTS = {
    "planted": planted,
    "ablation": ablation,
    "real": real,
    "speed": speed,
    "picture": picture,
}


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--parts", default="planted,ablation,real,speed")
    parser.add_argument("--every", type=int, default=4)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    for part in options.parts.split(","):
        PARTS[part](options)


if __name__ == "__main__":
    main()

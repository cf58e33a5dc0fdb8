"""Does region-wise selection pay? Mosaics against the best whole candidate, and against the truth.

    python benchmarks/mosaic.py --data DATA --train TRAIN [--policy robust] [--sets demo,planted]
                                [--lead 0.2] [--smooth 0.2] [--margin 0.1] [--json]

DATA and TRAIN are folders of registered pairs; DATA has outputs of methods, for TRAIN they are
made by `fusionlab.baselines`. Sets with a truth (mean over scenes):

* `demo`: the embedded scenes;
* `gray_synth`: multi-focus scenes of DATA with outputs of real methods;
* `train_synth`, `train_voc`: multi-focus scenes of TRAIN, every eighth of `mf_voc`;
* `planted`: those of `train_synth`, four baselines, each spoiled in another quarter.

For each, PSNR (dB) and SSIM to the truth of the best whole candidate by the policy (`whole`), of
the mosaics that the gate lets through (`gated`), of all that were proposed (`ungated`), and of the
nearest candidate to the truth (`oracle`), with 95 % intervals of the differences from `whole`
(bootstrap over scenes). Sets without: how many mosaics are proposed and made, and their gain in
held-out metrics, in SDs of the candidates. `seam` is the mean step across the borders of tiles
that show different candidates, over the mean step of those two candidates there; `pasted` is the
same without blending.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pandas as pd

import fusionlab.mosaic.run as runner
from fusionlab import baselines
from fusionlab.decoys import SPOILS, spoil
from fusionlab.demo.scenes import methods_of, write_demo
from fusionlab.images import encode_png, luminance, read_image
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select
from fusionlab.selection.held_out import held_out
from fusionlab.store import Address

if TYPE_CHECKING:
    from fusionlab.mosaic.propose import Proposal
    from fusionlab.selection.policy import Policy

MANIFESTS = Path(__file__).parent / "manifests"
TRUTH = ("PSNR_ref", "SSIM_ref")
REAL = {
    "ivf": ("vifb", "tno", "roadscene"),
    "mif": ("harvard_ct_mri", "harvard_pet_mri", "harvard_spect_mri"),
    "mef": ("mefdb",),
    "mff": ("lytro", "mffw", "mfi_whu"),
}
SETS = ("demo", "gray_synth", "train_synth", "train_voc", "planted", *REAL)
DEFECTS = ("noise_10", "blurred", "ghost_5", "sharpened_2")
FOUR = ("gff", "focus_map", "laplacian", "wavelet")


def put(path: Path, pixels: np.ndarray) -> None:
    """Write one PNG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(encode_png(pixels))


def spoiled_in_turn(made: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Spoil each of four candidates in a quarter of its own, in a way of its own."""
    spoiled = {}
    corners = itertools.product((0, 1), (0, 1))
    for (name, image), (y, x), defect in zip(made.items(), corners, DEFECTS, strict=True):
        assert SPOILS[defect].kind == "defect"
        h, w = image.shape[0] // 2, image.shape[1] // 2
        part = (slice(y * h, (y + 1) * h), slice(x * w, (x + 1) * w))
        changed = image.copy()
        changed[part] = spoil(image, defect)[part]
        spoiled[name] = changed
    return spoiled


def write_train(train: Path, folder: Path, name: str, every: int, planted: bool) -> Path:
    """Write scenes of TRAIN with the outputs of baselines; return the manifest."""
    root = train / "mff" / name
    for truth in sorted((root / "reference").iterdir())[::every]:
        images = [read_image(next((root / m).glob(f"{truth.stem}.*"))) for m in "AB"]
        methods = FOUR if planted else methods_of("mff")
        made = {method: baselines.apply(method, "mff", images) for method in methods}
        made = spoiled_in_turn(made) if planted else made
        put(folder / "truth" / f"{truth.stem}.png", read_image(truth))
        for modality, image in zip("AB", images, strict=True):
            put(folder / modality / f"{truth.stem}.png", image)
        for method, image in made.items():
            put(folder / "out" / method / f"{truth.stem}.png", image)
    manifest = folder / "set.yaml"
    manifest.write_text(
        f"task: mff\ndataset: {name}\nsources: {{A: 'A/{{scene}}.*', B: 'B/{{scene}}.*'}}\n"
        "candidates: out/{method}/{scene}.*\nreference: truth/{scene}.*\n"
    )
    return manifest


def manifests(name: str, data: Path, train: Path, folder: Path) -> list[tuple[Path, Path | None]]:
    """Return the manifests of a set and the roots of their images."""
    if name == "demo":
        return [(path, None) for path in write_demo(folder)]
    if name == "train_voc":
        return [(write_train(train, folder, "mf_voc", 8, False), None)]
    if name in ("train_synth", "planted"):
        return [(write_train(train, folder, "gray_synth", 1, name == "planted"), None)]
    task, datasets = ("mff", ("gray_synth",)) if name == "gray_synth" else (name, REAL[name])
    return [(MANIFESTS / f"{dataset}.yaml", data / task / dataset) for dataset in datasets]


def curated(name: str, options: argparse.Namespace, policy: Policy, folder: Path) -> Lab:
    """Ingest, score and select one set."""
    lab = Lab.create(folder / "lab")
    for path, root in manifests(name, options.data, options.train, folder / "images"):
        ingest(*load_manifest(path, root), lab)
    tasks = {task for task, _ in lab.datasets()}
    weighed = {m for t in tasks for m in policy.task_metrics(t)}
    judges = {m for t in tasks for m in held_out(policy, t)}
    score(lab, [*sorted(weighed | judges), *TRUTH])
    score(lab, sorted({m for t in tasks for m in policy.task_weights(t)}), tiles=True)
    select(lab, policy, "whole")
    return lab


def steps(images: list[np.ndarray], proposal: Proposal, kinds: list[str]) -> list[float]:
    """Return the mean step of each image across the borders between different candidates.

    `images` are those of the mosaic and then of each of `kinds`; the last value is what the two
    candidates of each border have there on average, the one before what pasting them would give.
    """
    found: list[list[float]] = []
    shown = dict(zip(proposal.tiles, proposal.methods, strict=True))
    candidates = dict(zip(kinds, images[1:], strict=True))
    for (s, a), (t, b) in itertools.permutations(shown.items(), 2):
        if a == b:
            continue
        if t.y == s.y + s.height and t.x == s.x and t.width == s.width:
            here, there = (np.s_[t.y - 1, t.x : t.x + t.width], np.s_[t.y, t.x : t.x + t.width])
        elif t.x == s.x + s.width and t.y == s.y and t.height == s.height:
            here, there = (np.s_[t.y : t.y + t.height, t.x - 1], np.s_[t.y : t.y + t.height, t.x])
        else:
            continue
        pair = [np.abs(candidates[m][there] - candidates[m][here]).mean() for m in (a, b)]
        blended = np.abs(images[0][there] - images[0][here]).mean()
        pasted = np.abs(candidates[b][there] - candidates[a][here]).mean()
        found.append([blended, pasted, float(np.mean(pair))])
    return list(np.sum(found, axis=0)) if found else [0.0, 0.0, 0.0]


def mosaics(lab: Lab, options: argparse.Namespace) -> pd.DataFrame:
    """Make every proposed mosaic, whatever its verdict; return one row each."""
    rows: list[dict[str, object]] = []
    judge, judged = runner.judge, runner._Run._judged

    def lenient(values, rivals, best, policy, task, judges, margin):  # type: ignore[no-untyped-def]
        verdict = judge(values, rivals, best, policy, task, judges, margin)
        return replace(verdict, reason="", detail=verdict.reason)

    def recorded(self, task, pool, proposal, images):  # type: ignore[no-untyped-def]
        made = judged(self, task, pool, proposal, images)
        kinds = sorted(set(proposal.methods))
        pixels = [made.pixels, *(lab.images.read(Address.of(images["method", k])) for k in kinds)]
        gray = [luminance(p).astype(np.float64) for p in pixels]
        blended, pasted, natural = steps(gray, proposal, kinds)
        changed = np.mean([m != proposal.best for m in proposal.methods])
        row = {"task": task, "dataset": images["method", proposal.best]["dataset"]}
        row |= {"scene": proposal.scene, "changed": changed, "gain": made.verdict.gain}
        row |= {"refused": made.verdict.detail, "best": proposal.best}
        rows.append({**row, "blended": blended, "pasted": pasted, "natural": natural})
        return made

    runner.judge, runner._Run._judged = lenient, recorded
    try:
        settings = {"lead": options.lead, "smooth": options.smooth, "margin": options.margin}
        runner.mosaic(lab, "whole", "all", workers=1, **settings)
    finally:
        runner.judge, runner._Run._judged = judge, judged
    columns = ["task", "dataset", "scene", "changed", "gain", "refused", "best"]
    return pd.DataFrame(rows, columns=[*columns, "blended", "pasted", "natural"])


def against_truth(lab: Lab, made: pd.DataFrame, metric: str) -> pd.DataFrame:
    """Return, by scene with a truth: whole, gated, ungated and oracle."""
    rows = []
    for task, dataset in lab.datasets():
        scores = lab.scores(task, dataset)
        wide = scores[scores["metric"] == metric].pivot(
            index="scene", columns="method", values="value"
        )
        labels = lab.labels("whole")
        labels = labels[(labels["task"] == task) & (labels["dataset"] == dataset)]
        mine = made[(made["task"] == task) & (made["dataset"] == dataset)].set_index("scene")
        chosen = labels[labels["scene"].isin(wide.index)]
        for scene, label in zip(chosen["scene"], chosen["method"], strict=True):
            candidates = [m for m in wide.columns if not m.startswith(("decoy:", "mosaic("))]
            whole, ungated = wide.loc[scene, label], wide.loc[scene, label]
            if scene in mine.index:
                ungated = wide.loc[scene, "mosaic(all)"]
            passed = scene in mine.index and mine.loc[scene, "refused"] == ""
            row = {"task": task, "whole": whole, "gated": ungated if passed else whole}
            rows.append({**row, "ungated": ungated, "oracle": wide.loc[scene, candidates].max()})
    return pd.DataFrame(rows, columns=["task", "whole", "gated", "ungated", "oracle"])


def interval(differences: np.ndarray) -> list[float]:
    """Return the 95 % interval of the mean, by bootstrap over scenes."""
    rng = np.random.default_rng(0)
    draws = rng.choice(differences, (2000, len(differences))).mean(axis=1)
    return [round(float(q), 3) for q in np.quantile(draws, [0.025, 0.975])]


def summary(lab: Lab, made: pd.DataFrame) -> list[dict[str, object]]:
    """Return one row a task."""
    labels, rows = lab.labels("whole"), []
    for task in sorted(labels["task"].unique()):
        mine = made[made["task"] == task]
        natural = mine["natural"].sum()
        row: dict[str, object] = {
            "task": task,
            "scenes": int((labels["task"] == task).sum()),
            "proposed": len(mine),
            "made": int((mine["refused"] == "").sum()),
            "changed": round(float(mine["changed"].mean()), 3),
            "gain_proposed": round(float(mine["gain"].replace(-np.inf, np.nan).mean()), 3),
            "gain_made": round(float(mine.loc[mine["refused"] == "", "gain"].mean()), 3),
            "seam": round(float(mine["blended"].sum() / natural), 3) if natural else None,
            "pasted": round(float(mine["pasted"].sum() / natural), 3) if natural else None,
        }
        for metric in TRUTH:
            found = against_truth(lab, made, metric)
            found = found[found["task"] == task].replace(np.inf, 100.0)
            if len(found) == 0:
                continue
            means = {f"{metric}_{c}": round(float(found[c].mean()), 4) for c in found.columns[1:]}
            row |= means
            for kind in ("gated", "ungated"):
                difference = (found[kind] - found["whole"]).to_numpy()
                row[f"{metric}_{kind}_less_whole"] = interval(difference)
        rows.append(row)
    return rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--policy", default="robust")
    parser.add_argument("--sets", default=",".join(SETS))
    parser.add_argument("--lead", type=float, default=runner.LEAD)
    parser.add_argument("--smooth", type=float, default=runner.SMOOTH)
    parser.add_argument("--margin", type=float, default=runner.MARGIN)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    policy = load_policy(options.policy)
    for name in options.sets.split(","):
        with tempfile.TemporaryDirectory() as folder:
            lab = curated(name, options, policy, Path(folder))
            rows = [{"set": name, **row} for row in summary(lab, mosaics(lab, options))]
        for row in rows:
            if options.json:
                print(json.dumps(row), flush=True)
            else:
                print("  ".join(f"{k} {v}" for k, v in row.items() if v == v), flush=True)


if __name__ == "__main__":
    main()

"""What each choice of the trainer is worth, and what the flow is worth beside its controls.

    python benchmarks/ablation.py --lab LAB --labels NAME --out OUT [--steps 2000] [--seeds 0,1,2]
        [--hold-out ivf/vifb,mff/lytro,...] [--only flow,regression] [--settings run.yaml]

Every variant is trained by `fusionlab train` on the same labels, with the same seeds, steps and
patches, and differs from `flow` in what its name says; a run that has ended is not trained again.
It is judged by the labels of the scenes held out, the middle 256 pixels: of the data sets of
--hold-out, which were neither learned from nor looked at. The table has the mean over scenes and
seeds, and the mean difference to the flow over the same scenes and seeds with its 95 % bootstrap
interval over scenes. Regression of four times the computation is `regression_wide`; `flow@N` is the
same model in N steps.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch

from fusionlab.configs import checked, load_yaml
from fusionlab.flow.keeping import load_model
from fusionlab.lab import Lab
from fusionlab.training.judge import MEASURES, judge
from fusionlab.training.reading import read_curated
from fusionlab.training.run import train
from fusionlab.training.settings import NETWORKS, TrainSettings
from fusionlab.validation.intervals import bootstrap_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from fusionlab.flow.model import FusionModel
    from fusionlab.training.curated import Curated, Example

#: Weights of the terms of the loss that look at the predicted end of the path alone.
ENDPOINT = ("loss.ssim", "loss.detail")

#: Variant -> settings, with dots between, that differ from those of the flow.
VARIANTS: dict[str, dict[str, Any]] = {
    "flow": {},
    "regression": {"model.objective": "regression", "model.steps": 0},
    "regression_wide": {
        "model.objective": "regression",
        "model.steps": 0,
        "model.network.widths": (48, 80, 128),
    },
    "noise-flow": {"model.objective": "noise-flow", "model.steps": 0},
    "plain_path": {"loss.own": 0.0},
    "uniform_t": {"loss.still": 0.0, "loss.own": 0.0},
    "start_max": {"model.start": "max"},
    "sigma": {"model.sigma": 0.05},
    "no_contrast": {"model.network.contrast": ()},
    "no_gate": {"model.network.gate": False},
    "no_task": {"model.network.task": False},
    "full_size": {"model.network.fold": 1, "model.network.widths": (16, 32, 64)},
    "per_patch": {"loss.relative": "sample"},
    "plain_mse": {"loss.relative": "none", **dict.fromkeys(ENDPOINT, 0.0), "loss.gradient": 0.0},
    "no_gradient": {"loss.gradient": 0.0},
    "no_endpoint": dict.fromkeys(ENDPOINT, 0.0),
}  # fmt: skip

#: Steps that a flow is sampled in besides its own number, and what is judged of a scene.
STEPS, SIDE = (1, 2, 8), 256


def settings_of(base: TrainSettings, variant: str, seed: int) -> TrainSettings:
    """Return the settings of one run."""
    content = base.model_dump()
    for key, value in {**VARIANTS[variant], "patches.seed": seed}.items():
        *above, last = key.split(".")
        place = content
        for part in above:
            place = place[part]
        place[last] = value
    return checked(content, TrainSettings, variant)


def judged(model: FusionModel, name: str, scenes: Sequence[Example]) -> Iterator[pd.DataFrame]:
    """Yield what a model makes of the scenes, in its own steps and in others."""
    yield judge(model, scenes, side=SIDE).assign(variant=name)
    if name == "flow":
        for steps in STEPS:
            yield judge(model, scenes, steps=steps, side=SIDE).assign(variant=f"{name}@{steps}")


def rows_of(
    curated: Curated, held: Curated, base: TrainSettings, args: argparse.Namespace
) -> pd.DataFrame:
    """Train and judge all variants: one row a variant, seed and scene."""
    found = []
    for variant in args.only:
        for seed in args.seeds:
            path = args.out / "runs" / f"{variant}-{seed}"
            settings = settings_of(base, variant, seed)
            report = train(curated, path, settings, exclude=args.hold_out, device=args.device)
            table = path / "held_out.parquet"
            if not table.exists():
                model, _ = load_model(path / "model.safetensors", args.device)
                rows = pd.concat(list(judged(model, variant, held.examples)))
                rows.assign(seed=seed, seconds=report.seconds).to_parquet(table)
            found.append(pd.read_parquet(table))
            print(f"{variant} seed {seed}: {report.seconds:.0f} s", flush=True)
    return pd.concat(found, ignore_index=True)


def table_of(rows: pd.DataFrame, measures: Sequence[str]) -> pd.DataFrame:
    """Return one line a variant: means, and differences to the flow with intervals over scenes."""
    wide = rows.pivot_table(index=["place", "seed"], columns="variant", values=list(measures))
    lines = []
    for variant in rows["variant"].unique():
        line: dict[str, object] = {"variant": variant}
        for measure in measures:
            values = wide[measure]
            line[measure] = round(float(values[variant].mean()), 4)
            if "flow" in values and variant != "flow":
                gap = (values[variant] - values["flow"]).dropna().groupby("place").mean()
                line[f"{measure} - flow"] = str(bootstrap_mean(gap))
        lines.append(line)
    return pd.DataFrame(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--lab", type=Path, required=True)
    parser.add_argument("--labels", required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--settings", type=Path, help="YAML of training settings")
    parser.add_argument("--steps", type=int, default=2000)
    parser.add_argument("--seeds", type=lambda s: [int(n) for n in s.split(",")], default=[0])
    parser.add_argument("--hold-out", type=lambda s: s.split(","), default=[])
    parser.add_argument("--only", type=lambda s: s.split(","), default=list(VARIANTS))
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--threads", type=int, default=1)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    small = TrainSettings().model_dump() | {"steps": args.steps}
    small["model"]["network"] = NETWORKS["small"].model_dump()
    small["checks"]["samples"] = 0
    base = load_yaml(args.settings, TrainSettings) if args.settings else checked(
        small, TrainSettings, "benchmark"
    )  # fmt: skip
    curated = read_curated(Lab.open(args.lab), args.labels)
    inside = tuple(f"{name}/" for name in args.hold_out)
    held = curated.only([e.place for e in curated.examples if e.place.startswith(inside)])
    rows = rows_of(curated, held, base, args)
    rows.to_parquet(args.out / "ablation.parquet", index=False)
    print(f"\n{len(held)} scenes held out, {base.steps} steps, seeds {args.seeds}")
    for measures in (("PSNR", "PSNR_local"), [m for m in MEASURES if "PSNR" not in m]):
        print(table_of(rows, measures).fillna("").to_string(index=False))
    by_task = rows.pivot_table(index="variant", columns="task", values="PSNR_local", sort=False)
    print(by_task.round(2).to_string())
    with np.printoptions(precision=3):
        print(rows.groupby("variant", sort=False)["seconds"].mean().round(0).to_string())


if __name__ == "__main__":
    main()

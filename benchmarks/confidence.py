"""Is stability worth its name? How often labels are right, by how stable they are.

    python benchmarks/confidence.py LAB [LAB ...] [--policy robust --policy fusionfm] [--json]

The labs must hold scores and truths: references (PSNR in dB) or opinion scores. A label is right
where it lies within a tolerance of the best candidate, 0.3 dB or 0.25 points. Printed by policy:
the labels in bands of stability with the share that is right and the mean regret, and the same by
data set; the area under the ROC curve of telling right from wrong (0.5 is chance) and the expected
calibration error, the mean distance between stability and the share that is right, both also for
other concentrations than the one that ships; and what abstaining below a threshold leaves.
"""

from __future__ import annotations

import argparse
import json

import numpy as np
import pandas as pd
from scipy.stats import rankdata

from fusionlab.decoys import DECOY_PREFIX
from fusionlab.lab import Lab
from fusionlab.selection import Policy, confidence, load_policy
from fusionlab.selection.choose import choose

TOLERANCE = {"reference": 0.3, "opinion": 0.25}
BANDS = (0.0, 0.4, 0.6, 0.8, 0.95, 1.0)
THRESHOLDS = (0.0, 0.5, 0.6, 0.7, 0.8, 0.9)


def truths(lab: Lab, task: str, dataset: str) -> dict[str, pd.Series]:
    """Return kind of truth -> its value by (scene, method), more is better."""
    scores = lab.scores(task, dataset)
    scores = scores[
        (scores["metric"] == "PSNR_ref") & ~scores["method"].str.startswith(DECOY_PREFIX)
    ]
    opinions = lab.opinions(task, dataset)
    found = {
        "reference": scores.set_index(["scene", "method"])["value"],
        "opinion": opinions.set_index(["scene", "method"])["score"],
    }
    return {kind: values for kind, values in found.items() if len(values)}


def judged(lab: Lab, policy: Policy) -> pd.DataFrame:
    """Return one row a label that has a truth: kind, stabilities, regret."""
    rows = []
    for task, dataset in lab.datasets():
        known = truths(lab, task, dataset)
        if not known or task not in policy.weights:
            continue
        labels = choose(lab, policy, task, dataset).labels
        for kind, values in known.items():
            best = values.groupby(level="scene").max()
            for label in labels.to_dict("records"):
                place = label["scene"], label["method"]
                if place in values.index and label["candidates"] > 1:
                    regret = best[label["scene"]] - values[place]
                    stabilities = {k: v for k, v in label.items() if k.startswith("stability")}
                    rows.append({"kind": kind, "dataset": dataset, "regret": regret, **stabilities})
    frame = pd.DataFrame(rows)
    return frame.assign(right=frame["regret"] <= frame["kind"].map(TOLERANCE))


def auc(score: pd.Series, right: pd.Series) -> float:
    """Return the area under the ROC curve."""
    ranks, good = rankdata(score), right.to_numpy()
    n, m = good.sum(), (~good).sum()
    return float((ranks[good].sum() - n * (n + 1) / 2) / (n * m)) if n and m else float("nan")


def calibration_error(score: pd.Series, right: pd.Series) -> float:
    """Return the mean distance of stability and share of right labels over the bands."""
    bands = pd.cut(score, BANDS, include_lowest=True)
    grouped = pd.DataFrame({"s": score, "r": right}).groupby(bands, observed=True)
    means, sizes = grouped.mean(), grouped.size()
    return float(((means["s"] - means["r"]).abs() * sizes).sum() / sizes.sum())


def report(name: str, labs: list[Lab]) -> dict[str, object]:
    """Return everything that is printed about one policy."""
    policy, shipped = load_policy(name), confidence.CONCENTRATION
    by_concentration = {}
    for concentration in (0.5, 1.0, 2.0, 4.0, shipped):
        confidence.CONCENTRATION = concentration
        frame = pd.concat([judged(lab, policy) for lab in labs], ignore_index=True)
        by_concentration[concentration] = {
            "auc": auc(frame["stability"], frame["right"]),
            "calibration_error": calibration_error(frame["stability"], frame["right"]),
        }
    bands = frame.groupby(pd.cut(frame["stability"], BANDS, include_lowest=True), observed=True)
    table = bands.agg(labels=("right", "size"), right=("right", "mean"), regret=("regret", "mean"))
    kinds = {
        column: {"auc": auc(frame[column].fillna(0.5), frame["right"])}
        for column in frame.columns
        if column.startswith("stability") and frame[column].notna().any()
    }
    by_dataset = {
        dataset: {
            "labels": len(mine),
            "right": float(mine["right"].mean()),
            "regret": float(mine["regret"].mean()),
            "auc": auc(mine["stability"], mine["right"]),
            "calibration_error": calibration_error(mine["stability"], mine["right"]),
        }
        for dataset, mine in frame.groupby("dataset")
    }
    kept = {
        threshold: {
            "kept": float((frame["stability"] >= threshold).mean()),
            "right": float(frame.loc[frame["stability"] >= threshold, "right"].mean()),
            **frame[frame["stability"] >= threshold].groupby("kind")["regret"].mean().to_dict(),
        }
        for threshold in THRESHOLDS
    }
    return {
        "policy": policy.label,
        "labels": len(frame),
        "shipped_concentration": shipped,
        "by_concentration": by_concentration,
        "bands": table.reset_index().astype({"stability": str}).to_dict("records"),
        "by_dataset": by_dataset,
        "kinds": kinds,
        "abstaining": kept,
    }


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("labs", nargs="+", metavar="LAB")
    parser.add_argument("--policy", action="append")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    labs = [Lab.open(path) for path in options.labs]
    found = [report(name, labs) for name in options.policy or ["robust", "fusionfm"]]
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for one in found:
        print(f"\n{one['policy']}: {one['labels']} labels with a truth")
        print(pd.DataFrame(one["bands"]).round(3).to_string(index=False))
        print("by data set")
        print(pd.DataFrame(one["by_dataset"]).T.round(3).to_string())
        print(pd.DataFrame(one["kinds"]).round(3).to_string())
        print("by concentration (the last one ships)")
        print(pd.DataFrame(one["by_concentration"]).T.round(3).to_string())
        print("abstaining below a stability")
        print(pd.DataFrame(one["abstaining"]).T.round(3).to_string())


if __name__ == "__main__":
    np.seterr(all="raise", under="ignore")
    main()

"""The tables of docs/results.md, from a lab that `benchmarks/all_in_one.sh` made.

    python benchmarks/results.py LAB

Everything is read from what the stages left; nothing is measured.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.continual.matrix import measures
from fusionlab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

#: Words of a stage's report that are worth a line.
TOLD = ("scenes", "candidates", "made", "measured", "labels", "ties", "refined", "cells", "stages")


def show(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table in Markdown."""
    print(f"\n### {title}\n")
    print("| " + " | ".join(columns) + " |")
    print("| --- |" + " ---: |" * (len(columns) - 1))
    for row in rows:
        print("| " + " | ".join(map(str, row)) + " |")


def stages(lab: Path) -> None:
    """Print what ran, how long and what it made, each stage's last run that did something."""
    last: dict[str, dict[str, Any]] = {}
    versions = {}
    for path in sorted((lab / "pipelines" / "all_in_one").glob("*.json")):
        record = json.loads(path.read_text(encoding="utf-8"))
        versions = record["versions"]
        last |= {s["stage"]: s for s in record["stages"] if s["verdict"] == "ran"}
    rows = []
    for name, stage in last.items():
        report = stage["report"]
        if "reports" in report:  # of ingest: one a data set
            report = pd.DataFrame(report["reports"])[["scenes", "added"]].sum().to_dict()
            report = {"scenes": report["scenes"], "images": report["added"]}
        if isinstance(report.get("scenes"), dict):  # of training: by task
            report = {**report, "scenes": sum(report["scenes"].values())}
        told = {key: value for key, value in report.items() if key in (*TOLD, "images")}
        words = ", ".join(f"{key} {value}" for key, value in told.items())
        rows.append((name, words, f"{stage['seconds'] / 60:.1f} min"))
    show("Stages", ("stage", "what", "time"), rows)
    print("\n" + ", ".join(f"{name} {version}" for name, version in versions.items()))


def labels(lab: Lab) -> None:
    """Print who won and how surely, by task."""
    first, refined = lab.labels("first"), lab.labels("refined")
    rows = []
    for task, mine in first.groupby("task"):
        wins = mine["method"].value_counts()
        winners = ", ".join(f"{name} {count}" for name, count in wins.head(3).items())
        parts = mine["split"].value_counts().reindex(["train", "validation", "test"]).astype(int)
        repaired = (refined.loc[refined["task"] == task, "method"].str.startswith("refined")).sum()
        rows.append(
            (
                *(task, len(mine), "/".join(map(str, parts)), f"{mine['candidates'].mean():.1f}"),
                *(len(wins), winners, f"{mine['margin'].median():.3f}"),
                *(int(mine["tied"].sum()), f"{mine['stability'].median():.2f}", repaired),
            )
        )
    columns = ("task", "labels", "train/validation/test", "candidates a scene", "winners")
    columns += ("first three", "median margin", "ties", "median stability", "repaired")
    show("Labels", columns, rows)


def forgetting(lab: Path) -> None:
    """Print what learning task after task costs."""
    found = measures(pd.read_parquet(lab / "studies" / "refined" / "forgetting.parquet"))
    mine = found[found["metric"] == "PSNR_local"].set_index("strategy")
    rows = [
        (name, *(("" if pd.isna(v) else f"{v:.2f}") for v in line))
        for name, line in mine[["average", "forgetting", "gap_joint"]].iterrows()
    ]
    columns = ("strategy", "average", "forgetting", "gap to joint")
    show("Task after task: PSNR without local means, dB", columns, rows)


def runs(lab: Path) -> None:
    """Print how near the models come to the labels of the validation scenes."""
    rows = []
    for path in sorted((lab / "runs").glob("*/report.json")):
        report = json.loads(path.read_text(encoding="utf-8"))
        reached = [f"{report['validation'][t]['PSNR_local']:.2f}" for t in sorted(report["scenes"])]
        minutes = f"{report['seconds'] / 60:.0f}"
        rows.append((report["name"], report["parameters"], report["steps"], minutes, *reached))
    columns = ("run", "parameters", "steps", "minutes", "ivf", "mef", "mff", "mif")
    show("Models: PSNR without local means on validation scenes, dB", columns, rows)


def interval(row: pd.Series) -> str:
    """Return a mean with its interval."""
    return f"{row.iloc[0]:.2f} [{row['low']:.2f}, {row['high']:.2f}]"


def leaderboard(lab: Path) -> None:
    """Print the mean ranks of models and labels, and the best published method of each data set."""
    board = pd.read_parquet(lab / "evaluations" / "leaderboard.parquet")
    board = board[board["level"]]
    rows = []
    for (task, dataset), mine in board.groupby(["task", "dataset"]):
        ours = mine[mine["kind"].isin(["run", "labels"])]
        where = "all" if dataset == "*" and task == "*" else f"{task}/{dataset}"
        if dataset == "*" and task != "*":
            continue
        best = mine[(mine["kind"] == "candidate") & (mine["group"] == "unseen")].nsmallest(
            1, "rank"
        )
        names = [*dict.fromkeys(ours["method"]), *best["method"]]
        for name in names:
            lines = mine[mine["method"] == name].set_index("group")
            cells = []
            for group in ("seen", "unseen"):
                line = lines.loc[group] if group in lines.index else None
                cells.append("" if line is None else interval(line[["rank", "low", "high"]]))
                placed = line is not None and not pd.isna(line["position"])
                cells.append(f"{line['position']:g} of {line['of']}" if placed else "")
            rows.append((where, name, int(lines["scenes"].iloc[0]), *cells))
    columns = ("data set", "who", "scenes", "rank, seen", "place", "rank, unseen", "place")
    show("Leaderboard", columns, rows)
    against = pd.read_parquet(lab / "evaluations" / "comparisons.parquet")
    mine = against[(against["task"] == "*") & (against["dataset"] == "*")]
    lines = [
        (r["group"], r["method"], r["against"], interval(r[["difference", "low", "high"]]))
        for _, r in mine.iterrows()
    ]
    show("Differences of mean ranks", ("metrics", "first", "less", "difference"), lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("lab", type=Path)
    lab = parser.parse_args().lab
    stages(lab)
    labels(Lab.open(lab))
    forgetting(lab)
    runs(lab)
    leaderboard(lab)


if __name__ == "__main__":
    main()

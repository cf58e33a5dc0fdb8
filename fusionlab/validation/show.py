"""The tables of a validation as people read them: means with their intervals in one cell."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fusionlab.validation.attacks import SOURCES, TRUTH_KIND
from fusionlab.validation.summary import ALL, ANY, MEAN

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

#: Column -> the kind, the row within it, and the column of the summary that it shows.
_HEADLINES = {
    "decoys": (SOURCES, ANY, "lost"),
    "decoys bare": (SOURCES, ANY, "lost_bare"),
    "defects": ("defect", ANY, "lost"),
    "defects bare": ("defect", ANY, "lost_bare"),
    "mild": ("mild", MEAN, "lost"),
    "mild bare": ("mild", MEAN, "lost_bare"),
}

#: Ends of an interval -> what they are 1 less.
_MIRRORED = {"": "", "_low": "_high", "_high": "_low"}

_KINDS = (SOURCES, "defect", "mild", TRUTH_KIND)


def truth_tables(truths: pd.DataFrame, against: str) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield a table for each truth of each data set, the least regret first."""
    if truths.empty:
        return
    for place, group in truths.groupby(["task", "truth", "dataset", "unit"], sort=False):
        task, truth, dataset, unit = place
        scenes, pool = group["scenes"].max(), group["pool"].mean()
        title = f"{task}/{dataset}, {truth}: {scenes} scenes of {pool:.0f} candidates"
        rows = [
            {
                "policy": row["policy"],
                f"regret, {unit}": _interval(row, "regret"),
                f"less that of {against}": _interval(row, "difference"),
                "spearman": _interval(row, "spearman"),
                "best": _percent(row["best"]),
                "no label": row["unlabelled"],
            }
            for row in group.to_dict("records")
        ]
        frame = pd.DataFrame(rows)
        unlabelled = int(frame["no label"].sum())
        yield title, frame if unlabelled else frame.drop(columns="no label")


def decoy_tables(decoys: pd.DataFrame) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield who is fooled how often, and by what."""
    if decoys.empty:
        return
    rows = [
        {"task": task, "policy": policy, "scenes": group["scenes"].max(), **_headline(group)}
        for (task, policy), group in decoys.groupby(["task", "policy"], sort=False)
    ]
    yield (
        "Scenes lost to decoys and defects, mild attacks that succeed (bare: without guards)",
        (pd.DataFrame(rows)),
    )
    widest = ALL if ALL in set(decoys["task"]) else decoys["task"].iloc[0]
    single = decoys[(decoys["task"] == widest) & ~decoys["decoy"].isin([ANY, MEAN])]
    shown = single.assign(share=[_rate(row) for row in single.to_dict("records")])
    shown["decoy"] = shown["decoy"].mask(shown["kind"] == TRUTH_KIND, "not first")
    table = shown.pivot(index=["kind", "decoy"], columns="policy", values="share")
    table = table.reindex(columns=list(dict.fromkeys(single["policy"]))).fillna("-")
    frame = table.sort_index(key=_in_order, level="kind", sort_remaining=False).reset_index()
    yield f"The same, one by one, {widest}: with guards (without)", frame


def _in_order(kinds: pd.Index) -> pd.Index:
    return kinds.map(_KINDS.index)


def _headline(group: pd.DataFrame) -> dict[str, str]:
    told = {(row["kind"], row["decoy"]): row for row in group.to_dict("records")}
    shown = {
        name: _percents(told[kind, decoy], column) if (kind, decoy) in told else "-"
        for name, (kind, decoy, column) in _HEADLINES.items()
    }
    if truth := told.get((TRUTH_KIND, "truth")):
        first = {f"first{end}": 1.0 - truth[f"lost{of}"] for end, of in _MIRRORED.items()}
        shown["truth first"] = _percents(first, "first")
    return shown


def _interval(row: Mapping[Any, Any], name: str) -> str:
    mean, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return "-" if np.isnan(mean) else f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def _percents(row: Mapping[Any, Any], name: str) -> str:
    mean, low, high = (row[f"{name}{end}"] for end in ("", "_low", "_high"))
    return "-" if np.isnan(mean) else f"{mean:.0%} [{100 * low:.0f}, {100 * high:.0f}]"


def _rate(row: Mapping[Any, Any]) -> str:
    return f"{_percent(row['lost'])} ({_percent(row['lost_bare'])})"


def _percent(value: float) -> str:
    return "-" if np.isnan(value) else f"{value:.0%}"

"""What the command line prints of an evaluation: short tables, the whole ones are in the lab."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from fusionlab.evaluation.comparing import ALL, OURS
from fusionlab.evaluation.field import GROUPS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionlab.evaluation.run import Evaluation

#: More data sets than this are shown by those who are evaluated alone.
_WHOLE = 2


def tables(found: Evaluation) -> Iterator[tuple[str, pd.DataFrame]]:
    """Yield the title and the rows of each table; of a dry run, how much is missing."""
    if not found.frames:
        yield "To do", pd.DataFrame([{"images to fuse and measure": found.to_fuse}])
        return
    board, against = found.frames["leaderboard"], found.frames["comparisons"]
    few = len(found.kept) <= _WHOLE
    shown = board if few else board[board["kind"].isin(OURS) | (board["dataset"] == ALL)]
    for (task, dataset), rows in shown.groupby(["task", "dataset"], sort=False):
        yield f"Mean ranks, {_name(str(task), str(dataset))}", _board(rows)
    pooled = against[against["dataset"] == ALL]
    differences = against if few or pooled.empty else pooled
    if len(differences):
        yield "Differences of mean ranks, the first less the second", _compared(differences)
    if len(found.frames["opinions"]):
        yield "Do ranks agree with people? (Spearman, 1 at best)", found.frames["opinions"]


def _name(task: str, dataset: str) -> str:
    if dataset != ALL:
        return f"{task}/{dataset}"
    return "all data sets" if task == ALL else f"all data sets of {task}"


def _board(rows: pd.DataFrame) -> pd.DataFrame:
    """Return one row a method and form, its groups side by side."""
    groups = [group for group in GROUPS if (rows["group"] == group).any()]
    first = rows[rows["group"] == ("unseen" if "unseen" in groups else groups[0])]
    table = first[["method", "form", "level", "scenes", "validation"]].copy()
    table["form"] = table["form"].where(table["level"], table["form"] + " *")
    for group in groups:
        mine = rows[rows["group"] == group].set_index(["method", "form"])
        mine = mine.reindex(pd.MultiIndex.from_frame(first[["method", "form"]]))
        table[group] = [_interval(r) for r in mine[["rank", "low", "high"]].itertuples(index=False)]
        if rows["position"].notna().any():  # over several data sets there is none
            table[f"place {group}"] = [_place(*r) for r in mine[["position", "of"]].to_numpy()]
        table[f"wins {group}"] = mine["wins"].to_numpy()
    return table.drop(columns=["level", *([] if table["validation"].any() else ["validation"])])


def _interval(row: tuple[float, float, float]) -> str:
    mean, low, high = row
    if pd.isna(mean):
        return "-"
    return f"{mean:.2f}" if pd.isna(low) else f"{mean:.2f} [{low:.2f}, {high:.2f}]"


def _place(position: float, of: float) -> str:
    return "-" if pd.isna(position) else f"{position:g} of {of:g}"


def _compared(frame: pd.DataFrame) -> pd.DataFrame:
    """Return the differences with their intervals, or that one scene has none."""
    where = [_name(t, d) for t, d in frame[["task", "dataset"]].itertuples(index=False)]
    table = frame[["group", "method", "against", "scenes"]].copy()
    table.insert(0, "where", where)
    columns = frame[["difference", "low", "high"]].itertuples(index=False)
    table["difference"] = [_interval(row) for row in columns]
    excludes = ["yes" if yes else "no" for yes in frame["excludes_zero"]]
    table["excludes zero"] = [
        "one scene" if pd.isna(low) else said
        for low, said in zip(frame["low"], excludes, strict=True)
    ]
    return table.assign(better=frame["better"], worse=frame["worse"])

"""Who is better than whom: differences of mean ranks, scene by scene, with their intervals.

Another collection of scenes would have given other figures: an interval says by how much. One that
holds 0 says that chance could have made the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab.decoys import DECOY_PREFIX
from fusionlab.evaluation.compression import LOSSLESS
from fusionlab.evaluation.entrants import LABELS, RUN
from fusionlab.evaluation.tables import COMPARISONS
from fusionlab.validation.intervals import Interval, bootstrap_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: In the columns task and data set: over all of them.
ALL = "*"

#: What the form is called there in which entrants are on a level with the candidates.
LEVEL = "level"

#: Kinds of rows that are entrants.
OURS = ("run", "labels")

#: Ranks that are nearer than this are equal.
CLOSE = 1e-9

_LEAST = 2  # scenes that an interval needs

#: With fewer scenes no difference is called sure: a bootstrap of few is too narrow, and even if all
#: of 5 agree, chance does that in 2 of 32 cases.
_SURE = 6


def kind_of(method: str) -> str:
    """Return what kind of method a row of the leaderboard is of."""
    prefixes = {RUN: "run", LABELS: "labels", DECOY_PREFIX: "decoy"}
    return next((k for prefix, k in prefixes.items() if method.startswith(prefix)), "candidate")


def interval_of(values: pd.Series) -> Interval:
    """Return the mean over scenes with its interval, which one scene does not have."""
    found = bootstrap_mean(values)
    return found if found.count >= _LEAST else Interval(found.mean, np.nan, np.nan, found.count)


def levels(scenes: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield data sets, tasks of several, and all; of the last two who is in more than one."""
    for (task, dataset), rows in scenes.groupby(["task", "dataset"]):
        yield str(task), str(dataset), rows
    entrants = _across(scenes[scenes["kind"] != "candidate"])
    for task, rows in entrants.groupby("task"):
        if len(rows["dataset"].unique()) > 1:
            yield str(task), ALL, rows
    if len(entrants["task"].unique()) > 1:
        yield ALL, ALL, entrants


def _across(entrants: pd.DataFrame) -> pd.DataFrame:
    """Give forms one name over data sets, where what is on a level with the candidates differs.

    Lossless images are listed beside that, of who has any image that was compressed.
    """
    level = entrants[entrants["level"]]
    ours = level["kind"].isin(OURS)
    apart = set(entrants.loc[~entrants["level"], "method"])
    mine = entrants[entrants["method"].isin(apart)]
    first = mine.assign(coded=mine["form"] != LOSSLESS).sort_values("coded", kind="stable")
    places = ["task", "dataset", "scene", "group", "method"]
    beside = first.drop_duplicates(places).drop(columns="coded").assign(form=LOSSLESS)
    named = level.assign(form=level["form"].mask(ours, LEVEL))
    return pd.concat([named, beside.assign(level=False)], ignore_index=True)


def comparisons(scenes: pd.DataFrame, pairs: pd.DataFrame, names: Sequence[str]) -> pd.DataFrame:
    """Compare every run with what comes after it, and runs and labels with the best candidate."""
    rows = []
    level = scenes[scenes["level"]]
    for task, dataset, frame in levels(level):
        for group, mine in frame.groupby("group"):
            wide = mine.pivot(index=["task", "dataset", "scene"], columns="method", values="rank")
            there = [name for name in names if name in wide]
            where = {"task": task, "dataset": dataset, "group": group}
            for place, first in enumerate(there):
                for second in there[place + 1 :]:
                    if first.startswith(RUN):
                        said = _difference(wide[first] - wide[second])
                        rows.append({**where, "method": first, "against": second, **said})
            if dataset != ALL:
                rows += [{**where, **row} for row in _with_best(pairs, mine, there, str(group))]
    return pd.DataFrame(rows, columns=COMPARISONS.columns.names)


def _with_best(
    pairs: pd.DataFrame, mine: pd.DataFrame, there: Sequence[str], group: str
) -> Iterator[dict[str, object]]:
    """Yield who is compared with the candidate that has the best mean rank of those everywhere."""
    candidates = mine[mine["kind"] == "candidate"].groupby("method")["rank"]
    means = candidates.agg(["size", "mean"])
    everywhere = means[means["size"] == mine["scene"].nunique()]
    if everywhere.empty:
        return
    best = str(everywhere["mean"].idxmin())
    first = mine.iloc[0]
    theirs = pairs[
        (pairs["task"] == first["task"])
        & (pairs["dataset"] == first["dataset"])
        & (pairs["group"] == group)
        & (pairs["candidate"] == best)
    ]
    forms = mine.drop_duplicates("method").set_index("method")["form"]
    for name in there:
        rows = theirs[(theirs["method"] == name) & (theirs["form"] == forms[name])]
        yield {"method": name, "against": best, **_difference(rows["rank"] - rows["theirs"])}


def _difference(values: pd.Series) -> dict[str, object]:
    """Return the columns of `COMPARISONS` that say by how much: below zero is better."""
    known = values.dropna()
    found = interval_of(known)
    return {
        "scenes": found.count,
        "difference": found.mean,
        "low": found.low,
        "high": found.high,
        "excludes_zero": found.count >= _SURE and bool(found.high < 0 or found.low > 0),
        "better": int((known < -CLOSE).sum()),
        "worse": int((known > CLOSE).sum()),
    }

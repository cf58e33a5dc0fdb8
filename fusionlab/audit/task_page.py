"""The page of one task: its data sets, who wins, which metrics agree, who enters what."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scipy.cluster import hierarchy
from scipy.spatial.distance import squareform

from fusionlab.audit.cells import table_of
from fusionlab.audit.doubts import doubts, provenance, repairs
from fusionlab.audit.figures import bars, heat_map, histogram
from fusionlab.audit.overview import dataset_table
from fusionlab.audit.sections import Page, Section, Tabled
from fusionlab.audit.words import about_labels, facts_of
from fusionlab.tasks import get_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from fusionlab.audit.study import Study

#: Bars, and methods of a matrix.
_MOST_BARS, _MOST_METHODS = 20, 40


def task_page(study: Study, task: str, frames: Mapping[str, pd.DataFrame]) -> Page:
    """Gather what the page of a task shows."""
    known = [study.dataset(*key) for key in study.datasets() if key[0] == task]
    mine = {
        name: frame[frame["task"] == task].drop(columns="task").reset_index(drop=True)
        for name, frame in frames.items()
    }
    labels = study.chosen[study.chosen["task"] == task]
    scenes = sum(len(d.scenes) for d in known)
    title = get_task(task).title
    return Page(
        f"{title[0].upper()}{title[1:]}",
        "task",
        [],
        about_labels(labels, scenes),
        facts_of(labels, scenes),
        [
            Section(
                "Data sets", tables=[Tabled(dataset_table(known), "The data sets of this task.")]
            ),
            _wins_of_task(mine["wins"], labels),
            _agreement(mine),
            _coverage(mine["coverage"]),
            *doubts(mine, labels),
            repairs(mine),
            *provenance(mine, folded=True),
        ],
    )


def _wins_of_task(wins: pd.DataFrame, labels: pd.DataFrame) -> Section:
    won = wins[wins["wins"] > 0]
    if won.empty:
        return Section("Wins")
    top = won.head(_MOST_BARS)
    return Section(
        "Wins",
        [],
        [
            bars(
                top["method"].tolist(),
                top["wins"].tolist(),
                "Scenes won by each method.",
                "scenes won",
            ),
            histogram(labels["margin"], "Lead of each label over its runner-up.", "margin"),
        ],
        [
            Tabled(
                table_of(wins),
                "Wins, scenes entered, their ratio, and the median margin of the wins.",
                folded=True,
            )
        ],
    )


def _agreement(frames: Mapping[str, pd.DataFrame]) -> Section:
    """Draw both matrices, what is alike side by side."""
    figures = []
    metrics = _matrix(frames["agreement_metrics"], "metric")
    if len(metrics) > 1:
        figures.append(
            heat_map(
                metrics,
                "Kendall's tau-b between metrics, mean over scenes: 1 they order the candidates "
                "alike, 0 independently, -1 the other way round.",
                low=-1,
                high=1,
                says="%{y} and %{x}: %{z:.2f}",
                narrow=len(metrics) <= 12,
            )
        )
    pairs = frames["agreement_methods"]
    often = pairs[pairs["method_a"] == pairs["method_b"]].nlargest(_MOST_METHODS, "scenes")[
        "method_a"
    ]
    methods = _matrix(
        pairs[pairs["method_a"].isin(often) & pairs["method_b"].isin(often)], "method"
    )
    if len(methods) > 1:
        figures.append(
            heat_map(
                methods,
                "How alike two methods are scored: one less their mean difference in rank over all "
                "metrics and common scenes. Blank: they share no scene.",
                low=0.3,
                says="%{y} and %{x}: %{z:.2f}",
            )
        )
    text = (
        "Metrics that agree say the same twice; metrics that disagree pull a policy apart. Methods "
        "that are scored alike may be variants of one."
    )
    return Section("Agreement", [text], figures)


def _matrix(pairs: pd.DataFrame, what: str) -> pd.DataFrame:
    """Return pairs as a matrix in the order of a clustering, what is alike together."""
    matrix = pairs.pivot(index=f"{what}_a", columns=f"{what}_b", values="agreement")
    if len(matrix) <= 2:
        return matrix
    distance = (1 - matrix).clip(lower=0).fillna(1.0).to_numpy(copy=True)
    distance = (distance + distance.T) / 2
    distance[range(len(distance)), range(len(distance))] = 0.0
    order = hierarchy.leaves_list(
        hierarchy.linkage(squareform(distance), "average", optimal_ordering=True)
    )
    names = matrix.index[order]
    return matrix.loc[names, names]


def _coverage(frame: pd.DataFrame) -> Section:
    table = frame.pivot(index="method", columns="dataset", values="share")
    table = table.loc[table.sum(axis=1).sort_values(ascending=False, kind="stable").index]
    if table.empty:
        return Section("Coverage")
    return Section(
        "Coverage",
        ["Methods can be compared only where they enter the same scenes."],
        [
            heat_map(
                table,
                "Share of a data set's scenes that each method enters.",
                says="%{y} enters %{z:.0%} of %{x}",
            )
        ],
    )

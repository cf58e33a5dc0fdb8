"""The page of one data set: who won and by how much, what the metrics say, and every scene."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from fusionlab.audit.diagram import critical_diagram
from fusionlab.audit.doubts import doubts, provenance
from fusionlab.audit.figures import bars, heat_map, histogram, spreads
from fusionlab.audit.links import task_url
from fusionlab.audit.scene_list import scene_list
from fusionlab.audit.sections import Page, Section
from fusionlab.audit.words import about_labels, counted, facts_of
from fusionlab.selection.normalise import rank
from fusionlab.tasks import get_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.audit.study import DatasetStudy

#: Bars and rejects shown at once.
_MOST_BARS, _MOST_ROWS = 20, 500


def dataset_page(known: DatasetStudy, frames: Mapping[str, pd.DataFrame]) -> Page:
    """Gather what the page of a data set shows; `frames` are those of `all_frames`."""
    task = get_task(known.task)
    mine = {name: _of(frame, known) for name, frame in frames.items()}
    labels = known.chosen
    return Page(
        known.dataset,
        f"{task.title}, data set",
        [(task.title, task_url(known.task))],
        about_labels(labels, len(known.scenes)),
        facts_of(labels, len(known.scenes)),
        [
            _winners(labels),
            _scores(known, mine["rank_distribution"]),
            _differences(mine["critical_difference"], mine["rank_distribution"]),
            *doubts(mine, labels),
            *provenance(mine, rejected=_rejected(known)),
            Section(
                "Scenes",
                ["Every scene has a page of its own."],
                scenes=scene_list(known),
            ),
        ],
    )


def _of(frame: pd.DataFrame, known: DatasetStudy) -> pd.DataFrame:
    """Return the rows about one data set, without the columns that name it."""
    if "dataset" not in frame:
        return frame.iloc[:0]
    mine = frame[(frame["task"] == known.task) & (frame["dataset"] == known.dataset)]
    return mine.drop(columns=["task", "dataset"]).reset_index(drop=True)


def _winners(labels: pd.DataFrame) -> Section:
    if labels.empty:
        return Section("Wins")
    won = labels["method"].value_counts().rename_axis("method").reset_index(name="wins")
    won = won.sort_values(["wins", "method"], ascending=[False, True]).head(_MOST_BARS)
    return Section(
        "Wins",
        [],
        [
            bars(
                won["method"].tolist(),
                won["wins"].tolist(),
                f"How many of the {counted(len(labels), 'label')} are whose.",
                "scenes won",
            ),
            histogram(
                labels["margin"],
                "The lead of each label over its runner-up. Near 0 the choice hangs on a hair.",
                "margin",
            ),
        ],
    )


def _scores(known: DatasetStudy, spread: pd.DataFrame) -> Section:
    """Draw the mean rank of each method in each metric, the policy's metrics first."""
    upward = known.upward
    if upward.empty:
        return Section("What the metrics say")
    scenes = pd.Series(upward.index.get_level_values("scene"), index=upward.index)
    mean = rank(upward, scenes).groupby(level="method").mean()
    first = [m for m in known.ranked.weights if m in mean]
    order = [m for m in spread["method"] if m in mean.index]
    order += sorted(set(mean.index) - set(order))
    table = mean.loc[order, first + sorted(set(mean.columns) - set(first))]
    return Section(
        "What the metrics say",
        [
            "Scores are ranked within each scene, 1 the best and 0 the worst, and averaged over "
            "the scenes that the method enters. Methods stand in the order of the policy; its "
            f"metrics ({', '.join(first)}) come first."
        ],
        [heat_map(table, "Mean rank of every method in every metric; 1 is the best.")],
    )


def _differences(compared: pd.DataFrame, spread: pd.DataFrame) -> Section:
    figures = []
    if len(compared):
        row = compared.iloc[0]
        figures.append(
            critical_diagram(
                compared,
                f"Mean places of the {row['methods']} methods that have one in all "
                f"{row['scenes']} scenes. Friedman: chi-squared {row['chi2']:.1f}, p = "
                f"{row['p']:.2g}. Methods under an orange bar are not told apart (Nemenyi, 5 %).",
            )
        )
    if len(spread):
        figures.append(
            spreads(
                spread,
                "Places over the scenes that the method enters: box from the first to the third "
                "quartile, line at the median, dashes at the mean, whiskers to the extremes.",
            )
        )
    return Section("Do the methods differ?", [], figures)


def _rejected(known: DatasetStudy) -> pd.DataFrame:
    rejects = known.study.rejects
    mine = rejects[(rejects["task"] == known.task) & (rejects["dataset"] == known.dataset)]
    return mine.drop(columns=["task", "dataset"]).head(_MOST_ROWS)

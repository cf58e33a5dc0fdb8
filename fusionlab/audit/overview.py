"""The overview, and the list of all scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from fusionlab import __version__
from fusionlab.audit.cells import Cell, Column, Row, Table, number_cell, table_of
from fusionlab.audit.doubts import doubts, provenance, repairs
from fusionlab.audit.figures import bars
from fusionlab.audit.links import dataset_url, task_url
from fusionlab.audit.scene_list import scene_list
from fusionlab.audit.sections import Listed, Page, Scenes, Section, Tabled
from fusionlab.audit.words import about_labels, counted, facts_of
from fusionlab.tasks import get_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.audit.study import DatasetStudy, Study

_MOST_BARS = 20


def overview_page(study: Study, frames: Mapping[str, pd.DataFrame], policy: str) -> Page:
    """Gather what the first page shows.

    Parameters
    ----------
    frames : those of `all_frames`.
    policy : the policy, as YAML.
    """
    known = [study.dataset(*key) for key in study.datasets()]
    scenes = sum(len(d.scenes) for d in known)
    tasks = list(dict.fromkeys(d.task for d in known))
    chosen = study.chosen
    provenance_facts = {
        "labels": study.name,
        "policy": f"{study.policy.name} v{study.policy.version}",
        "digest of the policy": study.policy.digest[:16],
        "selected with": ", ".join(sorted(chosen["software_version"].unique())),
        "reported with": __version__,
    }
    opening = (
        f"What the policy {study.policy.name} v{study.policy.version} chose as pseudo-labels from "
        f"{counted(len(known), 'data set')} of {counted(len(tasks), 'task')}, "
        "and how far to trust it."
    )
    return Page(
        f"Pseudo-labels “{study.name}”",
        "",
        [],
        [opening, *about_labels(chosen, scenes)],
        facts_of(chosen, scenes),
        [
            Section(
                "Data sets",
                tables=[
                    Tabled(dataset_table(known), "Every data set, its labels and their doubts.")
                ],
            ),
            Section(
                "Tasks",
                tables=[Tabled(_task_table(known, tasks), "The same by task.")],
            ),
            _winners(frames["wins"], tasks),
            *doubts(_without(frames), chosen),
            repairs(frames),
            *provenance(_summed(frames), folded=True),
            Section(
                "Policy",
                ["This is all that decided; no pixel was looked at, and no truth."],
                code=policy,
            ),
            Section(
                "Provenance",
                tables=[
                    Tabled(
                        table_of(pd.DataFrame(provenance_facts.items(), columns=["what", "is"])),
                        "What this report stands on.",
                    )
                ],
            ),
        ],
    )


def _without(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the frames with the truth summed up by data set."""
    truth = frames["truth"]
    grouped = truth.groupby(["task", "dataset"])[["chosen", "mean", "best", "regret"]]
    return {**frames, "truth": grouped.mean().reset_index()}


def _summed(frames: Mapping[str, pd.DataFrame]) -> dict[str, pd.DataFrame]:
    """Return the fingerprints summed over data sets; the pages of those have them in full."""
    flags = frames["fingerprints"].groupby(["task", "role", "flag"])["count"].sum().reset_index()
    return {**frames, "fingerprints": flags}


def dataset_table(known: list[DatasetStudy]) -> Table:
    """Return one row a data set: its labels and their doubts."""
    columns = [Column("data set"), Column("task"), Column("scenes", True), Column("labels", True)]
    columns += [Column("candidates", True, "images"), Column("first"), Column("wins", True)]
    columns += [Column("median margin", True), Column("ties", True), Column("decoy leads", True)]
    rows = []
    for one in known:
        labels = one.chosen
        won = labels["method"].value_counts() if len(labels) else pd.Series(dtype=int)
        rows.append(
            Row(
                [
                    Cell(one.dataset, href=dataset_url(one.task, one.dataset)),
                    Cell(get_task(one.task).title, href=task_url(one.task)),
                    number_cell(len(one.scenes)),
                    number_cell(len(labels)),
                    number_cell(int((one.index["role"] == "method").sum())),
                    Cell(str(won.index[0]) if len(won) else ""),
                    number_cell(int(won.iloc[0]) if len(won) else 0),
                    number_cell(float(labels["margin"].median()) if len(labels) else None),
                    number_cell(int(labels["tied"].sum()) if len(labels) else 0),
                    number_cell(int((labels["decoy"] != "").sum()) if len(labels) else 0),
                ]
            )
        )
    return Table(columns, rows)


def _task_table(known: list[DatasetStudy], tasks: list[str]) -> Table:
    columns = [Column("task"), Column("data sets", True), Column("scenes", True)]
    columns += [Column("methods", True), Column("labels", True)]
    rows = []
    for task in tasks:
        mine = [d for d in known if d.task == task]
        methods = {m for d in mine for m in d.index.loc[d.index["role"] == "method", "name"]}
        cells = [Cell(get_task(task).title, href=task_url(task)), number_cell(len(mine))]
        cells += [number_cell(sum(len(d.scenes) for d in mine)), number_cell(len(methods))]
        rows.append(Row([*cells, number_cell(sum(len(d.labels) for d in mine))]))
    return Table(columns, rows)


def _winners(wins: pd.DataFrame, tasks: list[str]) -> Section:
    figures = []
    for task in tasks:
        won = wins[(wins["task"] == task) & (wins["wins"] > 0)].head(_MOST_BARS)
        if len(won):
            figures.append(
                bars(
                    won["method"].tolist(),
                    won["wins"].tolist(),
                    f"Wins, {get_task(task).title}.",
                    "scenes won",
                )
            )
    return Section("Wins", [], figures)


def scenes_page(study: Study) -> Page:
    """List all scenes of all data sets."""
    rows, columns = [], [Column("data set")]
    for key in study.datasets():
        listed, name = scene_list(study.dataset(*key)), "/".join(key)
        columns = [Column("data set"), *listed.columns]
        for row in listed.rows:
            cells = [Cell(name, href=dataset_url(*key)), *row.cells]
            rows.append(Listed(row.name, row.href, "", cells, f"{name.lower()} {row.words}"))
    return Page("All scenes", "list", [], [], {}, [Section("Scenes", scenes=Scenes(columns, rows))])

"""Which place every method takes over the scenes, which scenes it enters, and who is kept out."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from fusionlab.audit.marks import commonest
from fusionlab.audit.study import Study, study_of
from fusionlab.selection.choose import is_decoy

if TYPE_CHECKING:
    from fusionlab.lab import Lab
    from fusionlab.paths import Place


def places(lab: Study | Lab | Place | str = "lab", labels: str | None = None) -> pd.DataFrame:
    """Return the place of every candidate under the policy that chose the labels.

    Columns ``task, dataset, scene, method, place, of, total``: 1 is the policy's first, `of` how
    many candidates take part in the scene.
    """
    study = study_of(lab, labels)
    columns = ["task", "dataset", "scene", "method", "place", "of", "total"]
    frames = []
    for task, dataset in study.datasets():
        real = study.dataset(task, dataset).ranked.real
        of = real.groupby("scene")["method"].transform("size")
        frames.append(real.assign(task=task, dataset=dataset, of=of)[columns])
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame(columns=columns)


def rank_distribution(
    lab: Study | Lab | Place | str = "lab", labels: str | None = None
) -> pd.DataFrame:
    """Return how the places of every method are spread, by data set, the best method first.

    Columns ``task, dataset, method, scenes, mean, best, p25, median, p75, worst``.
    """
    grouped = places(lab, labels).groupby(["task", "dataset", "method"])["place"]
    frame = grouped.agg(
        scenes="size",
        mean="mean",
        best="min",
        p25=lambda place: place.quantile(0.25),
        median="median",
        p75=lambda place: place.quantile(0.75),
        worst="max",
    )
    return frame.reset_index().sort_values(["task", "dataset", "mean", "method"], ignore_index=True)


def coverage(lab: Study | Lab | Place | str = "lab", labels: str | None = None) -> pd.DataFrame:
    """Return how many scenes of each data set each method enters.

    Columns ``task, dataset, method, entered, scenes, share``. A method is listed under every data
    set of its task, with 0 where it enters none. Entered is what ingest took; the places
    (`rank_distribution`) count what also has scores and is allowed by the policy.
    """
    study = study_of(lab, labels)
    counts, scenes = [], {}
    for task, dataset in study.datasets():
        index = study.dataset(task, dataset).index
        scenes[task, dataset] = index["scene"].nunique()
        entered = index[index["role"] == "method"].groupby("name")["scene"].nunique()
        counts.append(entered.rename_axis("method").rename("entered").reset_index())
        counts[-1][["task", "dataset"]] = task, dataset
    columns = ["task", "dataset", "method", "entered", "scenes", "share"]
    if not counts:
        return pd.DataFrame(columns=columns)
    found = pd.concat(counts, ignore_index=True)
    rows = [
        {"task": task, "dataset": dataset, "method": method, "scenes": count}
        for (task, dataset), count in scenes.items()
        for method in sorted(found.loc[found["task"] == task, "method"].unique())
    ]
    frame = pd.DataFrame(rows, columns=[*columns[:3], "scenes"])
    frame = frame.merge(found, how="left", on=["task", "dataset", "method"])
    frame["entered"] = frame["entered"].fillna(0).astype(int)
    frame["share"] = frame["entered"] / frame["scenes"]
    return frame[columns]


def guards(lab: Study | Lab | Place | str = "lab", labels: str | None = None) -> pd.DataFrame:
    """Return how many candidates each guard, or excluded flag, turned away.

    Columns ``task, dataset, guard, turned_away, candidates, share, examples``: of the candidates of
    the data set that have scores, and the methods that it turned away most often. Decoys are not
    counted. A candidate that fails several guards counts for the first of the policy.
    """
    study = study_of(lab, labels)
    columns = ["task", "dataset", "guard", "turned_away", "candidates", "share", "examples"]
    frames = []
    for task, dataset in study.datasets():
        away = study.dataset(task, dataset).ranked.away
        away = away[~is_decoy(away)]
        rows = away[away != ""].rename("guard").reset_index()
        found = rows.groupby("guard")["method"].agg(turned_away="size", examples=commonest)
        found["candidates"], found["share"] = len(away), found["turned_away"] / max(len(away), 1)
        frames.append(found.reset_index().assign(task=task, dataset=dataset)[columns])
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=columns)

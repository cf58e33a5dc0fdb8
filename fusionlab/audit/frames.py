"""One pandas frame for each question about a labels manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab.decoys import DECOY_PREFIX, DECOYS
from fusionlab.errors import LabError
from fusionlab.lab import Lab

if TYPE_CHECKING:
    from fusionlab.paths import Place

_SCENE = ["task", "dataset", "scene"]
TRUTH_METRIC = "PSNR_ref"


def open_labels(lab: Lab | Place | str, labels: str | None) -> tuple[Lab, str, pd.DataFrame]:
    """Open a lab and one of its labels manifests; without a name, the only one there is.

    Of several labels a scene, only the first is given.

    Raises
    ------
    LabError
        When there is no lab, no labels, or the name was left out and there are several.
    """
    opened = Lab.of(lab)
    names = opened.labels_names()
    if labels is None and len(names) > 1:
        raise LabError(f"{opened.path}: holds several labels sets, name one: {', '.join(names)}")
    name = labels or (names[0] if names else "NAME")
    rows = opened.labels(name)
    return opened, name, rows[rows["place"] == 1].reset_index(drop=True)


def wins(lab: Lab | Place | str = "lab", labels: str | None = None) -> pd.DataFrame:
    """Return wins per task and method.

    Columns ``task, method, wins, entered, share, margin``: scenes won, scenes entered, their
    ratio, and the median margin of the wins. Methods that never won are in, with 0.
    """
    opened, _, chosen = open_labels(lab, labels)
    won = chosen.groupby(["task", "method"]).agg(
        wins=("scene", "size"), margin=("margin", "median")
    )
    labelled = pd.MultiIndex.from_frame(chosen[_SCENE])
    entered = []
    for key in sorted(set(zip(chosen["task"], chosen["dataset"], strict=True))):
        index = opened.index(*key)
        methods = index[index["role"] == "method"]
        entered.append(methods[pd.MultiIndex.from_frame(methods[_SCENE]).isin(labelled)])
    counts = (
        pd.concat(entered).rename(columns={"name": "method"}).groupby(["task", "method"]).size()
    )
    frame = counts.rename("entered").to_frame().join(won, how="left")
    frame["wins"] = frame["wins"].fillna(0).astype(int)
    frame["share"] = frame["wins"] / frame["entered"]
    frame = frame.reset_index()[["task", "method", "wins", "entered", "share", "margin"]]
    return frame.sort_values(
        ["task", "wins", "share", "method"], ascending=[True, False, False, True], ignore_index=True
    )


def margins(lab: Lab | Place | str = "lab", labels: str | None = None) -> pd.DataFrame:
    """Return every label with its lead over the runner-up, least certain first.

    A label without a runner-up has no margin and comes last.
    """
    _, _, chosen = open_labels(lab, labels)
    columns = [*_SCENE, "method", "runner_up", "total", "margin", "tied", "stability", "candidates"]
    return chosen.sort_values(["margin", *_SCENE], ignore_index=True)[columns]


def decoys(lab: Lab | Place | str = "lab", labels: str | None = None) -> pd.DataFrame:
    """Return, by task and decoy, on how many scenes it would have won had it been a candidate.

    Columns ``task, decoy, would_win, scenes, share``.
    """
    _, _, chosen = open_labels(lab, labels)
    scenes = chosen.groupby("task").size()
    frame = pd.DataFrame(
        [
            {"task": task, "decoy": decoy, "would_win": int(count), "scenes": int(scenes[task])}
            for task in scenes.index
            for decoy in DECOYS
            for count in [((chosen["task"] == task) & (chosen["decoy"] == decoy)).sum()]
        ]
    )
    frame["share"] = frame["would_win"] / frame["scenes"]
    return frame


def rejects(lab: Lab | Place | str = "lab") -> pd.DataFrame:
    """Return how many inputs each stage turned away, by data set and reason."""
    opened = Lab.of(lab)
    grouped = opened.rejects().groupby(["stage", "task", "dataset", "reason"])
    frame = grouped.agg(count=("detail", "size"), example=("detail", "first")).reset_index()
    return frame.sort_values(["stage", "task", "dataset", "reason"], ignore_index=True)


def truth(lab: Lab | Place | str = "lab", labels: str | None = None) -> pd.DataFrame:
    """Return, for scenes with a known truth, how near the label is to it, in dB of PSNR.

    Columns ``chosen`` (the label), ``mean`` (the plain mean of the sources), ``best`` (the
    candidate nearest to the truth, named in ``best_method``) and ``regret = best - chosen``.
    Empty where no scene has a truth that was scored. Selection never saw these values.
    """
    opened, _, chosen = open_labels(lab, labels)
    frames = [
        _against_truth(mine, opened.scores(str(task), str(dataset)))
        for (task, dataset), mine in chosen.groupby(["task", "dataset"])
    ]
    return pd.concat(frames, ignore_index=True)


def _against_truth(chosen: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    """Compare the labels of one data set with the truth, for the scenes that have one."""
    scores = scores[scores["metric"] == TRUTH_METRIC]
    chosen = chosen[chosen["scene"].isin(scores["scene"])]
    values = scores.pivot(index="scene", columns="method", values="value").reindex(chosen["scene"])
    candidates = values.loc[:, [not str(m).startswith(DECOY_PREFIX) for m in values.columns]]
    mean = f"{DECOY_PREFIX}mean"
    frame = chosen[[*_SCENE, "method"]].reset_index(drop=True)
    places = zip(frame["scene"], frame["method"], strict=True)
    frame["chosen"] = np.array([values.loc[place] for place in places], dtype=float)
    frame["mean"] = values[mean].to_numpy() if mean in values else np.nan
    frame["best"] = candidates.max(axis=1).to_numpy()
    frame["best_method"] = candidates.idxmax(axis=1).to_numpy() if len(frame) else ""
    frame["regret"] = frame["best"] - frame["chosen"]
    return frame


def certainty(lab: Lab | Place | str = "lab", labels: str | None = None) -> pd.DataFrame:
    """Return, by task, how sure the choices are: labels, ties, quantiles of margin and stability.

    Columns ``task, labels, ties, margin_p10, margin_median, margin_p90, stability_p10,
    stability_median``; the last two are not a number where stability was not measured.
    """
    _, _, chosen = open_labels(lab, labels)
    grouped = chosen.groupby("task")
    frame = grouped.agg(labels=("scene", "size"), ties=("tied", "sum"))
    quantiles = grouped["margin"].quantile(np.array([0.1, 0.5, 0.9])).unstack()
    quantiles.columns = pd.Index(["margin_p10", "margin_median", "margin_p90"])
    shaken = grouped["stability"].quantile(np.array([0.1, 0.5])).unstack()
    shaken.columns = pd.Index(["stability_p10", "stability_median"])
    return frame.join(quantiles).join(shaken).reset_index()

"""One pandas frame for each question about a labels manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab.errors import LabError
from fusionlab.lab import Lab
from fusionlab.scoring.decoys import DECOY_PREFIX, DECOYS

if TYPE_CHECKING:
    from pathlib import Path

_SCENE = ["task", "dataset", "scene"]
TRUTH_METRIC = "PSNR_ref"


def open_labels(lab: Lab | Path | str, labels: str | None) -> tuple[Lab, str, pd.DataFrame]:
    """Open a lab and one of its labels manifests; without a name, the only one there is.

    Raises
    ------
    LabError
        When there is no lab, no labels, or the name was left out and there are several.
    """
    opened = lab if isinstance(lab, Lab) else Lab.open(lab)
    names = opened.labels_names()
    if labels is None and len(names) > 1:
        raise LabError(f"{opened.path}: holds several labels sets, name one: {', '.join(names)}")
    name = labels or (names[0] if names else "NAME")
    return opened, name, opened.labels(name)


def wins(lab: Lab | Path | str = "lab", labels: str | None = None) -> pd.DataFrame:
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


def margins(lab: Lab | Path | str = "lab", labels: str | None = None) -> pd.DataFrame:
    """Return every label with its lead over the runner-up, least certain first.

    A label without a runner-up has no margin and comes last.
    """
    _, _, chosen = open_labels(lab, labels)
    columns = [*_SCENE, "method", "runner_up", "total", "margin", "tied", "candidates"]
    return chosen.sort_values(["margin", *_SCENE], ignore_index=True)[columns]


def decoys(lab: Lab | Path | str = "lab", labels: str | None = None) -> pd.DataFrame:
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


def rejects(lab: Lab | Path | str = "lab") -> pd.DataFrame:
    """Return how many inputs each stage turned away, by data set and reason."""
    opened = lab if isinstance(lab, Lab) else Lab.open(lab)
    grouped = opened.rejects().groupby(["stage", "task", "dataset", "reason"])
    frame = grouped.agg(count=("detail", "size"), example=("detail", "first")).reset_index()
    return frame.sort_values(["stage", "task", "dataset", "reason"], ignore_index=True)


def truth(lab: Lab | Path | str = "lab", labels: str | None = None) -> pd.DataFrame:
    """Return, for scenes with a known truth, how near the label is to it, in dB of PSNR.

    Columns ``chosen`` (the label), ``mean`` (the plain mean of the sources), ``best`` (the
    candidate nearest to the truth, named in ``best_method``) and ``regret = best - chosen``.
    Empty where no scene has a truth that was scored. Selection never saw these values.
    """
    opened, _, chosen = open_labels(lab, labels)
    frames = []
    for key in sorted(set(zip(chosen["task"], chosen["dataset"], strict=True))):
        scores = opened.scores(*key)
        scores = scores[scores["metric"] == TRUTH_METRIC]
        is_decoy = scores["method"].str.startswith(DECOY_PREFIX)
        real = scores[~is_decoy].sort_values(
            ["scene", "value", "method"], ascending=[True, False, True]
        )
        best = real.drop_duplicates("scene").set_index("scene")
        by_place = scores.set_index(["scene", "method"])["value"]
        mine = chosen[(chosen["task"] == key[0]) & (chosen["dataset"] == key[1])]
        mine = mine[mine["scene"].isin(best.index)]
        frame = mine[[*_SCENE, "method"]].copy()
        frame["chosen"] = by_place.reindex(
            pd.MultiIndex.from_frame(mine[["scene", "method"]])
        ).to_numpy()
        means = [(scene, f"{DECOY_PREFIX}mean") for scene in mine["scene"]]
        frame["mean"] = by_place.reindex(
            pd.MultiIndex.from_tuples(means, names=["scene", "method"])
            if means
            else by_place.index[:0]
        ).to_numpy()
        frame["best"] = best["value"].reindex(mine["scene"]).to_numpy()
        frame["best_method"] = best["method"].reindex(mine["scene"]).to_numpy()
        frame["regret"] = frame["best"] - frame["chosen"]
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


def certainty(lab: Lab | Path | str = "lab", labels: str | None = None) -> pd.DataFrame:
    """Return, by task, how large the margins are: labels, ties, and quantiles of the margin."""
    _, _, chosen = open_labels(lab, labels)
    grouped = chosen.groupby("task")
    frame = grouped.agg(labels=("scene", "size"), ties=("tied", "sum"))
    quantiles = grouped["margin"].quantile(np.array([0.1, 0.5, 0.9])).unstack()
    quantiles.columns = pd.Index(["margin_p10", "margin_median", "margin_p90"])
    return frame.join(quantiles).reset_index()


def all_frames(lab: Lab | Path | str = "lab", labels: str | None = None) -> dict[str, pd.DataFrame]:
    """Return every frame of the audit by its name."""
    opened, name, _ = open_labels(lab, labels)
    return {
        "wins": wins(opened, name),
        "margins": margins(opened, name),
        "certainty": certainty(opened, name),
        "decoys": decoys(opened, name),
        "truth": truth(opened, name),
        "rejects": rejects(opened),
    }

"""Which scene to look at first: those that nobody dared to decide, then the least certain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

if TYPE_CHECKING:
    from fusionlab.audit.study import Study
    from fusionlab.naming import Scene

_SCENE = ["task", "dataset", "scene"]


@dataclass(frozen=True)
class Item:
    """One scene to review.

    Attributes
    ----------
    scene : task, data set, name.
    label : the method that the manifest chose; "" where it chose none.
    doubt : why it stands where it stands, in a few words.
    """

    scene: Scene
    label: str
    doubt: str


def queue(study: Study) -> list[Item]:
    """Return the scenes of a manifest's data sets, the least certain first.

    Scenes that the policy abstained on come first, then others that have candidates and no label,
    then ties, then all others by their stability, or by their margin where that is not known, and
    last those without a rival.
    """
    open_ones, chosen = _unlabelled(study), study.chosen
    certainty = chosen["stability"].fillna(chosen["margin"])
    parts = [
        open_ones.assign(label="", group=open_ones["reason"] != "abstained", certainty=0.0),
        chosen[_SCENE].assign(
            label=chosen["method"],
            reason=_doubts(chosen),
            group=chosen["tied"].map({True: 2, False: 3}),
            certainty=certainty,
        ),
    ]
    rows = pd.concat([part.astype(object) for part in parts], ignore_index=True)
    rows = rows.astype({"group": int, "certainty": float})
    rows = rows.sort_values(["group", "certainty", *_SCENE], na_position="last")
    return [
        Item((row["task"], row["dataset"], row["scene"]), row["label"], row["reason"])
        for row in rows.to_dict("records")
    ]


def _unlabelled(study: Study) -> pd.DataFrame:
    """Return the scenes that have candidates and no label, with the reason that selection gave."""
    frames = [_with_candidates(study.lab.index(*key)) for key in study.datasets()]
    scenes = pd.concat([study.chosen[_SCENE].head(0), *frames], ignore_index=True)
    labelled = pd.MultiIndex.from_frame(study.chosen[_SCENE])
    scenes = scenes[~pd.MultiIndex.from_frame(scenes).isin(labelled)]
    rejects = study.rejects
    told = rejects[(rejects["stage"] == "select") & (rejects["role"] == "scene")]
    reasons = told.drop_duplicates(_SCENE).set_index(_SCENE)["reason"]
    found = reasons.reindex(pd.MultiIndex.from_frame(scenes)).fillna("no label").to_numpy()
    return scenes.assign(reason=found)


def _with_candidates(index: pd.DataFrame) -> pd.DataFrame:
    sources = set(index.loc[index["role"] == "source", "scene"])
    methods = index[(index["role"] == "method") & index["scene"].isin(sources)]
    return methods[_SCENE].drop_duplicates()


def _doubts(chosen: pd.DataFrame) -> pd.Series:
    """Return in words how certain each label is."""
    margins = chosen["margin"].map("margin {:.3f}".format)
    words = margins.where(chosen["margin"].notna(), "no rival")
    words = words.where(~chosen["tied"].astype(bool), "tie")
    stable = chosen["stability"].map("stability {:.2f}, ".format)
    return stable.where(chosen["stability"].notna(), "") + words

"""What is known of how good a candidate is: opinions of people, and the distance to a reference."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab import metrics as metric_library
from fusionlab.decoys import DECOY_PREFIX
from fusionlab.errors import LabError
from fusionlab.scoring.plan import plan_scenes, stamps_of
from fusionlab.selection.scored import eligible

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.lab import Lab

TRUTHS = ("opinion", "reference")
REFERENCE_METRIC = "PSNR_ref"

#: A candidate nearer than this to its reference, in dB, counts as equal to it.
_HIGHEST_PSNR = 100.0


@dataclass(frozen=True)
class Truth:
    """A truth of one data set.

    Attributes
    ----------
    name : ``opinion`` or ``reference``.
    unit : of its values.
    known : its values by (scene, method), higher is better; the pool of a scene is who has one,
        two at least.
    """

    name: str
    unit: str
    known: pd.Series


def truths_of(
    lab: Lab, task: str, dataset: str, wanted: Sequence[str] | None = None
) -> list[Truth]:
    """Return the truths that the lab has of a data set; no decoy is among their candidates.

    Parameters
    ----------
    wanted : names; all when None.

    Raises
    ------
    LabError
        When references were never scored, with the command that does it.
    """
    found = [
        Truth("opinion", "points", _opinions(lab, task, dataset)),
        Truth("reference", "dB", _distances(lab, task, dataset)),
    ]
    return [t for t in found if len(t.known) and (wanted is None or t.name in wanted)]


def _opinions(lab: Lab, task: str, dataset: str) -> pd.Series:
    opinions = lab.opinions(task, dataset)
    there = lab.index(task, dataset).query("role == 'method'")
    known = pd.MultiIndex.from_frame(there[["scene", "name"]])
    scores = opinions.set_index(["scene", "method"])["score"]
    return _pools(scores[scores.index.isin(known)])


def _distances(lab: Lab, task: str, dataset: str) -> pd.Series:
    """Return the PSNR (dB) to the reference, of the pixels that the index has now."""
    index = lab.index(task, dataset)
    index = index[(index["role"] != "method") | index.index.isin(eligible(index).index)]
    plans = [plan for plan in plan_scenes(index) if plan.reference]
    metric = metric_library.get(REFERENCE_METRIC)
    wanted = {
        stamp
        for plan in plans
        for stamp in plan.stamps([metric])
        if not stamp.method.startswith(DECOY_PREFIX)
    }
    scores = lab.scores(task, dataset)
    scores = scores[scores["metric"] == REFERENCE_METRIC]
    stands = np.array([stamp in wanted for stamp in stamps_of(scores)], dtype=bool)
    current = scores[stands]
    if wanted and current.empty:
        raise LabError(
            f"{lab.path}: {task}/{dataset} has references, but {REFERENCE_METRIC} was not scored. "
            f"Score first: fusionlab score --lab {lab.path} --metrics {REFERENCE_METRIC}"
        )
    values = current.set_index(["scene", "method"])["value"].clip(upper=_HIGHEST_PSNR)
    return _pools(values.dropna())


def _pools(values: pd.Series) -> pd.Series:
    """Leave out the scenes that have one candidate: nothing is chosen there."""
    counts = values.groupby(level="scene").transform("size")
    return values[counts > 1].sort_index()

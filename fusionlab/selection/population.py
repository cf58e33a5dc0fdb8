"""A reference population: where a score stands among all candidates that a lab has."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fusionlab.errors import UsageError
from fusionlab.selection.choose import is_decoy
from fusionlab.selection.policy import Policy
from fusionlab.selection.scored import current_scores

if TYPE_CHECKING:
    from fusionlab.lab import Lab

#: Quantiles that are kept of each metric: every twentieth.
_LEVELS = 21

#: Fewer scores than this are no population.
_FEWEST = 20


def with_population(lab: Lab, base: Policy) -> Policy:
    """Return `base` with quantiles of all candidates in `lab` in place of its normalisation.

    A score is then judged by its place among all of them, whatever the other candidates of its
    scene are. Decoys are no part of the population.

    Raises
    ------
    LabError
        When scores are missing, with the command that measures them.
    UsageError
        When the lab has no task that `base` has weights for, or too few candidates.
    """
    tasks = [task for task in base.weights if any(task == t for t, _ in lab.datasets())]
    if not tasks:
        raise UsageError(f"{lab.path}: has no data set of {', '.join(base.weights)}")
    population = {task: _of_task(lab, base, task) for task in tasks}
    content: dict[str, Any] = base.model_dump(mode="json", exclude_unset=True)
    content |= {
        "name": f"{base.name}-quantile",
        "version": 1,
        "description": f"{base.name} v{base.version}, by quantiles of a population of candidates.",
        "normalise": "quantile",
        "weights": {task: base.weights[task] for task in tasks},
        "population": population,
    }
    return Policy.model_validate(content)


def _of_task(lab: Lab, base: Policy, task: str) -> dict[str, list[float]]:
    """Return metric -> values at evenly spaced quantiles."""
    metrics = list(base.task_weights(task))
    frames = [current_scores(lab, t, d, metrics) for t, d in lab.datasets() if t == task]
    scores = pd.concat([frame[~is_decoy(frame)] for frame in frames])
    return {metric: _levels(scores[metric], task, metric) for metric in metrics}


def _levels(values: pd.Series, task: str, metric: str) -> list[float]:
    known = values.to_numpy(dtype=np.float64)
    known = known[np.isfinite(known)]
    if len(known) < _FEWEST:
        raise UsageError(
            f"a population needs {_FEWEST} candidates: {task} has {len(known)} with a {metric}"
        )
    levels = np.quantile(known, np.linspace(0.0, 1.0, _LEVELS))
    return [float(f"{level:.6g}") for level in levels]

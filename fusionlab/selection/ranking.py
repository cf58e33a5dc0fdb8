"""Totals and places: the candidates of each scene in the order of a policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab import metrics as metric_library
from fusionlab.selection.normalise import NORMALISERS, quantile
from fusionlab.selection.traits import penalties, traits_of, voter_weights

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fusionlab.selection.policy import Policy

#: Totals are compared after rounding to this many decimals, so that two candidates that differ
#: by rounding in the last bits are a tie.
DECIMALS = 12


def rank_candidates(
    scores: pd.DataFrame, policy: Policy, task: str, traits: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Order the candidates of each scene by a policy.

    Parameters
    ----------
    scores : one row a candidate, index (scene, method), one column a metric at least for each
        that `policy` weighs for `task`.
    traits : `candidate_traits`, where the candidates' flags and families are to count. Who fails a
        guard or is excluded must not be among `scores`.

    Returns
    -------
    The rows of `scores` with columns ``scene, method, total, place`` (1 is the winner of its
    scene), ``norm_<metric>``, ``penalty`` (taken off the total), ``flags`` and ``family``, sorted
    by scene and place.
    """
    weights = policy.task_weights(task)
    ordered = pd.DataFrame(index=scores.index).reset_index()
    ordered[["flags", "family"]] = traits_of(scores, traits).to_numpy()
    ordered["penalty"] = penalties(ordered["flags"], policy)
    values = scores[list(weights)].reset_index(drop=True)
    normalised = normalise(values, ordered, policy, task)
    total = normalised.to_numpy() @ weight_vector(weights)
    ordered["total"] = (total - ordered["penalty"]).round(DECIMALS)
    norms = [f"norm_{metric}" for metric in weights]
    ordered[norms] = normalised.to_numpy()
    descending = ["total", *norms]
    ordered = ordered.sort_values(
        ["scene", *descending, "method"],
        ascending=[True, *(False for _ in descending), True],
        kind="stable",
        ignore_index=True,
    )
    ordered["place"] = ordered.groupby("scene", sort=False).cumcount() + 1
    return ordered


def weight_vector(weights: Mapping[str, float]) -> NDArray[np.float64]:
    """Return the weights of a task, scaled to sum to 1."""
    vector = np.array(list(weights.values()), dtype=np.float64)
    return vector / float(vector.sum())


def normalise(
    values: pd.DataFrame, candidates: pd.DataFrame, policy: Policy, task: str
) -> pd.DataFrame:
    """Return n_m(c), one column a metric that the policy weighs, all pointing upwards.

    Parameters
    ----------
    values : raw scores, one column a metric.
    candidates : row by row the ``scene`` and ``family`` that each score belongs to.
    """
    names = [str(metric) for metric in values.columns]
    signs = {m: 1.0 if metric_library.get(m).direction == "higher" else -1.0 for m in names}
    if policy.normalise == "quantile":
        return quantile(values, policy.population[task], signs)
    voters = voter_weights(candidates["scene"], candidates["family"], policy)
    upward = values * list(signs.values())
    return NORMALISERS[policy.normalise](upward, candidates["scene"], voters)

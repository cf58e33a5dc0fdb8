"""Who may be chosen at all: guards on metrics, and flags that a policy excludes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from fusionlab.flags import split_flags
from fusionlab.selection.traits import traits_of

if TYPE_CHECKING:
    from fusionlab.selection.policy import Policy


def failed(
    scores: pd.DataFrame, policy: Policy, task: str, traits: pd.DataFrame | None = None
) -> pd.Series:
    """Return what turns each candidate away: a guard's name or a flag; "" for one that may stand.

    The first guard of the policy that fails is named; flags come after them. A score that is not a
    number fails no guard: an image too small for a metric is not judged by it.

    Parameters
    ----------
    scores : one row a candidate or decoy, index (scene, method), a column for each metric that a
        guard of `policy` asks for in `task`.
    traits : `candidate_traits`; without them no flag is seen.
    """
    reasons = pd.Series("", index=scores.index, dtype=object)
    for name, (metric, low, high) in policy.task_guards(task).items():
        outside = (scores[metric] < low) | (scores[metric] > high)
        reasons[outside & (reasons == "")] = name
    if policy.exclude and traits is not None:
        flags = traits_of(scores, traits)["flags"]
        first = {text: _first(text, policy) for text in flags.unique()}
        reasons = reasons.where(reasons != "", flags.map(first))
    return reasons


def _first(text: str, policy: Policy) -> str:
    """Return the first flag in `text` that the policy excludes, or the empty text."""
    return next((code for code in split_flags(text) if code in policy.exclude), "")

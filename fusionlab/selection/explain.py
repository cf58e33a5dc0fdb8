"""A policy in words."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionlab import metrics as metric_library
from fusionlab.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fusionlab.selection.policy import Policy

_NORMALISED = {
    "rank": "is replaced by the candidate's rank in its scene, 0 the worst and 1 the best, ties "
    "averaged: by how much one is better does not count",
    "minmax": "is stretched over the candidates of its scene, 0 the worst and 1 the best: one "
    "extreme candidate presses all others together",
    "zscore": "is measured in standard deviations from the mean of its scene",
}


def explain(policy: Policy) -> Iterator[str]:
    """Yield sentences that say what a policy does, in the order in which it does it."""
    if policy.exclude:
        yield f"Candidates with one of these flags take no part: {', '.join(policy.exclude)}."
    yield f"Each score {_NORMALISED[policy.normalise]}."
    if policy.families == "share":
        yield "Candidates of one family, variants of one method, count as one voter together."
    yield "The total is the weighted mean of these; the highest total wins."
    for task, weights in policy.weights.items():
        yield f"{TASKS[task].title}: {_shares(weights)}."
    for flag, amount in policy.penalise.items():
        yield f"A candidate flagged {flag} loses {amount:g} of its total."


def _shares(weights: Mapping[str, float]) -> str:
    whole = sum(weights.values())
    return ", ".join(f"{_named(m)} {weight / whole:.0%}" for m, weight in weights.items())


def _named(metric: str) -> str:
    return metric if metric_library.get(metric).direction == "higher" else f"{metric} (lower)"

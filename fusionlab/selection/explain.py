"""A policy in words."""

from __future__ import annotations

import math
from collections import defaultdict
from typing import TYPE_CHECKING

from fusionlab import metrics as metric_library
from fusionlab.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from fusionlab.selection.policy import Guard, Policy

_NORMALISED = {
    "rank": "is replaced by the candidate's rank in its scene, 0 the worst and 1 the best, ties "
    "averaged: by how much one is better does not count",
    "minmax": "is stretched over the candidates of its scene, 0 the worst and 1 the best: one "
    "extreme candidate presses all others together",
    "zscore": "is measured in standard deviations from the mean of its scene",
    "quantile": "is replaced by its place in a reference population, 0 the worst and 1 the best: "
    "the other candidates of the scene do not matter",
    "none": "is taken as it is: a metric of large numbers counts more",
}


def explain(policy: Policy) -> Iterator[str]:
    """Yield sentences that say what a policy does, in the order in which it does it."""
    for name, guard in policy.guards.items():
        yield f"Turned away as {name}: {_outside(guard)}."
    if policy.exclude:
        yield f"Turned away: candidates with one of the flags {', '.join(policy.exclude)}."
    yield f"Each score {_NORMALISED[policy.normalise]}."
    if policy.families == "share":
        yield "Candidates of one family, variants of one method, count as one voter together."
    yield "The total is the weighted mean of these; the highest total wins."
    for task, weights in policy.weights.items():
        yield f"{TASKS[task].title}: {_shares(weights)}."
    for flag, amount in policy.penalise.items():
        yield f"A candidate flagged {flag} loses {amount:g} of its total."
    if policy.abstain is not None:
        yield (
            f"A scene whose choice has a stability below {policy.abstain.stability:g}, or a lead "
            f"below {policy.abstain.margin:g}, gets no label."
        )


def _outside(guard: Guard) -> str:
    """Return in words what fails a guard, the tasks of one limit together."""
    tasks: dict[tuple[float, float], list[str]] = defaultdict(list)
    for task in TASKS:
        if (limits := guard.limits(task)) is not None:
            tasks[limits].append(task)
    return "; ".join(
        f"{guard.metric} {_beyond(*limits)}"
        + ("" if len(of) == len(TASKS) else f" ({', '.join(of)})")
        for limits, of in tasks.items()
    )


def _beyond(low: float, high: float) -> str:
    parts = [f"below {low:g}"] * (low > -math.inf) + [f"above {high:g}"] * (high < math.inf)
    return " or ".join(parts)


def _shares(weights: Mapping[str, float]) -> str:
    whole = sum(weights.values())
    return ", ".join(f"{_named(m)} {weight / whole:.0%}" for m, weight in weights.items())


def _named(metric: str) -> str:
    return metric if metric_library.get(metric).direction == "higher" else f"{metric} (lower)"

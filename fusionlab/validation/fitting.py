"""Fitting a policy to what a lab knows, and writing the policy that comes of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionlab.errors import UsageError
from fusionlab.validation.fit import Fit, fit_weights, pools_of
from fusionlab.validation.pools import order
from fusionlab.validation.run import load_data
from fusionlab.validation.truths import truths_of

if TYPE_CHECKING:
    from fusionlab.lab import Lab
    from fusionlab.selection import Policy
    from fusionlab.validation.fit import Pool

_FEWEST_SCENES = 3


def fit_policy(
    lab: Lab,
    base: Policy,
    task: str,
    *,
    truth: str | None = None,
    dataset: str | None = None,
    goal: str = "regret",
) -> tuple[Policy, Fit, str]:
    """Fit the weights of `base` for one task to a truth.

    Returns
    -------
    The fitted policy, whose description holds the evidence; the fit; and the truth's name and
    unit, ``"opinion, points"``.

    Raises
    ------
    LabError
        When scores are missing, with the command that measures them.
    UsageError
        When the lab has no such truth, several and none is named, opinions of several data sets,
        or fewer than three scenes.
    """
    metrics = list(base.task_weights(task))
    pools: dict[str, list[Pool]] = {}
    datasets: dict[str, list[str]] = {}
    for data in load_data(lab, [base], task, dataset):
        for known in truths_of(lab, *data.key):
            scores = data.scores[data.scores.index.isin(known.known.index)]
            ordered = order(scores, base, task, data.traits)
            name = f"{known.name}, {known.unit}"
            pools.setdefault(name, []).extend(pools_of(ordered, metrics, known.known))
            datasets.setdefault(name, []).append(data.dataset)
    name = _the_truth(lab, task, truth, datasets)
    if len(pools[name]) < _FEWEST_SCENES:
        raise UsageError(
            f"{lab.path}: {task} has {len(pools[name])} scenes with a truth by {name}; fitting "
            f"needs {_FEWEST_SCENES} at least, and means little below thirty"
        )
    fit = fit_weights(pools[name], metrics, goal)
    return _fitted(base, task, fit, name, goal), fit, name


def _the_truth(lab: Lab, task: str, wanted: str | None, found: dict[str, list[str]]) -> str:
    """Return the one truth to fit to."""
    names = [name for name in found if wanted in (None, name.partition(",")[0])]
    held = "; ".join(f"{name} ({', '.join(sets)})" for name, sets in found.items()) or "none"
    if len(names) != 1:
        remedy = "choose one with --truth" if names else "ingest opinions or references"
        raise UsageError(f"{lab.path}: truths of {task}: {held}; {remedy}")
    if names[0].startswith("opinion") and len(found[names[0]]) > 1:
        raise UsageError(
            f"{lab.path}: opinions of several data sets have several scales: {held}; choose one "
            "with --dataset"
        )
    return names[0]


def verdict(fit: Fit, name: str) -> str:
    """Return in a sentence what a fit is worth."""
    unit = name.rpartition(" ")[2]
    found = (
        f"On {fit.scenes} scenes, each left out of the fit that judged it, the mean regret is "
        f"{fit.fitted} {unit}, with equal weights {fit.equal}; the difference is {fit.difference}."
    )
    if fit.beats_equal:
        return f"{found} The fitted weights beat equal ones."
    return f"{found} The fitted weights do not beat equal ones: use equal weights."


def _fitted(base: Policy, task: str, fit: Fit, name: str, goal: str) -> Policy:
    text = (
        f"Weights of {base.name} v{base.version} for {task}, fitted to {name.partition(',')[0]} by "
        f"least {goal if goal == 'regret' else 'loss of rank correlation'}. {verdict(fit, name)}"
    )
    changed: dict[str, Any] = {
        "name": f"{base.name}-fitted-{task}",
        "version": 1,
        "description": text,
        "weights": {**base.weights, task: fit.weights},
    }
    return base.model_copy(update=changed)

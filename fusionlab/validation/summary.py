"""From one row a scene to one row a policy, with intervals over scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fusionlab.validation.attacks import TRUTH_KIND
from fusionlab.validation.intervals import Interval, bootstrap_mean, share

if TYPE_CHECKING:
    from collections.abc import Iterator

ALL = "all"

#: What is told of several intruders of a kind together.
ANY, MEAN = "any of them", "mean of them"


def summarise_choices(choices: pd.DataFrame, against: str) -> pd.DataFrame:
    """Return one row a task, data set, truth and policy, the best first; data sets also together.

    Opinions of several data sets are never thrown together: their scales differ.

    Parameters
    ----------
    choices : of `fusionlab.validation.choices`, with columns ``task, dataset, truth, unit``.
    against : name of the policy that every other is paired with.

    Returns
    -------
    Columns ``task, dataset, truth, unit, policy, scenes, unlabelled, pool``; ``regret``,
    ``spearman`` and ``difference`` (regret less that of `against` on the same scenes), each with
    ``_low`` and ``_high``; and ``best``, the share of the scenes whose best candidate is chosen.
    """
    rows = []
    for place, group in _groups(choices):
        baseline = group[group["policy"] == against].set_index(["dataset", "scene"])["regret"]
        rows += [
            {**place, "policy": policy, **_of_policy(mine, baseline)}
            for policy, mine in group.groupby("policy", sort=False)
        ]
    frame = pd.DataFrame(rows)
    if frame.empty:
        return frame
    by = ["task", "truth", "dataset", "regret", "policy"]
    return frame.sort_values(by, ignore_index=True)


def _groups(choices: pd.DataFrame) -> Iterator[tuple[dict[str, Any], pd.DataFrame]]:
    keys = ["task", "dataset", "truth", "unit"]
    for values, group in choices.groupby(keys, sort=True):
        yield dict(zip(keys, values, strict=True)), group
    references = choices[choices["truth"] == "reference"]
    for (task, unit), group in references.groupby(["task", "unit"], sort=True):
        if len(set(group["dataset"])) > 1:
            place = {"task": task, "dataset": ALL, "truth": "reference", "unit": unit}
            scenes = group.groupby("policy")["scene"].transform("size")
            yield place, group[scenes == scenes.max()]  # not who is always best in some sets only


def _of_policy(mine: pd.DataFrame, baseline: pd.Series) -> dict[str, Any]:
    regret = mine.set_index(["dataset", "scene"])["regret"]
    difference = regret - baseline.reindex(regret.index)
    labelled = mine[mine["chosen"] != ""]
    return {
        "scenes": len(mine),
        "unlabelled": len(mine) - len(labelled),
        "pool": float(mine["pool"].mean()),
        **spread("regret", bootstrap_mean(regret)),
        **spread("spearman", bootstrap_mean(mine["spearman"])),
        "best": float((labelled["regret"] == 0).mean()) if len(labelled) else np.nan,
        **spread("difference", bootstrap_mean(difference)),
    }


def summarise_attacks(attacks: pd.DataFrame) -> pd.DataFrame:
    """Return how often each intruder prevails: one row a task (and all), policy and intruder.

    Parameters
    ----------
    attacks : of `fusionlab.validation.attacks`, with columns ``task, dataset``.

    Returns
    -------
    Columns ``task, policy, kind, decoy, scenes``, and ``lost`` and ``lost_bare`` (without the
    policy's guards) with ``_low`` and ``_high``. Of each kind but the truth, also the share of the
    scenes lost to any of them, and the mean over them. Of the kind ``truth``, lost means that the
    true image did not come first.
    """
    rows = []
    tasks = [(ALL, attacks), *attacks.groupby("task", sort=True)]
    for task, of_task in tasks if len(tasks) > 2 else tasks[1:]:
        for (policy, kind), group in of_task.groupby(["policy", "kind"], sort=False):
            place = {"task": task, "policy": policy, "kind": kind}
            rows += [
                {**place, "decoy": decoy, **_rates(mine)}
                for decoy, mine in group.groupby("decoy", sort=False)
            ]
            if kind != TRUTH_KIND:
                rows += [{**place, **row} for row in _together(group)]
    return pd.DataFrame(rows)


def _rates(mine: pd.DataFrame) -> dict[str, Any]:
    found: dict[str, Any] = {"scenes": len(mine)}
    for column in ("lost", "lost_bare"):
        found |= spread(column, share(mine[column].dropna() > 0))
    return found


def _together(group: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of the intruders of one kind together."""
    by_scene = group.groupby(["task", "dataset", "scene"])
    some: dict[str, Any] = {"decoy": ANY, "scenes": by_scene.ngroups}
    mean: dict[str, Any] = {"decoy": MEAN, "scenes": by_scene.ngroups}
    for column in ("lost", "lost_bare"):
        once = share(by_scene[column].max().dropna() > 0)
        often = bootstrap_mean(by_scene[column].mean())
        some |= spread(column, once)
        # where nothing ever happened, a bootstrap would claim that nothing can
        mean |= spread(column, often if once.mean > 0 else once)
    return [some, mean]


def spread(name: str, interval: Interval) -> dict[str, float]:
    """Return an interval as three columns."""
    return {name: interval.mean, f"{name}_low": interval.low, f"{name}_high": interval.high}

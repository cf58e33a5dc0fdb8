"""What a run of the refiner leaves besides pixels, scores and its own table: labels and rejects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fusionlab.flags import NO_PERSON
from fusionlab.refine.gate import NO_CHANGE
from fusionlab.selection.choose import is_decoy
from fusionlab.selection.guards import failed
from fusionlab.selection.ranking import rank_candidates
from fusionlab.selection.scored import current_scores
from fusionlab.selection.traits import candidate_traits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusionlab.lab import Lab
    from fusionlab.selection.policy import Policy

#: Kinds of damage on a smaller share of the image are not named in a label's reasons.
_WORTH_NAMING = 0.001


def refined_name(name: str) -> str:
    """Return what the refined labels of the manifest `name` are called as candidates."""
    return f"refined({name})"


def rejects_of(rows: pd.DataFrame) -> list[dict[str, str]]:
    """Return the rejects of one data set: repairs that were found and not kept.

    Parameters
    ----------
    rows : of the table of refinements.
    """
    refused = rows[~rows["reason"].isin(["", NO_CHANGE])].drop_duplicates("scene")
    wanted = refused[["scene", "name", "reason", "detail"]].assign(role="method")
    return [{str(k): str(v) for k, v in row.items()} for row in wanted.to_dict("records")]


def relabel(
    manifest: pd.DataFrame, key: tuple[str, str], rows: pd.DataFrame, totals: pd.DataFrame
) -> pd.DataFrame:
    """Return a labels manifest in which refined labels replace those that they were made of.

    Parameters
    ----------
    rows : of the table of refinements, for the data set `key`.
    totals : `totals_of` the same.
    """
    changed = manifest.copy()
    first = (changed["task"] == key[0]) & (changed["dataset"] == key[1]) & (changed["place"] == 1)
    row_of = pd.Series(changed.index[first], index=changed.loc[first, "scene"])
    found: dict[str, list[dict[str, Any]]] = {}
    for record in rows[rows["reason"] == ""].to_dict("records"):
        found.setdefault(record["scene"], []).append({str(k): v for k, v in record.items()})
    ranked = totals.to_dict("index")
    for scene, mine in found.items():
        row = row_of[scene]
        old = {str(column): value for column, value in changed.loc[row].items()}
        own = {str(column): float(value) for column, value in ranked[scene].items()}
        for column, value in _columns(old, mine, own).items():
            changed.loc[row, column] = value
    return changed


def _columns(
    old: Mapping[str, Any], mine: list[dict[str, Any]], ranked: dict[str, float]
) -> dict[str, Any]:
    """Return what the label says once it is refined."""
    lead = ranked["total"] - ranked.pop("unrefined")
    by_policy = old["method"] if old["chosen_by"] not in NO_PERSON - {"policy"} else ""
    unknown = ("stability", "stability_weights", "stability_metrics", "stability_tiles")
    return {
        "method": mine[0]["name"],
        **ranked,
        "margin": lead,
        "runner_up": old["method"],
        "tied": bool(lead == 0),
        "flags": "refined",
        "family": "",
        **dict.fromkeys(unknown, np.nan),
        "chosen_by": "refined",
        "because": because(mine),
        "policy_method": old["policy_method"] or by_policy,
        "digest_candidate": mine[0]["digest_after"],
    }


def because(rows: Iterable[Mapping[str, Any]]) -> str:
    """Say what was repaired on how much of the image, and what the judges gained.

    Parameters
    ----------
    rows : those of one label of the table of refinements.
    """
    mine = sorted(rows, key=lambda row: -row["area"])
    kinds = [
        f"{row['kind']} on {row['area']:.1%} by {row['change']:.1f} levels"
        for row in mine
        if row["area"] >= _WORTH_NAMING and row["change"] > 0
    ]
    return f"repaired: {', '.join(kinds) or 'traces'}; {mine[0]['detail']}"


def totals_of(
    lab: Lab, key: tuple[str, str], policy: Policy, name: str, labels: Mapping[str, str]
) -> pd.DataFrame:
    """Return the totals of refined labels among the candidates of their scenes.

    Parameters
    ----------
    name : of the refined labels, as candidates.
    labels : scene -> the label that was refined.

    Returns
    -------
    By scene ``total`` and ``norm_<metric>`` of the refined label, and ``unrefined``, the total of
    the label as it was. Not a number where there are no scores.
    """
    metrics = policy.task_metrics(key[0])
    scores = lab.scores(*key)
    wide = scores[scores["metric"].isin(metrics) & scores["scene"].isin(list(labels))].pivot(
        index=["scene", "method"], columns="metric", values="value"
    )
    wide = wide.reindex(columns=metrics)
    both = [(scene, method) for scene, label in labels.items() for method in (name, label)]
    own = wide.reindex(pd.MultiIndex.from_tuples(both, names=["scene", "method"]))
    rivals = current_scores(lab, *key, metrics, complete=False)
    rivals = rivals[rivals.index.get_level_values("scene").isin(list(labels))]
    away = failed(rivals, policy, key[0], candidate_traits(lab.index(*key)))
    rivals = rivals[(away == "") & ~is_decoy(rivals) & ~rivals.index.isin(own.index)]
    ranked = rank_candidates(pd.concat([own, rivals]), policy, key[0])
    ranked = ranked.set_index(["scene", "method"])
    columns = ["total", *(f"norm_{metric}" for metric in policy.task_weights(key[0]))]
    made = pd.MultiIndex.from_product([labels, [name]])
    mine = ranked[columns].reindex(made).droplevel(1)
    mine["unrefined"] = [ranked["total"][scene, label] for scene, label in labels.items()]
    mine[own.reindex(made).isna().all(axis="columns").to_numpy()] = np.nan
    return mine

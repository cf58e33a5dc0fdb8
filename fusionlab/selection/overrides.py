"""What people decided stands above what the policy chose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.overrides import outdated
from fusionlab.selection.ranking import DECIMALS

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping


def apply_overrides(
    labels: pd.DataFrame,
    rejects: list[dict[str, str]],
    ranked: pd.DataFrame,
    scenes: pd.DataFrame,
    decisions: pd.DataFrame,
    index: pd.DataFrame,
) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """Put the decisions of people over the choice in one data set.

    A scene that a person decided about has one label, of weight 1. Its total, norms and stability
    are those of that candidate under the policy, and its margin is the lead over the best other
    one, negative where the policy would have it otherwise; a candidate that the policy turned away
    has none of them. A veto takes the label away. A decision about pixels that are no longer there
    is not applied.

    Parameters
    ----------
    labels : what the policy chose, a column ``scene``, one row a scene or several.
    rejects : the scenes that it chose nothing for.
    ranked : every candidate that took part, with columns of `labels`.
    scenes : what holds for a scene as a whole, index ``scene``, with columns of `labels`.
    decisions : rows of `overrides.standing` of this data set.
    index : of this data set.

    Returns
    -------
    Labels and rejects as they came in, with those of the scenes decided about replaced: sorted by
    scene and place, and with the reject reasons ``vetoed`` and ``stale_override``.
    """
    if decisions.empty:
        return labels, rejects
    index = index[index["scene"].isin(decisions["scene"])]
    reasons = outdated(decisions, index)
    valid = decisions[reasons == ""]
    vetoed = valid["verdict"] == "veto"
    made = _chosen(valid[~vetoed].set_index("scene"), labels, ranked, scenes, index)
    decided = set(valid["scene"])
    made = made.reindex(columns=labels.columns).astype(labels.dtypes)
    both = pd.concat([labels[~labels["scene"].isin(decided)], made])
    rejects = [row for row in rejects if row["scene"] not in decided]
    rejects += [_vetoed(row) for row in valid[vetoed].to_dict("records")]
    rejects += _stale(decisions[reasons != ""], reasons[reasons != ""])
    return both.sort_values(["scene", "place"], ignore_index=True), rejects


def _chosen(
    decisions: pd.DataFrame,
    labels: pd.DataFrame,
    ranked: pd.DataFrame,
    scenes: pd.DataFrame,
    index: pd.DataFrame,
) -> pd.DataFrame:
    """Return the labels that people chose, one row a decision."""
    ranked = ranked[ranked["scene"].isin(decisions.index)]
    places = pd.MultiIndex.from_arrays([decisions.index, decisions["method"]])
    own = ranked.set_index(["scene", "method"]).reindex(places).droplevel("method")
    others = ranked[ranked["method"] != ranked["scene"].map(decisions["method"])]
    best = others.drop_duplicates("scene").set_index("scene").reindex(decisions.index)
    whole = scenes.reindex(decisions.index)
    made = own.assign(**whole[whole.columns.difference(own.columns)])
    made["method"], made["place"], made["weight"] = decisions["method"], 1, 1.0
    made["margin"] = (own["total"] - best["total"]).round(DECIMALS)
    made["runner_up"] = best["method"].fillna("")
    made["tied"] = made["margin"] == 0.0
    made["candidates"] = made["candidates"].fillna(0)
    made["decoy"] = made["decoy"].fillna("")
    traits = index[index["role"] == "method"].set_index(["scene", "name"])[["flags", "family"]]
    made[["flags", "family"]] = traits.reindex(places).to_numpy()
    made["chosen_by"], made["because"] = decisions["by"], decisions["because"]
    first = labels[labels["place"] == 1].set_index("scene")["method"]
    made["policy_method"] = first.reindex(made.index).fillna("")
    return made.reset_index()


def _vetoed(row: Mapping[Any, str]) -> dict[str, str]:
    because = f" ({row['because']})" if row["because"] else ""
    return {
        "scene": row["scene"],
        "role": "scene",
        "reason": "vetoed",
        "detail": f"{row['by']} vetoed any label of scene {row['scene']!r} at {row['at']}"
        f"{because}; it gets none",
    }


def _stale(decisions: pd.DataFrame, reasons: pd.Series) -> Iterator[dict[str, str]]:
    for row, reason in zip(decisions.to_dict("records"), reasons, strict=True):
        meant = f" for {row['method']}" if row["method"] else ""
        place = "/".join(row[part] for part in ("task", "dataset", "scene"))
        yield {
            "scene": row["scene"],
            "role": "method",
            "name": row["method"],
            "reason": "stale_override",
            "detail": f"the decision of {row['by']} at {row['at']}{meant} is not applied: "
            f"{reason}; look again and decide anew (fusionlab review), or take it back: "
            f"fusionlab override {place} --withdraw",
        }

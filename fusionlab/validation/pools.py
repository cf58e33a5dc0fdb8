"""The order that a policy gives to a pool of candidates, those that it turns away included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab.selection.guards import failed
from fusionlab.selection.ranking import rank_candidates

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusionlab.selection import Policy

_KEYS = ["scene", "method"]

#: Joins the names of a scene and of who intrudes into it; in no name.
_JOINT = "\x1f"


def order(
    scores: pd.DataFrame, policy: Policy, task: str, traits: pd.DataFrame | None
) -> pd.DataFrame:
    """Order every candidate of every scene: first who may win, by total, then who may not.

    Parameters
    ----------
    scores : index (scene, method), a column each metric that the policy asks for.
    traits : of `fusionlab.selection.traits.candidate_traits`.

    Returns
    -------
    Columns ``scene, method, total, penalty, norm_<metric>, admitted, place``, sorted by scene and
    place. The figures of those that are admitted come from a pool without the others; those of the
    others from the pool of all.
    """
    admitted = _admitted(scores, policy, task, traits)
    inside = rank_candidates(scores[admitted], policy, task, traits)
    ranked = [inside.assign(admitted=True)]
    if not admitted.all():
        everyone = rank_candidates(scores, policy, task, traits).set_index(_KEYS)
        outside = everyone.loc[scores.index[~admitted]].reset_index()
        ranked.append(outside.assign(admitted=False))
    found = pd.concat([frame for frame in ranked if len(frame)], ignore_index=True)
    found = found.sort_values(
        ["scene", "admitted", "place"], ascending=[True, False, True], ignore_index=True
    )
    found["place"] = found.groupby("scene", sort=False).cumcount() + 1
    return found


def _admitted(
    scores: pd.DataFrame, policy: Policy, task: str, traits: pd.DataFrame | None
) -> NDArray[np.bool_]:
    """Tell of every row of `scores` whether the policy lets it take part."""
    admitted: NDArray[np.bool_] = (failed(scores, policy, task, traits) == "").to_numpy(dtype=bool)
    return admitted


def winners(ordered: pd.DataFrame) -> pd.Series:
    """Return, by scene, the method that wins; scenes in which none is admitted are left out."""
    first = ordered[(ordered["place"] == 1) & ordered["admitted"]]
    return first.set_index("scene")["method"]


def leads(
    scores: pd.DataFrame,
    intruders: pd.DataFrame,
    policy: Policy,
    task: str,
    traits: pd.DataFrame | None,
) -> pd.Series:
    """Put each intruder alone into the pool of its scene; return by how much it then leads.

    Parameters
    ----------
    scores : of the candidates, index (scene, method).
    intruders : the same of what does not belong there, e.g. decoys.

    Returns
    -------
    By (scene, method) of `intruders`: its total less the highest total of the candidates, both in
    the pool with it. ``-inf`` where the policy turns it away; ``inf`` where it alone is admitted.
    """
    real = scores[_admitted(scores, policy, task, traits)]
    lead = pd.Series(-np.inf, index=intruders.index)
    entered = intruders[_admitted(intruders, policy, task, traits)]
    if entered.empty:
        return lead
    pools, pool_traits = _pools_with(real, entered, traits)
    totals = rank_candidates(pools, policy, task, pool_traits).set_index(_KEYS)["total"]
    scene = totals.index.get_level_values("scene")
    is_intruder = [pool.endswith(_JOINT + method) for pool, method in totals.index]
    best = totals[~np.array(is_intruder)].groupby(level="scene").max()
    own = pd.Series(totals[is_intruder].to_numpy(), index=scene[is_intruder])
    margin = (own - best.reindex(own.index)).fillna(np.inf)
    names = [_JOINT.join(place) for place in entered.index]
    lead.loc[entered.index] = margin.reindex(names).to_numpy()
    return lead


def _pools_with(
    real: pd.DataFrame, entered: pd.DataFrame, traits: pd.DataFrame | None
) -> tuple[pd.DataFrame, pd.DataFrame | None]:
    """Return one pool an intruder, under a scene of its own, and the traits by those scenes."""
    own = entered.reset_index()
    own["intruder"] = own["method"]
    members = own[["scene", "intruder"]].merge(real.reset_index(), on="scene")
    every = pd.concat([members, own], ignore_index=True)
    every["pool"] = every["scene"] + _JOINT + every["intruder"]
    names = pd.MultiIndex.from_arrays([every["pool"], every["method"]], names=_KEYS)
    pools = every[list(real.columns)].set_axis(names, axis=0)
    if traits is None:
        return pools, None
    places = pd.MultiIndex.from_arrays([every["scene"], every["method"]])
    return pools, traits.reindex(places, fill_value="").set_axis(names, axis=0)

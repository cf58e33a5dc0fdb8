"""How sure a choice is: the share of shaken rankings that it survives.

Three things are shaken, one at a time:

    weights   w drawn from Dirichlet(CONCENTRATION M w / sum w), M the number of metrics
    metrics   each metric left out once
    tiles     total(c) + mean over resampled tiles of t(c) - mean over all tiles of t(c),
              t(c) the total that c gets in a tile by itself (a bootstrap over blocks, where they
              were scored)

The share of rankings in which a candidate comes first, ties shared, is averaged over the three.
That of the chosen candidate is its stability; those of all candidates sum to 1 and are soft
weights.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab.decoys import DECOY_PREFIX
from fusionlab.selection.ranking import normalise, weight_vector
from fusionlab.selection.scored import current_tiles
from fusionlab.selection.traits import traits_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusionlab.lab import Lab
    from fusionlab.selection.policy import Policy

    Floats = NDArray[np.float64]

#: How near drawn weights keep to the policy's: 1 is anything goes. Set so that stability agrees
#: with how often the choice was right where a truth is known, see benchmarks/confidence.py.
CONCENTRATION = 0.5
DRAWS = 200

#: The kinds of shaking, as in the labels' columns ``stability_<kind>``.
KINDS = ("weights", "metrics", "tiles")

#: Totals this near are a tie, as in ranking.
_EQUAL = 1e-12


def shaken(
    ranked: pd.DataFrame, policy: Policy, task: str, tiles: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Return how often each candidate comes first, 0 to 1, by kind of shaking and over all.

    Parameters
    ----------
    ranked : what `rank_candidates` returned.
    tiles : `tile_totals` of the same candidates; None where tiles were not scored.

    Returns
    -------
    Columns ``weights, metrics, tiles`` (missing where a kind does not apply: a single metric, no
    tiles) and ``first``, the mean of those that do; rows as in `ranked`.
    """
    weights = policy.task_weights(task)
    norms = ranked[[f"norm_{metric}" for metric in weights]].to_numpy()
    penalty = ranked["penalty"].to_numpy()[:, None]
    starts = np.flatnonzero(ranked["place"].to_numpy() == 1)
    sizes = np.diff([*starts, len(ranked)])
    first = pd.DataFrame(np.nan, index=ranked.index, columns=[*KINDS, "first"])
    if len(ranked) == 0:
        return first
    vector = weight_vector(weights)
    drawn = np.random.default_rng(0).dirichlet(CONCENTRATION * len(vector) * vector, DRAWS).T
    first["weights"] = _first_shares(norms @ drawn - penalty, starts, sizes)
    if len(vector) > 1:
        without = (1.0 - np.eye(len(vector))) * vector[:, None]
        first["metrics"] = _first_shares(
            norms @ (without / without.sum(axis=0)) - penalty, starts, sizes
        )
    if tiles is not None:
        noise = _resampled(tiles, ranked)
        totals = ranked["total"].to_numpy()[:, None] + noise
        known = np.isfinite(noise).all(axis=1)
        known = np.repeat(np.logical_and.reduceat(known, starts), sizes)
        shares = _first_shares(np.nan_to_num(totals), starts, sizes)
        first["tiles"] = np.where(known, shares, np.nan)
    first["first"] = first[list(KINDS)].mean(axis=1)
    return first


def _first_shares(totals: Floats, starts: NDArray[np.intp], sizes: NDArray[np.intp]) -> Floats:
    """Return, of (candidates, draws) totals, the share of draws in which each is its scene's first.

    Candidates of one scene are neighbours; `starts` and `sizes` say where. Equals share a draw.
    """
    best = np.repeat(np.maximum.reduceat(totals, starts, axis=0), sizes, axis=0)
    on_top = (totals >= best - _EQUAL).astype(np.float64)
    shared = np.repeat(np.add.reduceat(on_top, starts, axis=0), sizes, axis=0)
    shares: Floats = (on_top / shared).mean(axis=1)
    return shares


def tile_totals(
    lab: Lab, policy: Policy, task: str, dataset: str, traits: pd.DataFrame
) -> pd.DataFrame | None:
    """Return the total of every candidate in every tile by itself; None if none were scored.

    Index (scene, method), one column a tile of the scene in the order of their names; missing
    beyond a scene's tiles and where a candidate does not show a tile.
    """
    weights = policy.task_weights(task)
    scores = current_tiles(lab, task, dataset, list(weights))
    if scores.empty:
        return None
    rows = scores.reset_index()
    rows = rows[~rows["method"].str.startswith(DECOY_PREFIX)].reset_index(drop=True)
    number = rows.groupby("scene")["tile"].rank(method="dense").astype(int) - 1
    places = pd.MultiIndex.from_frame(rows[["scene", "method"]])
    family = traits_of(pd.DataFrame(index=places), traits)["family"].reset_index(drop=True)
    groups = pd.DataFrame({"scene": rows["scene"] + "\0" + rows["tile"], "family": family})
    totals = normalise(rows[list(weights)], groups, policy, task).to_numpy()
    frame = pd.DataFrame({"number": number.to_numpy(), "total": totals @ weight_vector(weights)})
    frame.index = places
    wide: pd.DataFrame = frame.set_index("number", append=True)["total"].unstack("number")
    return wide


def _resampled(tiles: pd.DataFrame, ranked: pd.DataFrame) -> Floats:
    """Return (candidates, draws) deviations of the mean tile total under resampled tiles."""
    places = pd.MultiIndex.from_frame(ranked[["scene", "method"]])
    totals = tiles.reindex(places).to_numpy()
    held = np.isfinite(totals)
    by_scene = pd.DataFrame(held).groupby(ranked["scene"].to_numpy()).transform("any").to_numpy()
    counts = by_scene.sum(axis=1)
    noise = np.full((len(ranked), DRAWS), np.nan)
    for count in np.unique(counts[counts > 0]):
        rows = counts == count
        drawn = np.random.default_rng(1).multinomial(count, np.full(count, 1 / count), DRAWS).T
        inside = held[rows, :count]
        values = np.nan_to_num(totals[rows, :count])
        number = inside @ drawn.astype(float)
        resampled = values @ drawn / np.where(number > 0, number, np.nan)
        mean = values.sum(axis=1) / np.maximum(inside.sum(axis=1), 1)
        noise[rows] = np.nan_to_num(resampled - mean[:, None])
    return noise

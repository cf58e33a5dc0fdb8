r"""Fitting the weights of a policy to a truth, and finding out whether that was worth it.

.. math:: w = (1 - \lambda) \hat w + \lambda \frac{1}{k} (1, ..., 1), \quad
          \hat w = \arg\min_{w \in G} \frac{1}{|S|} \sum_{s \in S} loss_s(w)

G: a coarse grid on the simplex of the k weights; S: scenes; loss: the regret of the choice, or 1
less Spearman's correlation of the orders. :math:`\lambda`, how far the weights are drawn back to
equal ones, is chosen by leaving groups of scenes out. All of that is done again without each group
in turn (nested), and judged on the group that was left out: what is reported was never fitted.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab.errors import UnknownNameError
from fusionlab.validation.intervals import Interval, bootstrap_mean

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

GOALS = ("regret", "spearman")

#: How far weights may be drawn back to equal ones.
SHRINKS = (0.0, 0.25, 0.5, 0.75, 1.0)

#: Points of the grid at most, and steps from 0 to 1 at most.
_POINTS, _STEPS = 1500, 20

#: Groups of scenes that are left out in turn, at most.
_GROUPS = 10

_DECIMALS = 12


@dataclass(frozen=True)
class Pool:
    """The candidates of one scene: what the policy sees of them, and what is true.

    Attributes
    ----------
    norms : (n, k) normalised scores, 1 best, rows in the order in which ties are broken.
    offset : (n,) what is taken off each total whatever the weights.
    admitted : (n,) who may win.
    truth : (n,) higher is better.
    """

    norms: Floats
    offset: Floats
    admitted: NDArray[np.bool_]
    truth: Floats


@dataclass(frozen=True)
class Fit:
    """Fitted weights, and what they are worth.

    Attributes
    ----------
    weights : metric -> weight, 0 left out; they sum to 1.
    shrink : how far they were drawn back to equal weights.
    fitted, equal : mean regret and its interval, the fitted one on scenes that were left out.
    difference : of the regrets, fitted less equal, scene by scene.
    seen : mean regret on the scenes that were fitted to: what one would have boasted of.
    """

    weights: dict[str, float]
    shrink: float
    fitted: Interval
    equal: Interval
    difference: Interval
    seen: float
    scenes: int
    groups: int

    @property
    def beats_equal(self) -> bool:
        """Tell whether the interval of the difference excludes that equal weights are as good."""
        return self.difference.below_zero()


def fit_weights(pools: Sequence[Pool], metrics: Sequence[str], goal: str = "regret") -> Fit:
    """Fit weights to `pools`, the scenes in an order in which neighbours may be alike.

    Parameters
    ----------
    metrics : names of the columns of each pool's norms.
    goal : what is made least: the mean ``regret``, or 1 less the mean ``spearman``.

    Raises
    ------
    UnknownNameError
        When there is no such goal.
    """
    if goal not in GOALS:
        raise UnknownNameError("goal", goal, GOALS)
    grid = simplex(len(metrics))
    search = _Search(pools, grid, goal)
    groups = split(len(pools))
    outside = np.empty(len(pools))
    for left_out in groups:
        rest = [group for group in groups if group is not left_out]
        point, shrink = search.best(rest)
        outside[left_out] = search.regret[shrink][left_out, point]
    point, shrink = search.best(groups)
    equal = search.regret[len(SHRINKS) - 1][:, point]
    weights = drawn_back(grid[[point]], SHRINKS[shrink])[0]
    kept = {m: round(float(w), 4) for m, w in zip(metrics, weights, strict=True) if w > 0}
    return Fit(
        kept,
        SHRINKS[shrink],
        bootstrap_mean(outside),
        bootstrap_mean(equal),
        bootstrap_mean(outside - equal),
        float(search.regret[shrink][:, point].mean()),
        len(pools),
        len(groups),
    )


class _Search:
    """The losses and regrets of every point of the grid, at every shrinkage, in every scene."""

    def __init__(self, pools: Sequence[Pool], grid: Floats, goal: str) -> None:
        judged = [[judge(pool, drawn_back(grid, s)) for pool in pools] for s in SHRINKS]
        self.regret = [np.stack([regret for regret, _ in row]) for row in judged]
        spearman = [np.stack([1.0 - rho for _, rho in row]) for row in judged]
        self.loss = self.regret if goal == "regret" else spearman
        self.far = ((grid - 1.0 / grid.shape[1]) ** 2).sum(axis=1)

    def best(self, groups: Sequence[NDArray[np.intp]]) -> tuple[int, int]:
        """Return the best point for the scenes of `groups`, and the best position in `SHRINKS`.

        Of equals, the weights nearest to equal ones.
        """
        every = np.concatenate(groups)
        if len(groups) < 2:
            return self._point(every), len(SHRINKS) - 1
        left = np.zeros(len(SHRINKS))
        for group in groups:
            point = self._point(np.setdiff1d(every, group))
            left += [loss[group, point].sum() for loss in self.loss]
        shrink = len(SHRINKS) - 1 - int(np.argmin(left[::-1].round(_DECIMALS)))
        return self._point(every), shrink

    def _point(self, scenes: NDArray[np.intp]) -> int:
        loss = self.loss[0][scenes].mean(axis=0).round(_DECIMALS)
        return int(np.lexsort((self.far, loss))[0])


def judge(pool: Pool, weights: Floats) -> tuple[Floats, Floats]:
    """Return regret and Spearman's correlation of one scene for many weights.

    Parameters
    ----------
    weights : (g, k).

    Returns
    -------
    Two of shape (g,).
    """
    totals = (pool.norms @ weights.T - pool.offset[:, None]).round(_DECIMALS)
    mine = np.where(pool.admitted[:, None], totals, -np.inf)
    regret = pool.truth.max() - pool.truth[mine.argmax(axis=0)]
    low, high = totals.min(), totals.max()
    tiers = totals + pool.admitted[:, None] * (high - low + 1.0)
    return regret, _rank_correlations(tiers, pool.truth)


def _rank_correlations(values: Floats, truth: Floats) -> Floats:
    """Return Spearman's correlation of each column of (n, g) with (n,); 0 where one is flat."""
    from scipy.stats import rankdata

    x = rankdata(values, axis=0)
    y = rankdata(truth)
    x, y = x - x.mean(axis=0), y - y.mean()
    spread = np.sqrt((x * x).sum(axis=0) * (y @ y))
    known = spread > 0
    found: Floats = np.where(known, y @ x, 0.0) / np.where(known, spread, 1.0)
    return found


def simplex(k: int) -> Floats:
    """Return the points of a grid on the simplex of k weights, (g, k), as fine as `_POINTS` allow.

    Equal weights are always one of them.
    """
    steps = 1
    while steps < _STEPS and _count(k, steps + 1) <= _POINTS:
        steps += 1
    points = np.array(list(_compositions(k, steps)), dtype=np.float64) / steps
    return np.vstack([np.full((1, k), 1.0 / k), points])


def _count(k: int, steps: int) -> int:
    from math import comb

    return comb(steps + k - 1, k - 1)


def _compositions(k: int, steps: int) -> Iterator[tuple[int, ...]]:
    """Yield all ways to write `steps` as a sum of k numbers from 0."""
    for bars in itertools.combinations(range(steps + k - 1), k - 1):
        edges = (-1, *bars, steps + k - 1)
        yield tuple(b - a - 1 for a, b in itertools.pairwise(edges))


def drawn_back(weights: Floats, shrink: float) -> Floats:
    """Return ``(1 - shrink) w + shrink / k`` of every row."""
    drawn: Floats = (1.0 - shrink) * weights + shrink / weights.shape[1]
    return drawn


def split(scenes: int) -> list[NDArray[np.intp]]:
    """Cut the scenes into groups of neighbours, at most `_GROUPS`."""
    return np.array_split(np.arange(scenes), min(scenes, _GROUPS))


def pools_of(ordered: pd.DataFrame, metrics: Sequence[str], truth: pd.Series) -> list[Pool]:
    """Return one pool a scene in which there is a choice, in the order of their names.

    Parameters
    ----------
    ordered : of `fusionlab.validation.pools.order`, of candidates that `truth` knows.
    truth : by (scene, method).
    """
    norms = [f"norm_{metric}" for metric in metrics]
    places = pd.MultiIndex.from_frame(ordered[["scene", "method"]])
    ordered = ordered.assign(truth=truth.reindex(places).to_numpy())
    ordered = ordered.sort_values(  # ties go to the first, as `rank_candidates` breaks them
        ["scene", *norms, "method"], ascending=[True, *(False for _ in norms), True]
    )
    return [
        Pool(
            group[norms].to_numpy(dtype=np.float64),
            group["penalty"].to_numpy(dtype=np.float64),
            group["admitted"].to_numpy(dtype=bool),
            group["truth"].to_numpy(dtype=np.float64),
        )
        for _, group in ordered.groupby("scene", sort=True)
        if group["admitted"].any()
    ]

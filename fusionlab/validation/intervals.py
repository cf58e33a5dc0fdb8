"""Intervals over scenes, and the rank correlation within each.

Scenes are what chance draws: another collection of scenes would have given other figures.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.stats import binomtest

if TYPE_CHECKING:
    import pandas as pd
    from numpy.typing import NDArray

RESAMPLES, LEVEL, SEED = 10_000, 0.95, 0

#: Numbers held at once while resampling.
_AT_ONCE = 10_000_000

#: Distinct values up to which the draws are kept: 4 MB at the most.
_FEW = 100


@dataclass(frozen=True)
class Interval:
    """A mean over scenes and where it would lie for other scenes of the kind.

    Attributes
    ----------
    mean, low, high : not a number where there is no scene.
    count : scenes.
    """

    mean: float
    low: float
    high: float
    count: int

    @classmethod
    def none(cls) -> Interval:
        """Return the interval of no scenes."""
        return cls(np.nan, np.nan, np.nan, 0)

    def __str__(self) -> str:
        if not self.count:
            return "-"
        return f"{self.mean:.3g} [{self.low:.3g}, {self.high:.3g}]"

    def below_zero(self) -> bool:
        """Tell whether all of the interval is below zero."""
        return self.count > 0 and self.high < 0


def bootstrap_mean(values: NDArray[np.float64] | pd.Series) -> Interval:
    """Return the mean and its percentile bootstrap interval (Efron, 1979) of 95 %.

    10,000 resamples of a fixed seed. A resample of the values is drawn as how often each distinct
    value occurs in it, which is multinomial: the same distribution at a fraction of the cost.

    Parameters
    ----------
    values : (n,), one a scene; what is not a number is left out.
    """
    given = np.asarray(values, dtype=np.float64)
    distinct, counts = np.unique(given[~np.isnan(given)], return_counts=True)
    n = int(counts.sum())
    if n == 0:
        return Interval.none()
    if not np.isfinite(distinct).all():
        return Interval(float(given[~np.isnan(given)].mean()), np.nan, np.nan, n)
    means = _resampled(distinct, counts)
    tail = (1.0 - LEVEL) / 2.0
    low, high = np.quantile(means, [tail, 1.0 - tail])
    return Interval(float(counts @ distinct / n), float(low), float(high), n)


def _resampled(distinct: NDArray[np.float64], counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the means of the resamples."""
    n, found = int(counts.sum()), []
    if len(distinct) <= _FEW:
        return _few_draws(tuple(counts.tolist())) @ distinct / n
    rng = np.random.default_rng(SEED)
    step = max(1, _AT_ONCE // len(distinct))
    for start in range(0, RESAMPLES, step):
        draws = rng.multinomial(n, counts / n, min(step, RESAMPLES - start))
        found.append(draws @ distinct / n)
    return np.concatenate(found)


@lru_cache(maxsize=32)
def _few_draws(counts: tuple[int, ...]) -> NDArray[np.int32]:
    """Return how often each distinct value is drawn, kept: most samples have no value twice."""
    n = sum(counts)
    draws = np.random.default_rng(SEED).multinomial(n, np.array(counts) / n, RESAMPLES)
    return draws.astype(np.int32)


def share(happened: NDArray[np.bool_] | pd.Series) -> Interval:
    """Return how often something happened, with Wilson's interval of 95 %.

    Of a share of none or all, a bootstrap would claim to be certain.
    """
    values = np.asarray(happened, dtype=bool)
    if not len(values):
        return Interval.none()
    found = binomtest(int(values.sum()), len(values)).proportion_ci(LEVEL, method="wilson")
    return Interval(float(values.mean()), float(found.low), float(found.high), len(values))


def spearman(first: pd.Series, second: pd.Series, scene: pd.Series) -> pd.Series:
    """Return Spearman's rank correlation of two columns within each scene, ties averaged.

    0 where `first` is the same for all candidates of a scene: it then says nothing; not a number
    where `second` is, or where the scene has one candidate.
    """
    ranks = [column.groupby(scene).rank() for column in (first, second)]
    x, y = (rank - rank.groupby(scene).transform("mean") for rank in ranks)
    covariance, vx, vy = (product.groupby(scene).sum() for product in (x * y, x * x, y * y))
    known = vy > 0
    flat = vx <= 0
    spread = np.sqrt((vx * vy).where(known & ~flat, 1.0))
    return (covariance / spread).where(known).mask(known & flat, 0.0)

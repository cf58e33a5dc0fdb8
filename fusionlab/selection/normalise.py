"""Normalising scores over the candidates of each scene, so that metrics can be added.

But for `quantile`, all functions take a frame with one row a candidate and one column a metric, all
pointing upwards (more is better), the scene of each row, and how much each row counts as a voter (1
by default);
they return a frame of the same shape. What is not a number takes the worst place of its metric in
its scene.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd
    from numpy.typing import NDArray


def rank(values: pd.DataFrame, scene: pd.Series, weight: pd.Series | None = None) -> pd.DataFrame:
    """Return ``(worse + equal / 2) / (all - own)``; 1 for a candidate that stands alone.

    ``worse`` is the weight of the candidates that are strictly worse, ``equal`` that of the others
    that are equal, ``all`` that of the scene and ``own`` the candidate's. With weights of 1 this is
    ``(r - 1) / (n - 1)``, r the rank from the worst, ties averaged. What is not a number gets 0,
    however many share that place.
    """
    counts = _weights(scene, weight)
    codes = scene.factorize()[0].astype(np.int64)
    others = np.bincount(codes, counts)[codes] - counts
    places = values.groupby(scene, sort=False).rank(method="dense", na_option="top")
    scaled = values.copy()
    for metric in values.columns:
        beaten = _beaten(codes, places[metric].to_numpy().astype(np.int64), counts)
        scaled[metric] = beaten / np.where(others > 0, others, 1.0)
    single = scene.groupby(scene, sort=False).transform("size") == 1
    return scaled.mask(single, 1.0).where(values.notna(), 0.0)


def _beaten(
    scene: NDArray[np.int64], place: NDArray[np.int64], weight: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the weight of what is worse and half of that of other equals, row by row."""
    step = int(place.max(initial=0)) + 1
    groups, group_of = np.unique(scene * step + place, return_inverse=True)
    held = np.bincount(group_of, weight)
    before = np.cumsum(held) - held
    first = np.searchsorted(groups, (groups // step) * step)
    worse = (before - before[first])[group_of]
    beaten: NDArray[np.float64] = worse + (held[group_of] - weight) / 2
    return beaten


def minmax(values: pd.DataFrame, scene: pd.Series, weight: pd.Series | None = None) -> pd.DataFrame:
    """Return ``(s - min) / (max - min)``; 0.5 where all are equal. Weights change nothing."""
    del weight
    values = _finite(values, scene)
    groups = values.groupby(scene, sort=False)
    low, span = groups.transform("min"), groups.transform("max") - groups.transform("min")
    scaled = (values - low).div(span.where(span > 0, 1.0)).where(~(span == 0), 0.5)
    return scaled.fillna(0.0)


def zscore(values: pd.DataFrame, scene: pd.Series, weight: pd.Series | None = None) -> pd.DataFrame:
    """Return ``(s - mean) / SD``, weighted mean and population SD; 0 where all are equal."""
    values = _finite(values, scene)
    counts = values.notna().mul(_weights(scene, weight), axis=0)
    total = counts.groupby(scene, sort=False).transform("sum")
    total = total.where(total > 0, 1.0)
    centred = values - _sums(values * counts, scene) / total
    spread = (_sums(centred**2 * counts, scene) / total) ** 0.5
    groups = values.groupby(scene, sort=False)
    varied = groups.transform("max") > groups.transform("min")
    scores = centred.div(spread.where(varied, 1.0)).where(varied | values.isna(), 0.0)
    return scores.fillna(scores.groupby(scene, sort=False).transform("min")).fillna(0.0)


def quantile(
    values: pd.DataFrame, population: Mapping[str, Sequence[float]], signs: Mapping[str, float]
) -> pd.DataFrame:
    """Return each score's place among a reference population, 0 worst to 1 best.

    ``n = F(s)``, F the population's distribution function, linear between its quantiles; 1 - F for
    metrics of which less is better. It depends on no other candidate. Not a number gets 0.

    Parameters
    ----------
    values : raw scores, one column a metric.
    population : metric -> values at evenly spaced quantiles from 0 to 1.
    signs : metric -> 1 where more is better, -1 where less is.
    """
    placed = values.copy()
    for metric in values.columns:
        levels, index = np.unique(population[metric], return_inverse=True)
        spaced = np.linspace(0.0, 1.0, len(index))
        shares = np.bincount(index, spaced) / np.bincount(index)  # equal quantiles: their middle
        place = np.interp(values[metric], levels, shares)
        placed[metric] = place if signs[metric] > 0 else 1.0 - place
    return placed.where(values.notna(), 0.0)


def raw(values: pd.DataFrame, scene: pd.Series, weight: pd.Series | None = None) -> pd.DataFrame:
    """Return the scores as they are, as some papers add them; what is not a number is the worst."""
    del weight
    values = _finite(values, scene)
    return values.fillna(values.groupby(scene, sort=False).transform("min")).fillna(0.0)


def _weights(scene: pd.Series, weight: pd.Series | None) -> NDArray[np.float64]:
    return np.ones(len(scene)) if weight is None else weight.to_numpy(dtype=np.float64)


def _sums(values: pd.DataFrame, scene: pd.Series) -> pd.DataFrame:
    return values.groupby(scene, sort=False).transform("sum")


def _finite(values: pd.DataFrame, scene: pd.Series) -> pd.DataFrame:
    """Pull infinite scores to the scene's largest or smallest finite one."""
    finite = values.where(np.isfinite(values))
    groups = finite.groupby(scene, sort=False)
    low, high = groups.transform("min"), groups.transform("max")
    return finite.where(values != np.inf, high).where(values != -np.inf, low)


NORMALISERS: dict[str, Callable[[pd.DataFrame, pd.Series, pd.Series | None], pd.DataFrame]] = {
    "rank": rank,
    "minmax": minmax,
    "zscore": zscore,
    "none": raw,
}

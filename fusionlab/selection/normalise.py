"""Normalising scores over the candidates of each scene, so that metrics can be added.

All functions take a frame with one row a candidate and one column a metric, all pointing upwards
(more is better), and the scene of each row; they return a frame of the same shape. What is not a
number takes the worst place of its metric in its scene.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd


def rank(values: pd.DataFrame, scene: pd.Series) -> pd.DataFrame:
    """Return ``(r - 1) / (n - 1)``, r the rank from the worst, ties averaged; 1 if n = 1.

    What is not a number gets 0, however many share that place.
    """
    groups = values.groupby(scene, sort=False)
    ranks = groups.rank(method="average", na_option="top")
    others = groups.transform("size") - 1
    scaled = ranks.sub(1.0).div(others.where(others > 0, 1), axis=0).where(others > 0, 1.0)
    return scaled.where(values.notna(), 0.0)


def minmax(values: pd.DataFrame, scene: pd.Series) -> pd.DataFrame:
    """Return ``(s - min) / (max - min)``; 0.5 where all are equal."""
    values = _finite(values, scene)
    groups = values.groupby(scene, sort=False)
    low, span = groups.transform("min"), groups.transform("max") - groups.transform("min")
    scaled = (values - low).div(span.where(span > 0, 1.0)).where(~(span == 0), 0.5)
    return scaled.fillna(0.0)


def zscore(values: pd.DataFrame, scene: pd.Series) -> pd.DataFrame:
    """Return ``(s - mean) / SD`` with the population SD; 0 where all are equal."""
    values = _finite(values, scene)
    groups = values.groupby(scene, sort=False)
    spread = groups.transform("std", ddof=0)
    scores = (values - groups.transform("mean")).div(spread.where(spread > 0, 1.0))
    return scores.fillna(scores.groupby(scene, sort=False).transform("min")).fillna(0.0)


def _finite(values: pd.DataFrame, scene: pd.Series) -> pd.DataFrame:
    """Pull infinite scores to the scene's largest or smallest finite one."""
    finite = values.where(np.isfinite(values))
    groups = finite.groupby(scene, sort=False)
    low, high = groups.transform("min"), groups.transform("max")
    return finite.where(values != np.inf, high).where(values != -np.inf, low)


NORMALISERS: dict[str, Callable[[pd.DataFrame, pd.Series], pd.DataFrame]] = {
    "rank": rank,
    "minmax": minmax,
    "zscore": zscore,
}

r"""Friedman's test and Nemenyi's critical difference, which tell whether methods differ at all.

With R_j the mean rank of method j over N scenes, k methods:

.. math:: CD = \frac{q_{\alpha,k,\infty}}{\sqrt 2} \sqrt{\frac{k (k + 1)}{6 N}}

q is the studentized range. Two methods whose mean ranks differ by less than CD are not told apart
at level alpha. Demsar, Journal of Machine Learning Research 7, 2006, section 3.2.2.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from fusionlab.audit.study import Study, study_of

if TYPE_CHECKING:
    from fusionlab.lab import Lab
    from fusionlab.paths import Place

#: Friedman's test needs as many methods, and Nemenyi's more than one scene.
_METHODS, _SCENES = 3, 2
_COLUMNS = ["task", "dataset", "method", "mean_rank", "scenes", "methods", "chi2", "p", "cd"]


def critical_difference(
    lab: Study | Lab | Place | str = "lab", labels: str | None = None, alpha: float = 0.05
) -> pd.DataFrame:
    """Return the mean ranks of the methods of each data set, and how far they must lie apart.

    Columns ``task, dataset, method, mean_rank, scenes, methods, chi2, p, cd``: ranks by the
    policy's total, 1 is the best, ties averaged; Friedman's statistic and its p; Nemenyi's critical
    difference at `alpha`. Only methods that have a place in every labelled scene of the data set
    take part; a data set with fewer than 3 of them, or fewer than 2 scenes, is left out.

    Scenes of one data set are not independent of each other: read p as a hint.

    Parameters
    ----------
    alpha : level of the test, 0..1.
    """
    study = study_of(lab, labels)
    frames = []
    for task, dataset in study.datasets():
        totals = study.dataset(task, dataset).ranked.real.pivot(
            index="scene", columns="method", values="total"
        )
        compared = compare(totals.dropna(axis=1), alpha)
        frames.append(compared.assign(task=task, dataset=dataset)[_COLUMNS])
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else pd.DataFrame(columns=_COLUMNS)


def compare(totals: pd.DataFrame, alpha: float = 0.05) -> pd.DataFrame:
    """Rank methods (columns) in every scene (rows) by their totals, higher is better, and test.

    Returns
    -------
    Columns ``method, mean_rank, scenes, methods, chi2, p, cd``, the best method first; no rows for
    fewer than 3 methods or fewer than 2 scenes.
    """
    scenes, methods = totals.shape
    if methods < _METHODS or scenes < _SCENES:
        return pd.DataFrame(columns=_COLUMNS[2:])
    ranks = totals.rank(axis=1, ascending=False)
    chi2, p = _friedman(ranks)
    frame = ranks.mean().rename_axis("method").rename("mean_rank").reset_index()
    frame["scenes"], frame["methods"], frame["chi2"], frame["p"] = scenes, methods, chi2, p
    frame["cd"] = nemenyi(methods, scenes, alpha)
    return frame.sort_values(["mean_rank", "method"], ignore_index=True)


def nemenyi(methods: int, scenes: int, alpha: float = 0.05) -> float:
    """Return the critical difference of mean ranks."""
    q = float(stats.studentized_range.ppf(1 - alpha, methods, np.inf)) / math.sqrt(2)
    return q * math.sqrt(methods * (methods + 1) / (6 * scenes))


def _friedman(ranks: pd.DataFrame) -> tuple[float, float]:
    """Return statistic and p; 0 and 1 where every scene is one tie."""
    if ranks.eq(ranks.iloc[:, 0], axis=0).all(axis=None):
        return 0.0, 1.0
    found = stats.friedmanchisquare(*(ranks[method] for method in ranks))
    return float(found.statistic), float(found.pvalue)

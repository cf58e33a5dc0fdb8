r"""Whether a mosaic becomes the label.

.. math:: g = \frac{1}{M} \sum_m \frac{s_m(F) - s_m(c^*)}{\sigma_m}

s_m: score in a held-out metric, pointing upwards; F: the mosaic; c*: the best whole candidate;
sigma_m: the population SD of the scene's candidates in that metric. The mosaic must gain at least a
margin, lose in no held-out metric, pass the policy's guards, and not fall behind c* by the policy's
own total.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab import metrics as metric_library
from fusionlab.selection.guards import failed
from fusionlab.selection.ranking import rank_candidates

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusionlab.selection.policy import Policy


@dataclass(frozen=True)
class Verdict:
    """What became of one mosaic.

    Attributes
    ----------
    reason : the code of why it is refused; empty where it becomes the label.
    detail : one sentence.
    gain : g above.
    ranked : its row in the ranking by the policy: ``total``, ``norm_<metric>``.
    best_total : the best whole candidate's total in the same ranking.
    """

    reason: str
    detail: str
    gain: float
    ranked: Mapping[str, float]
    best_total: float


def judge(
    values: Mapping[str, float],
    rivals: pd.DataFrame,
    best: str,
    policy: Policy,
    task: str,
    judges: Sequence[str],
    margin: float,
) -> Verdict:
    """Compare a mosaic with the candidates of its scene.

    Parameters
    ----------
    values : metric -> value of the mosaic, for all metrics of the policy and `judges`.
    rivals : one row a candidate that may take part (index method), the same metrics as columns.
    best : the best whole candidate.
    margin : what g must reach.
    """
    gains = _gains(values, rivals, best, judges)
    gain = float(np.mean(list(gains.values())))
    pool = pd.concat([rivals, pd.DataFrame([values], index=[_NAME])])
    pool.index = pd.MultiIndex.from_product([[""], pool.index], names=["scene", "method"])
    ranked = rank_candidates(pool, policy, task).set_index("method")
    norms = [f"norm_{metric}" for metric in policy.task_weights(task)]
    own = {c: float(ranked[c][_NAME]) for c in ("total", *norms)}
    theirs = float(ranked["total"][best])
    parts = ", ".join(f"{metric} {value:+.3f}" for metric, value in gains.items())
    said = f"held-out gain {gain:+.3f} SD over {best} ({parts})"
    reason = ""
    if not (gain >= margin and min(gains.values()) >= 0):
        reason, said = "mosaic_no_gain", f"{said}, at least {margin:g} and no loss are needed"
    elif guard := failed(pool, policy, task)["", _NAME]:
        reason, said = "mosaic_guard", f"it fails the guard {guard!r} of the policy"
    elif own["total"] < theirs:
        said = f"its total is {own['total']:.4f}, that of {best} {theirs:.4f}"
        reason = "mosaic_behind"
    return Verdict(reason, said, gain, own, theirs)


#: Not the name of any file, so not of any candidate.
_NAME = "/mosaic"


def _gains(
    values: Mapping[str, float], rivals: pd.DataFrame, best: str, judges: Sequence[str]
) -> dict[str, float]:
    """Return, by held-out metric, the gain in SDs of the candidates.

    Where that cannot be told (a value is not a number, or all candidates are equal) it is minus
    infinity: a mosaic that cannot be judged is no label.
    """
    gains = {}
    for metric in judges:
        sign = 1.0 if metric_library.get(metric).direction == "higher" else -1.0
        spread = float(rivals[metric].std(ddof=0))
        difference = sign * (values[metric] - float(rivals[metric][best]))
        told = np.isfinite(difference) and np.isfinite(spread) and spread > 0
        gains[metric] = difference / spread if told else -np.inf
    return gains

r"""How good a policy's choices are, by a truth.

.. math:: regret = \max_{c} t(c) - t(c^*)

t: the truth, c: the candidates of a scene that have one, c*: the one that the policy chooses among
them. Beside the policies stand those who always take one method, in hindsight or chosen on the
other scenes: a policy that does not beat them looks at the images for nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab.validation.intervals import spearman
from fusionlab.validation.pools import order

if TYPE_CHECKING:
    from fusionlab.selection import Policy
    from fusionlab.validation.truths import Truth

#: One row a scene, truth and policy.
COLUMNS = ["policy", "scene", "chosen", "value", "best_method", "best", "regret", "spearman"]
COLUMNS += ["pool"]

HINDSIGHT, OTHERS = "always ", "always the best elsewhere"


def choices(
    truth: Truth, scores: pd.DataFrame, policy: Policy, task: str, traits: pd.DataFrame | None
) -> pd.DataFrame:
    """Return what `policy` chooses in each pool of `truth`, and what that costs.

    Parameters
    ----------
    scores : index (scene, method), a column each metric of the policy.

    Returns
    -------
    Columns `COLUMNS`. A scene in which no candidate is admitted has no choice (``chosen`` is
    empty) and no regret, but an order, and so a Spearman correlation.
    """
    pool = scores[scores.index.isin(truth.known.index)]
    ordered = order(pool, policy, task, traits)
    ordered["truth"] = truth.known.reindex(
        pd.MultiIndex.from_frame(ordered[["scene", "method"]])
    ).to_numpy()
    key = ordered["total"].rank(method="dense") + ordered["admitted"] * (len(ordered) + 1)
    first = ordered[ordered["place"] == 1].set_index("scene")
    found = _best(truth).join(
        pd.DataFrame(
            {
                "chosen": first["method"].where(first["admitted"], ""),
                "value": first["truth"].where(first["admitted"]),
                "spearman": spearman(key, ordered["truth"], ordered["scene"]),
            }
        ),
        how="inner",
    )
    found["regret"] = found["best"] - found["value"]
    return found.reset_index().assign(policy=policy.name)[COLUMNS]


def always(truth: Truth) -> pd.DataFrame:
    """Return the same for taking one method everywhere, of those that are in every pool.

    The first is the method of least mean regret over all scenes, which nobody could know; the
    second, in each scene, that of least mean regret over the other scenes. Empty where no method
    is in every pool, or there is one scene.
    """
    table = truth.known.unstack("method")
    regrets = table.rsub(table.max(axis=1), axis=0).dropna(axis=1)
    if regrets.shape[1] == 0 or len(regrets) < 2:
        return pd.DataFrame(columns=COLUMNS)
    total = regrets.sum()
    elsewhere = regrets.rsub(total, axis=1)
    method = str(total.idxmin())
    rows = [
        _constant(truth, pd.Series(method, index=regrets.index)).assign(policy=HINDSIGHT + method),
        _constant(truth, elsewhere.idxmin(axis=1)).assign(policy=OTHERS),
    ]
    return pd.concat(rows, ignore_index=True)[COLUMNS]


def _best(truth: Truth) -> pd.DataFrame:
    groups = truth.known.groupby(level="scene")
    best_method = groups.idxmax().map(lambda place: place[1])
    return pd.DataFrame({"best": groups.max(), "best_method": best_method, "pool": groups.size()})


def _constant(truth: Truth, chosen: pd.Series) -> pd.DataFrame:
    """Return the rows of taking `chosen` (by scene) without looking."""
    found = _best(truth).assign(chosen=chosen)
    places = pd.MultiIndex.from_arrays([found.index, found["chosen"]])
    found["value"] = truth.known.reindex(places).to_numpy()
    found["regret"] = found["best"] - found["value"]
    return found.assign(spearman=np.nan).reset_index()

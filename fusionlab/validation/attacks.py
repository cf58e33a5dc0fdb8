"""How easily a policy is fooled: by decoys, by spoiled winners; and whether it knows the truth.

Each intruder enters the pool of its scene alone. A scene is lost to it when its total is higher
than that of every candidate; so is an attack by a mildly spoiled winner, whose original is one of
them. The truth comes first when no candidate has a higher total.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab.decoys import DECOY_PREFIX, DECOYS, SPOILS, spoiled_name
from fusionlab.scoring.trials import TRUTH
from fusionlab.validation.pools import leads, order, winners

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionlab.selection import Policy

#: One row a scene, policy and intruder; `lost` with the policy's guards, `lost_bare` without.
COLUMNS = ["policy", "scene", "decoy", "kind", "of", "lead", "lost", "lead_bare", "lost_bare"]

SOURCES, TRUTH_KIND = "sources", "truth"


def chosen_by(
    scores: pd.DataFrame, policy: Policy, task: str, traits: pd.DataFrame | None
) -> dict[str, set[str]]:
    """Return the winners of each scene, with the policy's guards and without: who is spoiled."""
    found: dict[str, set[str]] = {}
    for version in (policy, policy.unguarded()):
        for scene, method in winners(order(scores, version, task, traits)).items():
            found.setdefault(str(scene), set()).add(str(method))
    return found


def attacks(
    scores: pd.DataFrame,
    decoys: pd.DataFrame,
    trials: pd.DataFrame,
    policy: Policy,
    task: str,
    traits: pd.DataFrame | None,
) -> pd.DataFrame:
    """Return how far every intruder leads, one row each, columns `COLUMNS`.

    Parameters
    ----------
    scores, decoys : candidates, and the decoys of their scenes; index (scene, method).
    trials : spoiled candidates and truths, those of other policies' winners too.
    """
    tried = []
    for version in (policy, policy.unguarded()):
        won = winners(order(scores, version, task, traits))
        won = won.reindex(scores.index.unique("scene"), fill_value="")
        intruders = _intruders(won, decoys, trials)
        rows = intruders.drop(columns=scores.columns).reset_index()
        rows["lead"] = leads(scores, intruders[scores.columns], version, task, traits).to_numpy()
        tried.append(rows.set_index(["scene", "decoy"]))
    guarded, bare = tried
    both = guarded.join(bare[["lead"]].set_axis(["lead_bare"], axis=1), how="outer")
    both["kind"] = bare["kind"].combine_first(guarded["kind"])
    for suffix in ("", "_bare"):
        lead = both[f"lead{suffix}"]
        lost = (lead > 0).where(both["kind"] != TRUTH_KIND, lead < 0)
        both[f"lost{suffix}"] = lost.astype(float).where(lead.notna(), np.nan)
    return both.reset_index().assign(policy=policy.name)[COLUMNS]


def _intruders(won: pd.Series, decoys: pd.DataFrame, trials: pd.DataFrame) -> pd.DataFrame:
    """Return the scores of the decoys, of the spoiled winners and of the truths, and what each is.

    A scene without a winner has none spoiled. The columns besides are ``decoy`` (its name, without
    that of the method), ``kind`` and ``of``.
    """
    rows = []
    for decoy, kind, of, names in _kinds(won):
        table = decoys if kind == SOURCES else trials
        places = pd.MultiIndex.from_arrays([won.index, names], names=["scene", "method"])
        found = table[table.index.isin(places)]
        origin = of.reindex(found.index.get_level_values("scene")).to_numpy()
        rows.append(found.assign(decoy=decoy, kind=kind, of=origin))
    return pd.concat(rows)


def _kinds(won: pd.Series) -> Iterator[tuple[str, str, pd.Series, pd.Series]]:
    """Yield every intruder: its name, its kind, what it was made of, and its name by scene."""
    none = pd.Series("", index=won.index)
    for name in DECOYS:
        yield name.removeprefix(DECOY_PREFIX), SOURCES, none, none + name
    for name, spoil in SPOILS.items():
        yield name, spoil.kind, won, won.map(lambda method, name=name: spoiled_name(name, method))
    yield TRUTH.removeprefix(DECOY_PREFIX), TRUTH_KIND, none, none + TRUTH

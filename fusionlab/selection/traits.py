"""What ingest found out about the candidates, as far as a policy asks for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pandas as pd

from fusionlab.flags import split_flags

if TYPE_CHECKING:
    from fusionlab.selection.policy import Policy


def candidate_traits(index: pd.DataFrame) -> pd.DataFrame:
    """Return columns ``flags, family`` of the candidates in an index, by (scene, method)."""
    methods = index.loc[index["role"] == "method", ["scene", "name", "flags", "family"]]
    return methods.rename(columns={"name": "method"}).set_index(["scene", "method"])


def traits_of(scores: pd.DataFrame, traits: pd.DataFrame | None) -> pd.DataFrame:
    """Return the traits row by row of `scores`; empty for decoys and where none are known."""
    if traits is None:
        return pd.DataFrame("", index=scores.index, columns=["flags", "family"])
    return traits.reindex(scores.index, fill_value="")


def penalties(flags: pd.Series, policy: Policy) -> pd.Series:
    """Return what the policy takes off each candidate's total."""
    amounts = {text: _penalty(text, policy) for text in flags.unique()}
    return flags.map(amounts).astype(float)


def voter_weights(scene: pd.Series, family: pd.Series, policy: Policy) -> pd.Series:
    """Return how much each candidate counts as a voter: 1, or ``1 / |family|`` under ``share``."""
    alone = pd.Series(1.0, index=family.index)
    if policy.families == "equal":
        return alone
    members = family.groupby([scene, family]).transform("size")
    return alone.where(family == "", 1.0 / members)


def _penalty(text: str, policy: Policy) -> float:
    return sum(policy.penalise.get(code, 0.0) for code in split_flags(text))

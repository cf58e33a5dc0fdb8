"""Sentences and facts about a set of labels."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fusionlab.audit.cells import number
from fusionlab.flags import NO_PERSON

if TYPE_CHECKING:
    import pandas as pd


def counted(count: int, noun: str) -> str:
    """Return ``1 scene``, ``2 scenes``."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def facts_of(labels: pd.DataFrame, scenes: int) -> dict[str, str]:
    """Return the short facts about some labels."""
    facts = {"scenes": f"{scenes:,}", "labels": f"{len(labels):,}"}
    if labels.empty:
        return facts
    facts["methods that won"] = f"{labels['method'].nunique():,}"
    facts["candidates a scene"] = number(float(labels["candidates"].median()))
    facts["median margin"] = _short(labels["margin"])
    facts["ties"] = f"{int(labels['tied'].sum()):,}"
    facts["a decoy leads"] = f"{int((labels['decoy'] != '').sum()):,}"
    if labels["stability"].notna().any():
        facts["median stability"] = _short(labels["stability"])
    people = int((~labels["chosen_by"].isin(NO_PERSON)).sum())
    refined = int((labels["chosen_by"] == "refined").sum())
    further = {"chosen by people": people, "refined": refined}
    return facts | {name: f"{count:,}" for name, count in further.items() if count}


def _short(values: pd.Series) -> str:
    median = float(values.median())
    return number(median if math.isnan(median) else round(median, 3))


def about_labels(labels: pd.DataFrame, scenes: int) -> list[str]:
    """Say in one paragraph how many labels there are, whose, and how far to trust them."""
    if labels.empty:
        return [f"None of the {counted(scenes, 'scene')} has a label."]
    best = labels["method"].value_counts()
    have = "has a label" if len(labels) == 1 else "have a label"
    first = f"{len(labels):,} of {counted(scenes, 'scene')} {have}. "
    if len(labels) == scenes:
        first = (
            f"All {counted(scenes, 'scene')} have a label. "
            if scenes > 1
            else "The scene has a label. "
        )
    wins = f"{best.index[0]} wins most often, in {counted(int(best.iloc[0]), 'scene')}. "
    if len(best) == 1:
        wins = f"{best.index[0]} wins wherever it enters. " if len(labels) > 1 else ""
    return [first + wins + _trust(labels)]


def _trust(labels: pd.DataFrame) -> str:
    ties, leads = int(labels["tied"].sum()), int((labels["decoy"] != "").sum())
    said = []
    if ties:
        said.append(f"{counted(ties, 'choice')} {'is a tie' if ties == 1 else 'are ties'}")
    if leads:
        share = leads / len(labels)
        said.append(
            f"in {counted(leads, 'scene')} ({share:.0%}) an image that was not fused at all would "
            "have won under this policy"
        )
    if not said:
        return "None is a tie, and no decoy would have won."
    text = "; ".join(said)
    return f"{text[0].upper()}{text[1:]}."

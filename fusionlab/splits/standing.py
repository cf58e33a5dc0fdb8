"""The split of a lab: what stands in ``lab/splits.parquet``, and what is added to it.

The table is only ever added to. With it stands the rule that it was begun by, which later scenes
follow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from pydantic import ValidationError

from fusionlab.errors import LabError, UsageError
from fusionlab.schemas import SPLITS
from fusionlab.splits.assign import Assigned, assign
from fusionlab.splits.names import named_places
from fusionlab.splits.rule import TEST, SplitRule
from fusionlab.splits.ties import places_of, ties_of
from fusionlab.tables import concat, read_note

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fusionlab.lab import Lab


@dataclass(frozen=True)
class Split:
    """Where the scenes of some data sets go.

    Attributes
    ----------
    rows : of the table of splits, those that are new.
    """

    rule: SplitRule
    assigned: Assigned
    rows: pd.DataFrame

    def column(self, labels: pd.DataFrame) -> list[str]:
        """Return the part of each row of a labels manifest; "" is none."""
        parts, torn = self.assigned.parts, self.assigned.torn
        return ["" if place in torn else parts.get(place, "") for place in places_of(labels)]

    def rejects(self, key: tuple[str, str]) -> list[dict[str, str]]:
        """Return the rejects of one data set: the scenes that are in no part."""
        above = "/".join(key) + "/"
        return [
            {"scene": place.removeprefix(above), "reason": "split_conflict", "detail": detail}
            for place, detail in sorted(self.assigned.torn.items())
            if place.startswith(above)
        ]

    def write(self, lab: Lab, *, anew: bool = False) -> None:
        """Add what is new to the lab's table, or begin it anew; the lab must be held."""
        old = SPLITS.empty() if anew else lab.splits()
        lab.write_splits(concat([old, self.rows], SPLITS), self.rule.model_dump_json())


def plan_split(
    lab: Lab,
    keys: Iterable[tuple[str, str]],
    labels: pd.DataFrame,
    *,
    shares: tuple[float, float, float] | None = None,
    test: Sequence[str] = (),
    anew: bool = False,
) -> Split:
    """Find where the scenes of some data sets go; nothing is written.

    Parameters
    ----------
    labels : of a manifest, whose scenes a task's parts are counted by.
    shares : of train, validation and test; by default those that the lab's split was begun by.
    test : tasks, data sets and scenes for test, besides those that are already.
    anew : forget what stands.

    Raises
    ------
    UsageError
        When a scene that stands would have to move, or `test` names what is not there.
    """
    standing, rule = ({}, SplitRule()) if anew else _standing(lab)
    if standing and shares not in (None, rule.shares):
        raise UsageError(
            f"{lab.path}: is split by {','.join(map(str, rule.shares))} already, and no scene that "
            "stands moves; leave --split out, or forget what stands with --resplit"
        )
    given = {"shares": shares or rule.shares, "test": sorted({*rule.test, *test})}
    wanted = SplitRule.model_validate(given)
    indices = {key: lab.index(*key) for key in lab.datasets()}
    known = {key: sorted(set(places_of(index))) for key, index in indices.items()}
    everywhere = [place for places in known.values() for place in places]
    _check_test(lab, named_places(test, everywhere, "--test"), standing)
    scenes = [place for key in sorted(keys) for place in known[key]]
    ties, labelled = ties_of(indices.values()), frozenset(places_of(labels))
    found = assign(standing, scenes, ties, wanted, labelled)
    rows = [
        (*place.split("/", 2), found.parts[place], group) for place, group in found.groups.items()
    ]
    return Split(wanted, found, pd.DataFrame(rows, columns=SPLITS.columns.names))


def check_test(lab: Lab, test: Sequence[str]) -> None:
    """Refuse names for test of which a scene stands for something else, before anything is done.

    Raises
    ------
    UsageError
        Names the first such scene; names that the lab does not know yet are no error.
    """
    standing, _ = _standing(lab)
    asked = tuple(f"{name}/" for name in test)
    _check_test(lab, [place for place in standing if f"{place}/".startswith(asked)], standing)


def _check_test(lab: Lab, named: Iterable[str], standing: Mapping[str, str]) -> None:
    """Refuse scenes for test that runs may have learned from, or been judged by."""
    other = sorted(place for place in named if standing.get(place, TEST) != TEST)
    if other:
        raise UsageError(
            f"{lab.path}: asked for as test, but for something else already: {len(other)} scenes, "
            f"the first {other[0]} (for {standing[other[0]]}). No scene that stands moves; forget "
            "what stands with --resplit, and train again"
        )


def completed(lab: Lab, labels: pd.DataFrame) -> pd.DataFrame:
    """Return a labels manifest with the column ``split``, which those of earlier versions lack."""
    if "split" in labels:
        return labels
    keys = set(zip(labels["task"], labels["dataset"], strict=True))
    return labels.assign(split=plan_split(lab, keys, labels).column(labels))


def _standing(lab: Lab) -> tuple[dict[str, str], SplitRule]:
    """Return scene -> part as the lab has it, and the rule it was begun by."""
    frame = lab.splits()
    if frame.empty:
        return {}, SplitRule()
    try:
        rule = SplitRule.model_validate_json(read_note(lab.splits_path))
    except ValidationError:
        raise LabError(
            f"{lab.splits_path}: does not say by what rule it was made; begin anew: fusionlab "
            f"select --lab {lab.path} --name NAME --resplit"
        ) from None
    return dict(zip(places_of(frame), frame["split"], strict=True)), rule

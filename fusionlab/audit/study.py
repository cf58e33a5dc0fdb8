"""Everything that is known about a labels manifest, read once for many pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fusionlab import metrics as metric_library
from fusionlab.audit.cells import records
from fusionlab.audit.frames import TRUTH_METRIC, open_labels
from fusionlab.audit.ranked import Ranked, rank_again
from fusionlab.decoys import DECOY_PREFIX
from fusionlab.refine.write import refined_name
from fusionlab.selection.policy import policy_of

if TYPE_CHECKING:
    import pandas as pd

    from fusionlab.lab import Lab
    from fusionlab.paths import Place


class Study:
    """One labels manifest of a lab, and what the lab knows about its scenes.

    Attributes
    ----------
    lab, name : where the labels are.
    chosen : the labels, one row a scene.
    policy : the policy as it was when it chose.
    """

    def __init__(self, lab: Lab | Place | str, labels: str | None = None) -> None:
        self.lab, self.name, self.chosen = open_labels(lab, labels)
        self.policy = policy_of(self.lab, self.name)
        self._read: dict[tuple[str, str], DatasetStudy] = {}

    @cached_property
    def rejects(self) -> pd.DataFrame:
        """Return what all stages turned away."""
        return self.lab.rejects()

    @cached_property
    def overrides(self) -> pd.DataFrame:
        """Return the decisions of people."""
        return self.lab.overrides()

    def forget_decisions(self) -> None:
        """Read what people decided anew when it is next asked for."""
        self.__dict__.pop("overrides", None)
        for known in self._read.values():
            known.__dict__.pop("decisions", None)

    def datasets(self) -> list[tuple[str, str]]:
        """Return the data sets with labels, sorted, and others of their tasks that got none.

        Those are the ones of which selection turned scenes away; it does not note for which labels.
        """
        labelled = set(self.chosen[["task", "dataset"]].itertuples(index=False, name=None))
        tried = self.rejects[self.rejects["stage"] == "select"]
        refused = set(tried[["task", "dataset"]].itertuples(index=False, name=None))
        tasks = {task for task, _ in labelled}
        return sorted(
            labelled | {key for key in refused & set(self.lab.datasets()) if key[0] in tasks}
        )

    def dataset(self, task: str, dataset: str) -> DatasetStudy:
        """Return what is known about one data set; it is read once."""
        key = (task, dataset)
        if key not in self._read:
            self._read[key] = DatasetStudy(self, task, dataset)
        return self._read[key]


@dataclass(frozen=True)
class DatasetStudy:
    """One data set of a study.

    Attributes
    ----------
    task, dataset : its name.
    """

    study: Study
    task: str
    dataset: str

    @cached_property
    def index(self) -> pd.DataFrame:
        """Return the rows of the index."""
        return self.study.lab.index(self.task, self.dataset)

    @cached_property
    def entries(self) -> dict[str, list[dict[str, Any]]]:
        """Return scene -> rows of the index: sources by position, candidates by name, the truth."""
        order = self.index["role"].map({"source": 0, "method": 1, "reference": 2})
        rows = self.index.assign(order=order).sort_values(["scene", "order", "position", "name"])
        found: dict[str, list[dict[str, Any]]] = {}
        for row in records(rows):
            found.setdefault(row["scene"], []).append(row)
        return found

    @cached_property
    def scenes(self) -> list[str]:
        """Return the scenes in the order of the pages: by name, numbers by their value."""
        return sorted(self.entries, key=_by_number)

    @cached_property
    def chosen(self) -> pd.DataFrame:
        """Return the labels, one row a scene."""
        chosen = self.study.chosen
        return chosen[(chosen["task"] == self.task) & (chosen["dataset"] == self.dataset)]

    @cached_property
    def labels(self) -> dict[str, dict[str, Any]]:
        """Return scene -> its label's row."""
        return {row["scene"]: row for row in records(self.chosen)}

    @cached_property
    def refused(self) -> dict[str, tuple[str, str]]:
        """Return scene -> (reason, detail) of the scenes that selection gave no label."""
        found = {
            scene: (row["reason"], row["detail"])
            for scene, rows in self.turned_away.items()
            for row in rows
            if row["stage"] == "select"
        }
        return {scene: why for scene, why in found.items() if scene not in self.labels}

    @cached_property
    def ranked(self) -> Ranked:
        """Return the candidates in the order of the policy; those without scores are left out."""
        policy = self.study.policy
        return rank_again(self.study.lab, policy, self.task, self.dataset, complete=False)

    @cached_property
    def upward(self) -> pd.DataFrame:
        """Return all scores of the labelled scenes' candidates, (scene, method) by metric.

        Metrics where lower is better are turned round.
        """
        scores = self.study.lab.scores(self.task, self.dataset)
        scores = scores[scores["scene"].isin(list(self.labels))]
        scores = scores[~scores["method"].str.startswith(DECOY_PREFIX)]
        scores = scores[scores["metric"].isin(metric_library.names())]
        wide = scores.pivot(index=["scene", "method"], columns="metric", values="value")
        lower = [m for m in wide.columns if metric_library.get(m).direction == "lower"]
        wide[lower] = -wide[lower]
        return wide

    @cached_property
    def unseen(self) -> dict[str, dict[tuple[str, str], float]]:
        """Return what the policy never saw, name -> (scene, method) -> value.

        That is the nearness to the truth, and people's opinion.
        """
        scores = self.study.lab.scores(self.task, self.dataset)
        truth = scores[scores["metric"] == TRUTH_METRIC]
        opinions = self.study.lab.opinions(self.task, self.dataset)
        found = {}
        for name, frame, column in ((TRUTH_METRIC, truth, "value"), ("opinion", opinions, "score")):
            if len(frame):
                places = zip(frame["scene"], frame["method"], strict=True)
                found[name] = dict(zip(places, frame[column].astype(float), strict=True))
        return found

    @cached_property
    def turned_away(self) -> dict[str, list[dict[str, Any]]]:
        """Return scene -> its rows of the rejects."""
        return self._by_scene(self.study.rejects)

    @cached_property
    def decisions(self) -> dict[str, list[dict[str, Any]]]:
        """Return scene -> the decisions of people about it, the oldest first."""
        return self._by_scene(self.study.overrides)

    @cached_property
    def refinements(self) -> pd.DataFrame:
        """Return what the refiner found in the labels; empty where it never looked."""
        table = self.study.lab.refinements(self.task, self.dataset)
        return table[table["name"] == refined_name(self.study.name)]

    @cached_property
    def repairs(self) -> dict[str, list[dict[str, Any]]]:
        """Return scene -> its rows of `refinements`."""
        return self._by_scene(self.refinements)

    def _by_scene(self, frame: pd.DataFrame) -> dict[str, list[dict[str, Any]]]:
        mine = frame[(frame["task"] == self.task) & (frame["dataset"] == self.dataset)]
        found: dict[str, list[dict[str, Any]]] = {}
        for row in records(mine):
            found.setdefault(row["scene"], []).append(row)
        return found


def _by_number(name: str) -> tuple[str, str]:
    """Return a key that puts ``s2`` before ``s10``."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(20), name.lower()), name


def study_of(lab: Study | Lab | Place | str, labels: str | None = None) -> Study:
    """Open a labels manifest, or return the study that is open already."""
    return lab if isinstance(lab, Study) else Study(lab, labels)

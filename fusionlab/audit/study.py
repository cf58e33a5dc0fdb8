"""Everything that is known about a labels manifest, read once for many pages."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab import metrics as metric_library
from fusionlab.audit.cells import records
from fusionlab.audit.frames import TRUTH_METRIC, open_labels
from fusionlab.audit.ranked import Ranked, rank_again
from fusionlab.decoys import DECOY_PREFIX
from fusionlab.selection.policy import Policy
from fusionlab.tables import read_note

if TYPE_CHECKING:
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
        self.policy = Policy.model_validate_json(read_note(self.lab.labels_path(self.name)))
        self._read: dict[tuple[str, str], DatasetStudy] = {}

    @cached_property
    def rejects(self) -> pd.DataFrame:
        """Return what all stages turned away."""
        return self.lab.rejects()

    @cached_property
    def overrides(self) -> pd.DataFrame:
        """Return the decisions of people."""
        return self.lab.overrides()

    def datasets(self) -> list[tuple[str, str]]:
        """Return the data sets that were selected from, sorted.

        Those of which no scene got a label are in, if selection says so in the rejects.
        """
        labelled = set(self.chosen[["task", "dataset"]].itertuples(index=False, name=None))
        tried = self.rejects[self.rejects["stage"] == "select"]
        refused = set(tried[["task", "dataset"]].itertuples(index=False, name=None))
        known = {k for k in self.lab.datasets() if k[0] in self.policy.weights}
        return sorted((labelled | refused) & known)

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
    def unseen(self) -> pd.DataFrame:
        """Return what the policy never saw, by scene and method: the truth, people's opinion."""
        scores = self.study.lab.scores(self.task, self.dataset)
        truth = scores[scores["metric"] == TRUTH_METRIC].set_index(["scene", "method"])["value"]
        opinions = self.study.lab.opinions(self.task, self.dataset)
        people = opinions.set_index(["scene", "method"])["score"]
        frame = pd.concat({TRUTH_METRIC: truth, "opinion": people}, axis=1)
        return frame.dropna(axis=1, how="all")

    def of_scene(self, frame: pd.DataFrame, scene: str) -> pd.DataFrame:
        """Return the rows of `frame` (rejects or overrides) that are about one scene."""
        mine = (frame["task"] == self.task) & (frame["dataset"] == self.dataset)
        return frame[mine & (frame["scene"] == scene)]


def _by_number(name: str) -> tuple[str, str]:
    """Return a key that puts ``s2`` before ``s10``."""
    return re.sub(r"\d+", lambda digits: digits[0].zfill(20), name.lower()), name


def study_of(lab: Study | Lab | Place | str, labels: str | None = None) -> Study:
    """Open a labels manifest, or return the study that is open already."""
    return lab if isinstance(lab, Study) else Study(lab, labels)

"""Who may take part in the mosaics of a data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionlab.decoys import DECOY_PREFIX
from fusionlab.errors import LabError
from fusionlab.selection.guards import failed
from fusionlab.selection.held_out import held_out
from fusionlab.selection.scored import current_scores
from fusionlab.selection.traits import candidate_traits

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pandas as pd

    from fusionlab.lab import Lab
    from fusionlab.selection.policy import Policy


@dataclass(frozen=True)
class Pool:
    """The labels of one data set that a mosaic may replace, and who may take part in it.

    Attributes
    ----------
    best : scene -> the label, which is the best whole candidate.
    members : scene -> candidates; the label is one of them.
    scores : index (scene, method), the policy's metrics and the held-out ones.
    judges : the held-out metrics.
    """

    best: dict[str, str]
    members: dict[str, list[str]]
    scores: pd.DataFrame
    judges: list[str]


def find_pool(lab: Lab, task: str, dataset: str, labels: pd.DataFrame, policy: Policy) -> Pool:
    """Return who may take part in the mosaics of one data set.

    A label that a person chose stays, and so does one that shows only a region of its scene. A
    candidate takes part if the policy allows it, it shows the whole scene and has the label's data
    type.

    Raises
    ------
    LabError
        When scores are missing, or have changed since the labels were selected.
    """
    judges = held_out(policy, task)
    index = lab.index(task, dataset)
    scores = current_scores(lab, task, dataset, [*policy.task_metrics(task), *judges])
    scores = scores[failed(scores, policy, task, candidate_traits(index)) == ""]
    whole = index[(index["role"] == "method") & (index["region"] == "")]
    kinds = whole.set_index(["scene", "name"])["dtype"]
    scores = scores[scores.index.isin(kinds.index)]
    replaceable = labels[(labels["place"] == 1) & (labels["chosen_by"] == "policy")]
    replaceable = replaceable[replaceable["region"] == ""]
    best: dict[str, str] = dict(zip(replaceable["scene"], replaceable["method"], strict=True))
    by_scene = dict(_methods(scores))
    members = {}
    for scene, label in best.items():
        if label not in by_scene.get(scene, []):
            raise LabError(
                f"{lab.path}: {label}, the label of {task}/{dataset}/{scene}, has no current "
                "scores: they have changed since it was selected; select again"
            )
        kind = kinds[scene, label]
        members[scene] = [m for m in by_scene[scene] if kinds[scene, m] == kind]
    return Pool(best, members, scores, judges)


def _methods(scores: pd.DataFrame) -> Iterator[tuple[str, list[str]]]:
    for scene, rows in scores.groupby(level="scene", sort=False):
        methods = rows.index.get_level_values("method")
        yield str(scene), [str(m) for m in methods if not str(m).startswith(DECOY_PREFIX)]

"""Why this label? Every candidate of one scene, metric by metric, under the policy that chose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.audit.cells import records
from fusionlab.audit.frames import open_labels
from fusionlab.audit.ranked import Ranked, decoy_reason, mosaic_reason, rank_again, sure_reason
from fusionlab.audit.repairs import refiner_reason
from fusionlab.errors import LabError
from fusionlab.naming import find_scene, rows_of
from fusionlab.refine.write import refined_name
from fusionlab.selection.policy import Policy, policy_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.lab import Lab
    from fusionlab.paths import Place


@dataclass(frozen=True)
class Why:
    """The reasons of one label.

    Attributes
    ----------
    task, dataset, scene, method : the label.
    policy : the policy as it was when it chose.
    table : one row a candidate and decoy; ``place`` (decoys have none), ``total``, then for each
        metric its value and ``norm_<metric>`` (a metric of guards alone has none), then
        ``penalty``, ``flags``, ``family`` and ``turned_away``, the guard or flag by which a
        candidate takes no part; it has neither place nor total. Decoys are normalised together
        with the candidates and do not move them.
    reasons : sentences, the weightiest first.
    """

    task: str
    dataset: str
    scene: str
    method: str
    policy: Policy
    table: pd.DataFrame
    reasons: list[str]

    def readable(self) -> pd.DataFrame:
        """Return the table for people: each metric's value with its normalised value behind it."""
        table = self.table
        frame = pd.DataFrame(
            {"place": table["place"].map(lambda p: "" if pd.isna(p) else f"{p:.0f}")}
        )
        frame["method"], frame["total"] = table["method"], table["total"]
        for metric in self.policy.task_weights(self.task):
            pairs = zip(table[metric], table[f"norm_{metric}"], strict=True)
            frame[metric] = [_beside(value, norm) for value, norm in pairs]
        for trait in ("flags", "family", "turned_away"):
            if (table[trait] != "").any():
                frame[trait] = table[trait]
        return frame

    def as_dict(self) -> dict[str, Any]:
        """Return everything for JSON."""
        return {
            "task": self.task,
            "dataset": self.dataset,
            "scene": self.scene,
            "method": self.method,
            "policy": f"{self.policy.name} v{self.policy.version}",
            "policy_digest": self.policy.digest,
            "candidates": self.table.astype(object)
            .where(self.table.notna(), None)
            .to_dict("records"),
            "reasons": self.reasons,
        }


def _beside(value: float, norm: float) -> str:
    """Return a raw score, and behind it what the policy makes of it where it makes anything."""
    return f"{value:.4g}" if pd.isna(norm) else f"{value:.4g} ({norm:.2f})"


def why(scene: str, lab: Lab | Place | str = "lab", labels: str | None = None) -> Why:
    """Explain the label of one scene.

    Parameters
    ----------
    scene : its name, or ``dataset/name`` or ``task/dataset/name`` where the name is not unique.

    Raises
    ------
    UnknownNameError
        When no such scene has a label.
    LabError
        When several have that name, or the scores have changed since.
    """
    opened, name, chosen = open_labels(lab, labels)
    label = _find(chosen, scene, name)
    policy = policy_of(opened, name)
    ranked = rank_again(opened, policy, label["task"], label["dataset"], [label["scene"]])
    check_current(opened, name, ranked, label)
    return Why(
        label["task"],
        label["dataset"],
        label["scene"],
        label["method"],
        policy,
        ranked.table(label["scene"]),
        [*refiner_reason(_repairs(opened, name, label), label), *reasons_of(ranked, label)],
    )


def _repairs(lab: Lab, name: str, label: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return what the refiner found in a label."""
    table = lab.refinements(label["task"], label["dataset"])
    mine = table[(table["scene"] == label["scene"]) & (table["name"] == refined_name(name))]
    return records(mine)


def reasons_of(ranked: Ranked, label: Mapping[str, Any]) -> list[str]:
    """Return the reasons of one label as sentences, the weightiest first."""
    scene = label["scene"]
    return [
        *mosaic_reason(label),
        *ranked.reasons(scene),
        *sure_reason(label),
        *ranked.turned_away(scene),
        *decoy_reason(label),
    ]


def check_current(lab: Lab, name: str, ranked: Ranked, label: Mapping[str, Any]) -> None:
    """Refuse a label that the policy would not choose by the scores there are now.

    Raises
    ------
    LabError
        With the command that selects again.
    """
    chosen = label["policy_method"] or label["method"]
    if not label["policy_method"] and label["chosen_by"] != "policy":
        return  # the policy chose nothing, and a person did
    if ranked.winner(label["scene"]) != chosen:
        raise LabError(
            f"{lab.path}: scores of {label['scene']} have changed since labels {name!r} were "
            f"selected; select again: fusionlab select --lab {lab.path} --name {name}"
        )


def _find(chosen: pd.DataFrame, scene: str, name: str) -> dict[str, Any]:
    label = rows_of(chosen, find_scene(chosen, scene, f"labels {name!r}")).iloc[0]
    return {str(column): value for column, value in label.items()}

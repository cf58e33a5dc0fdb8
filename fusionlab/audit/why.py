"""Why this label? Every candidate of one scene, metric by metric, under the policy that chose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.audit.frames import open_labels
from fusionlab.decoys import DECOY_PREFIX
from fusionlab.errors import LabError
from fusionlab.naming import find_scene, rows_of
from fusionlab.selection.policy import Policy
from fusionlab.selection.scored import current_scores
from fusionlab.selection.select import rank_candidates
from fusionlab.selection.traits import allowed, candidate_traits
from fusionlab.tables import read_note

if TYPE_CHECKING:
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
        metric its value and ``norm_<metric>``, then ``penalty``, ``flags`` and ``family``.
        Candidates that the policy excludes have neither place nor total. Decoys are normalised
        together with the candidates and do not move them.
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
            frame[metric] = [f"{value:.4g} ({norm:.2f})" for value, norm in pairs]
        for trait in ("flags", "family"):
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
    policy = Policy.model_validate_json(read_note(opened.labels_path(name)))
    weights = policy.task_weights(label["task"])
    scores = current_scores(opened, label["task"], label["dataset"], list(weights))
    scores = scores.loc[[label["scene"]]]
    traits = candidate_traits(opened.index(label["task"], label["dataset"]))
    taking_part = allowed(scores, policy, traits)
    is_decoy = taking_part.index.get_level_values("method").str.startswith(DECOY_PREFIX)
    ranked = rank_candidates(taking_part[~is_decoy], policy, label["task"], traits)
    if ranked.empty or ranked.iloc[0]["method"] != label["method"]:
        raise LabError(
            f"{opened.path}: scores of {scene} have changed since labels {name!r} were selected; "
            f"select again: fusionlab select --lab {opened.path} --name {name}"
        )
    together = rank_candidates(taking_part, policy, label["task"], traits)
    excluded = traits.reindex(scores.index.difference(taking_part.index)).reset_index()
    table = _with_values(_with_others(ranked, together, excluded), scores)
    reasons = [*_reasons(ranked, weights), *_excluded_reason(excluded), *_decoy_reason(label)]
    return Why(
        label["task"], label["dataset"], label["scene"], label["method"], policy, table, reasons
    )


def _find(chosen: pd.DataFrame, scene: str, name: str) -> dict[str, Any]:
    label = rows_of(chosen, find_scene(chosen, scene, f"labels {name!r}")).iloc[0]
    return {str(column): value for column, value in label.items()}


def _with_others(
    ranked: pd.DataFrame, together: pd.DataFrame, excluded: pd.DataFrame
) -> pd.DataFrame:
    """Put under the candidates the decoys, with the totals they get when all take part.

    Below stand the candidates that the policy excludes.
    """
    decoys = together[together["method"].str.startswith(DECOY_PREFIX)].drop(columns="place")
    others = [frame for frame in (decoys, excluded) if len(frame)]
    return pd.concat([ranked, *others], ignore_index=True)


def _with_values(table: pd.DataFrame, scores: pd.DataFrame) -> pd.DataFrame:
    table = table.drop(columns="scene")
    values = scores.droplevel("scene").reindex(table["method"]).reset_index(drop=True)
    ordered = ["place", "method", "total"]
    for metric in values.columns:
        table[metric] = values[metric]
        ordered += [metric, f"norm_{metric}"]
    return table[[*ordered, "penalty", "flags", "family"]]


def _reasons(ranked: pd.DataFrame, weights: Any) -> list[str]:
    """Say what the winner's lead over the runner-up is made of."""
    first = ranked.iloc[0]
    if len(ranked) == 1:
        return [f"{first['method']} is the only candidate."]
    second = ranked.iloc[1]
    lead = first["total"] - second["total"]
    opening = (
        f"{first['method']} totals {first['total']:.4f}, {second['method']} {second['total']:.4f}"
    )
    if lead == 0:
        return [f"{opening}: a tie, broken by {' then '.join(weights)}, then by name."]
    shares = {
        m: w * (first[f"norm_{m}"] - second[f"norm_{m}"]) / sum(weights.values())
        for m, w in weights.items()
    }
    if first["penalty"] != second["penalty"]:
        shares["penalties"] = second["penalty"] - first["penalty"]
    parts = [f"{m} {share:+.4f}" for m, share in sorted(shares.items(), key=lambda s: -s[1])]
    return [f"{opening}: a lead of {lead:.4f}, made of {', '.join(parts)}."]


def _excluded_reason(excluded: pd.DataFrame) -> list[str]:
    if excluded.empty:
        return []
    named = ", ".join(f"{row.method} ({row.flags})" for row in excluded.itertuples())
    return [f"Excluded by the policy for their flags: {named}."]


def _decoy_reason(label: dict[str, Any]) -> list[str]:
    if not label["decoy"]:
        return []
    return [
        f"Beware: {label['decoy']} would have beaten every candidate by {label['decoy_lead']:.4f}; "
        "this policy does not tell a fused image from that."
    ]

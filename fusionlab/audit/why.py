"""Why this label? Every candidate of one scene, metric by metric, under the policy that chose."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.audit.frames import open_labels
from fusionlab.decoys import DECOY_PREFIX
from fusionlab.errors import LabError, UnknownNameError
from fusionlab.selection.guards import failed
from fusionlab.selection.policy import Policy
from fusionlab.selection.ranking import rank_candidates
from fusionlab.selection.scored import current_scores
from fusionlab.selection.traits import candidate_traits
from fusionlab.tables import read_note

if TYPE_CHECKING:
    from fusionlab.lab import Lab
    from fusionlab.paths import Place


#: What each kind of shaking draws.
_SHAKEN = {
    "weights": "draws of the weights",
    "metrics": "rankings without one metric",
    "tiles": "draws of parts of the image",
}


@dataclass(frozen=True)
class Why:
    """The reasons of one label.

    Attributes
    ----------
    task, dataset, scene, method : the label.
    policy : the policy as it was when it chose.
    table : one row a candidate and decoy; ``place`` (decoys have none), ``total``, then for each
        metric its value and ``norm_<metric>``, then ``penalty``, ``flags`` and ``family``.
        ``turned_away`` names the guard or flag by which a candidate takes no part; it has neither
        place nor total. Decoys are normalised
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
    task, dataset = label["task"], label["dataset"]
    weights = policy.task_weights(task)
    scores = current_scores(opened, task, dataset, policy.task_metrics(task)).loc[[label["scene"]]]
    traits = candidate_traits(opened.index(task, dataset))
    away = failed(scores, policy, task, traits)
    taking_part = scores[away == ""]
    is_decoy = taking_part.index.get_level_values("method").str.startswith(DECOY_PREFIX)
    ranked = rank_candidates(taking_part[~is_decoy], policy, task, traits)
    if ranked.empty or ranked.iloc[0]["method"] != label["policy_method"]:
        raise LabError(
            f"{opened.path}: scores of {scene} have changed since labels {name!r} were selected; "
            f"select again: fusionlab select --lab {opened.path} --name {name}"
        )
    together = rank_candidates(taking_part, policy, task, traits)
    excluded = traits.reindex(scores.index[away != ""], fill_value="").reset_index()
    table = _with_values(_with_others(ranked, together, excluded), scores, list(weights))
    table["turned_away"] = table["method"].map(away.droplevel("scene")).fillna("")
    reasons = [
        *_mosaic_reason(label),
        *_reasons(ranked, weights),
        *_sure(label),
        *_turned_away(scores, away, policy, task),
        *_decoy_reason(label),
    ]
    return Why(
        label["task"], label["dataset"], label["scene"], label["method"], policy, table, reasons
    )


def _find(chosen: pd.DataFrame, scene: str, name: str) -> dict[str, Any]:
    parts = [chosen["scene"], chosen["dataset"] + "/" + chosen["scene"]]
    parts.append(chosen["task"] + "/" + parts[1])
    hits = chosen[(parts[0] == scene) | (parts[1] == scene) | (parts[2] == scene)]
    if hits.empty:
        known = parts[min(scene.count("/"), 2)]
        raise UnknownNameError("scene", scene, set(known), f"labels {name!r}")
    if len(hits) > 1:
        places = ", ".join(sorted(parts[2][hits.index]))
        raise LabError(f"scene {scene!r} is in several data sets, name one: {places}")
    return {str(column): value for column, value in hits.iloc[0].items()}


def _with_others(
    ranked: pd.DataFrame, together: pd.DataFrame, excluded: pd.DataFrame
) -> pd.DataFrame:
    """Put under the candidates the decoys, with the totals they get when all take part.

    Below stand the candidates that the policy excludes.
    """
    decoys = together[together["method"].str.startswith(DECOY_PREFIX)].drop(columns="place")
    others = [frame for frame in (decoys, excluded) if len(frame)]
    return pd.concat([ranked, *others], ignore_index=True)


def _with_values(table: pd.DataFrame, scores: pd.DataFrame, weighed: list[str]) -> pd.DataFrame:
    """Add the raw scores: beside each weighed metric its normalised value, then the guards'."""
    table = table.drop(columns="scene")
    values = scores.droplevel("scene").reindex(table["method"]).reset_index(drop=True)
    ordered = ["place", "method", "total"]
    for metric in values.columns:
        table[metric] = values[metric]
        ordered += [metric, f"norm_{metric}"] if metric in weighed else [metric]
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


def _sure(label: dict[str, Any]) -> list[str]:
    """Say how often the choice survives when it is shaken."""
    if pd.isna(label["stability"]):
        return []
    kinds = [
        f"{label[f'stability_{kind}']:.0%} of {what}"
        for kind, what in _SHAKEN.items()
        if not pd.isna(label[f"stability_{kind}"])
    ]
    return [f"It stays first in {', '.join(kinds)}: stability {label['stability']:.2f}."]


def _turned_away(scores: pd.DataFrame, away: pd.Series, policy: Policy, task: str) -> list[str]:
    """Say who takes no part, and by which guard or flag."""
    guards = policy.task_guards(task)
    lines = []
    values = scores.droplevel("scene").to_dict("index")
    for method, reason in away[away != ""].droplevel("scene").items():
        if reason not in guards:
            lines.append(f"{method} ({reason})")
            continue
        metric, low, high = guards[reason]
        value = values[method][metric]
        bound = f"below {low:g}" if value < low else f"above {high:g}"
        lines.append(f"{method} ({reason}: {metric} {value:.3g} is {bound})")
    return [f"Turned away by the policy: {', '.join(lines)}."] if lines else []


def _decoy_reason(label: dict[str, Any]) -> list[str]:
    if not label["decoy"]:
        return []
    return [
        f"Beware: {label['decoy']} would have beaten every candidate by {label['decoy_lead']:.4f}; "
        "this policy does not tell a fused image from that."
    ]


def _mosaic_reason(label: dict[str, Any]) -> list[str]:
    """Say of a mosaic what it shows; the other reasons are those of the whole candidate."""
    if label["chosen_by"] != "mosaic":
        return []
    best = label["policy_method"]
    return [f"{label['method']} takes the place of {best}; {label['because']}."]

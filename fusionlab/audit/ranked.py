"""The candidates of one data set, ranked again as they were when the labels were chosen."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.decoys import DECOY_PREFIX
from fusionlab.selection.choose import is_decoy
from fusionlab.selection.guards import failed
from fusionlab.selection.ranking import rank_candidates
from fusionlab.selection.scored import current_scores
from fusionlab.selection.traits import candidate_traits

if TYPE_CHECKING:
    from collections.abc import Mapping

    import numpy as np
    from numpy.typing import NDArray

    from fusionlab.lab import Lab
    from fusionlab.selection.policy import Policy


@dataclass(frozen=True)
class Ranked:
    """Candidates and decoys of some scenes of one data set under one policy.

    Attributes
    ----------
    weights : metric -> weight of the policy for this task.
    guards : guard -> (metric, smallest, largest value that passes).
    scores : one row a candidate or decoy, index (scene, method), one column a metric.
    away : row by row of `scores`, the guard or flag that turns a candidate away; "" for none.
    real : the candidates that take part, as `rank_candidates` orders them.
    together : the same with the decoys among them.
    excluded : columns ``scene, method, flags, family`` of who does not take part.
    """

    weights: Mapping[str, float]
    guards: Mapping[str, tuple[str, float, float]]
    scores: pd.DataFrame
    away: pd.Series
    real: pd.DataFrame
    together: pd.DataFrame
    excluded: pd.DataFrame

    @cached_property
    def _rows(self) -> dict[str, dict[str, NDArray[np.intp]]]:
        """Return frame -> scene -> where its rows are: thousands of scenes are asked for."""
        frames = {"real": self.real, "together": self.together, "excluded": self.excluded}
        found = {name: frame.groupby("scene").indices for name, frame in frames.items()}
        found["scores"] = found["away"] = self.scores.groupby(level="scene").indices
        return found  # type: ignore[return-value]

    def _of(self, name: str, scene: str) -> Any:
        """Return the rows of one scene of the attribute `name`."""
        return getattr(self, name).iloc[self._rows[name].get(scene, [])]

    def winner(self, scene: str) -> str:
        """Return the candidate that the policy puts first, or the empty text."""
        first = self._of("real", scene)["method"]
        return "" if first.empty else str(first.iloc[0])

    def table(self, scene: str) -> pd.DataFrame:
        """Return candidates by place, then decoys, then who takes no part; see `Why.table`."""
        ranked, together, excluded = (
            self._of(name, scene) for name in ("real", "together", "excluded")
        )
        decoys = together[together["method"].str.startswith(DECOY_PREFIX)].drop(columns="place")
        others = [frame for frame in (decoys, excluded) if len(frame)]
        table: pd.DataFrame = pd.concat([ranked, *others], ignore_index=True)
        values = self._of("scores", scene).droplevel("scene").reindex(table["method"])
        ordered = ["place", "method", "total"]
        for metric in values.columns:
            table[metric] = values[metric].to_numpy()
            ordered += [metric, f"norm_{metric}"] if metric in self.weights else [metric]
        away = self._of("away", scene).droplevel("scene")
        table["turned_away"] = table["method"].map(away).fillna("")
        columns = [*ordered, "penalty", "flags", "family", "turned_away"]
        return table[columns]

    def reasons(self, scene: str) -> list[str]:
        """Say what the winner's lead is made of."""
        ranked = self._of("real", scene)
        return [] if ranked.empty else [_lead(ranked, self.weights)]

    def turned_away(self, scene: str) -> list[str]:
        """Say which candidates take no part, and by which guard or flag."""
        away = self._of("away", scene).droplevel("scene")
        lines = []
        for method, reason in away[away != ""].items():
            if str(method).startswith(DECOY_PREFIX):
                continue
            if reason not in self.guards:
                lines.append(f"{method} ({reason})")
                continue
            metric, low, high = self.guards[reason]
            value = self.scores[metric].loc[scene, str(method)]
            bound = f"below {low:g}" if value < low else f"above {high:g}"
            lines.append(f"{method} ({reason}: {metric} {value:.3g} is {bound})")
        return [f"Turned away by the policy: {', '.join(lines)}."] if lines else []


def rank_again(
    lab: Lab,
    policy: Policy,
    task: str,
    dataset: str,
    scenes: list[str] | None = None,
    *,
    complete: bool = True,
) -> Ranked:
    """Rank the candidates of a data set, or of some of its scenes, by the scores there are now.

    Parameters
    ----------
    complete : refuse when candidates lack scores; they are else left out.
    """
    weights = policy.task_weights(task)
    scores = current_scores(lab, task, dataset, policy.task_metrics(task), complete=complete)
    if scenes is not None:
        scores = scores[scores.index.get_level_values("scene").isin(scenes)]
    traits = candidate_traits(lab.index(task, dataset))
    away = failed(scores, policy, task, traits)
    taking_part = scores[away == ""]
    return Ranked(
        weights,
        policy.task_guards(task),
        scores,
        away,
        rank_candidates(taking_part[~is_decoy(taking_part)], policy, task, traits),
        rank_candidates(taking_part, policy, task, traits),
        traits.reindex(scores.index[away != ""], fill_value="").reset_index(),
    )


def _lead(ranked: pd.DataFrame, weights: Mapping[str, float]) -> str:
    """Say what the winner's lead over the runner-up is made of."""
    first = ranked.iloc[0]
    if len(ranked) == 1:
        return f"{first['method']} is the only candidate."
    second = ranked.iloc[1]
    lead = first["total"] - second["total"]
    opening = (
        f"{first['method']} totals {first['total']:.4f}, {second['method']} {second['total']:.4f}"
    )
    if lead == 0:
        return f"{opening}: a tie, broken by {' then '.join(weights)}, then by name."
    parts = in_words(shares(dict(first), dict(second), weights))
    return f"{opening}: a lead of {lead:.4f}, made of {parts}."


def shares(
    first: Mapping[str, Any], second: Mapping[str, Any], weights: Mapping[str, float]
) -> dict[str, float]:
    """Return what the first candidate's lead over the second is made of, metric by metric.

    Parameters
    ----------
    first, second : rows of `Ranked.real` of one scene.
    weights : metric -> weight.

    Returns
    -------
    metric -> ``w_m (n_m(first) - n_m(second)) / sum_m w_m``, and ``penalties`` where they differ;
    the sum is the difference of the totals.
    """
    total = sum(weights.values())
    found = {m: w * (first[f"norm_{m}"] - second[f"norm_{m}"]) / total for m, w in weights.items()}
    if first["penalty"] != second["penalty"]:
        found["penalties"] = second["penalty"] - first["penalty"]
    return found


def in_words(shares: Mapping[str, float]) -> str:
    """Return what a lead is made of, the largest share first."""
    ordered = sorted(shares.items(), key=lambda share: -share[1])
    return ", ".join(f"{name} {share:+.4f}" for name, share in ordered)


#: What each kind of shaking draws.
_SHAKEN = {
    "weights": "draws of the weights",
    "metrics": "rankings without one metric",
    "tiles": "draws of parts of the image",
}


def sure_reason(label: Mapping[str, Any]) -> list[str]:
    """Say how often the choice survives when it is shaken."""
    if pd.isna(label["stability"]):
        return []
    kinds = [
        f"{label[f'stability_{kind}']:.0%} of {what}"
        for kind, what in _SHAKEN.items()
        if not pd.isna(label[f"stability_{kind}"])
    ]
    return [f"It stays first in {', '.join(kinds)}: stability {label['stability']:.2f}."]


def decoy_reason(label: Mapping[str, Any]) -> list[str]:
    """Warn when a decoy would have won."""
    if not label["decoy"]:
        return []
    return [
        f"Beware: {label['decoy']} would have beaten every candidate by {label['decoy_lead']:.4f}; "
        "this policy does not tell a fused image from that."
    ]


def mosaic_reason(label: Mapping[str, Any]) -> list[str]:
    """Say of a mosaic what it shows; the other reasons are those of the whole candidate."""
    if label["chosen_by"] != "mosaic":
        return []
    best = label["policy_method"]
    return [f"{label['method']} takes the place of {best}; {label['because']}."]

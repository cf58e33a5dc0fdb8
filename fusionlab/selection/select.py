"""The choice: totals, winners, margins, and whether a decoy would have won."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fusionlab import __version__
from fusionlab import metrics as metric_library
from fusionlab.decoys import DECOY_PREFIX
from fusionlab.errors import LabError, UsageError
from fusionlab.selection.normalise import NORMALISERS
from fusionlab.selection.scored import current_scores
from fusionlab.selection.traits import (
    allowed,
    candidate_traits,
    penalties,
    traits_of,
    voter_weights,
)
from fusionlab.tables import labels_schema, read_table, rejects_frame, write_table

if TYPE_CHECKING:
    from fusionlab.lab import Lab
    from fusionlab.paths import Place
    from fusionlab.selection.policy import Policy

#: Totals are compared after rounding to this many decimals, so that two candidates that differ
#: by rounding in the last bits are a tie.
_DECIMALS = 12


@dataclass
class SelectReport:
    """What one selection did.

    Attributes
    ----------
    labels : scenes that got a pseudo-label.
    ties : labels whose runner-up has the same total.
    decoy_wins : decoy -> scenes where it would have won had it been allowed to.
    unlabelled : scenes without any candidate, or with none that the policy allows.
    replaced : the policy that had chosen the labels that stood under this name, if another.
    """

    name: str
    policy: str
    policy_digest: str
    path: str
    labels: int = 0
    ties: int = 0
    decoy_wins: dict[str, int] = field(default_factory=dict)
    unlabelled: int = 0
    replaced: str = ""
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def rank_candidates(
    scores: pd.DataFrame, policy: Policy, task: str, traits: pd.DataFrame | None = None
) -> pd.DataFrame:
    """Order the candidates of each scene by a policy.

    Parameters
    ----------
    scores : one row a candidate, index (scene, method), one column a metric at least for each
        that `policy` uses for `task`.
    traits : `candidate_traits`, where the candidates' flags and families are to count. Who is
        excluded must not be among `scores`.

    Returns
    -------
    The rows of `scores` with columns ``scene, method, total, place`` (1 is the winner of its
    scene), ``norm_<metric>``, ``penalty`` (taken off the total), ``flags`` and ``family``, sorted
    by scene and place.
    """
    weights = policy.task_weights(task)
    signs = [1.0 if metric_library.get(m).direction == "higher" else -1.0 for m in weights]
    upward = scores[list(weights)] * signs
    ordered = pd.DataFrame(index=scores.index).reset_index()
    values = upward.reset_index(drop=True)
    ordered[["flags", "family"]] = traits_of(scores, traits).to_numpy()
    ordered["penalty"] = penalties(ordered["flags"], policy)
    voters = voter_weights(ordered["scene"], ordered["family"], policy)
    normalised = NORMALISERS[policy.normalise](values, ordered["scene"], voters)
    total = normalised.to_numpy() @ np.array(list(weights.values())) / sum(weights.values())
    ordered["total"] = (total - ordered["penalty"]).round(_DECIMALS)
    norms = [f"norm_{metric}" for metric in weights]
    ordered[norms] = normalised.to_numpy()
    descending = ["total", *norms]
    ordered = ordered.sort_values(
        ["scene", *descending, "method"],
        ascending=[True, *(False for _ in descending), True],
        kind="stable",
        ignore_index=True,
    )
    ordered["place"] = ordered.groupby("scene", sort=False).cumcount() + 1
    return ordered


def select(
    lab: Lab,
    policy: Policy,
    name: str,
    *,
    task: str | None = None,
    dataset: str | None = None,
    dry_run: bool = False,
) -> SelectReport:
    """Choose one candidate a scene by `policy` and write the labels manifest `name`.

    Parameters
    ----------
    task, dataset : choose for these scenes only.
    dry_run : choose and count, but write nothing.

    Raises
    ------
    LabError
        When scores are missing, or no scene has a candidate.
    UsageError
        When there is no such data set.
    """
    start = time.monotonic()
    path = lab.labels_path(name)
    keys = [k for k in lab.datasets() if task in (None, k[0]) and dataset in (None, k[1])]
    if not keys:
        held = ", ".join("/".join(key) for key in lab.datasets()) or "nothing yet"
        wanted = f"{task or '*'}/{dataset or '*'}"
        raise UsageError(f"{lab.path}: no data set is {wanted}; the lab holds {held}")
    metrics = list(dict.fromkeys(m for t, _ in keys for m in policy.task_weights(t)))
    report = SelectReport(name, f"{policy.name} v{policy.version}", policy.digest, str(path))
    chosen = {key: _choose(lab, policy, *key) for key in keys}
    labels = pd.concat([frame for frame, _ in chosen.values()], ignore_index=True)
    if labels.empty:
        raise LabError(f"{lab.path}: no scene has a candidate; ingest outputs of methods first")
    schema = labels_schema(metrics)
    labels = labels.reindex(columns=schema.columns.names)
    report.replaced = _replaced(path, policy)
    if not dry_run:
        with lab.writing():
            for key, (_, rows) in chosen.items():
                lab.replace_rejects("select", *key, rejects_frame("select", *key, rows))
            write_table(path, labels, schema, note=policy.model_dump_json())
    report.unlabelled = sum(len(unlabelled) for _, unlabelled in chosen.values())
    report.labels = len(labels)
    report.ties = int(labels["tied"].sum())
    wins = labels.loc[labels["decoy"] != "", "decoy"].value_counts()
    report.decoy_wins = {str(decoy): int(count) for decoy, count in wins.items()}
    report.seconds = round(time.monotonic() - start, 3)
    return report


def _replaced(path: Place, policy: Policy) -> str:
    """Return the other policy that chose what stands at `path`, or the empty text."""
    if not path.exists():
        return ""
    old = read_table(path)[["policy", "policy_digest"]].iloc[0]
    return "" if old["policy_digest"] == policy.digest else str(old["policy"])


def _choose(
    lab: Lab, policy: Policy, task: str, dataset: str
) -> tuple[pd.DataFrame, list[dict[str, str]]]:
    """Return the labels of one data set, and the reject rows of the scenes that get none."""
    index = lab.index(task, dataset)
    traits = candidate_traits(index)
    scored = _measurable(current_scores(lab, task, dataset, list(policy.task_weights(task))))
    scores = _measurable(allowed(scored, policy, traits))
    is_decoy = scores.index.get_level_values("method").str.startswith(DECOY_PREFIX)
    ranked = rank_candidates(scores[~is_decoy], policy, task, traits)
    winners = ranked[ranked["place"] == 1].set_index("scene")
    second = ranked[ranked["place"] == 2].set_index("scene").reindex(winners.index)
    labels = winners.drop(columns="place")
    labels["margin"] = (winners["total"] - second["total"]).round(_DECIMALS)
    labels["runner_up"] = second["method"].fillna("")
    labels["tied"] = labels["margin"] == 0.0
    labels["candidates"] = ranked.groupby("scene").size()
    labels = labels.join(_decoys(rank_candidates(scores, policy, task, traits)))
    labels = labels.join(_digests(index, labels["method"]))
    labels["task"], labels["dataset"] = task, dataset
    labels["place"], labels["weight"] = 1, 1.0
    for column in ("stability", "stability_weights", "stability_metrics", "stability_tiles"):
        labels[column] = np.nan
    labels["chosen_by"], labels["because"] = "policy", ""
    labels["policy_method"] = labels["method"]
    labels["policy"], labels["policy_digest"] = f"{policy.name} v{policy.version}", policy.digest
    labels["software_version"] = __version__
    scenes = sorted(set(index.loc[index["role"] == "source", "scene"]) - set(labels.index))
    had = set(scored.index.get_level_values("scene"))
    rejects = [_excluded_row(s, policy) if s in had else _reject_row(s) for s in scenes]
    return labels.reset_index(), rejects


def _measurable(scores: pd.DataFrame) -> pd.DataFrame:
    """Leave out scenes in which no candidate has a single number: nothing tells them apart."""
    is_decoy = scores.index.get_level_values("method").str.startswith(DECOY_PREFIX)
    has_number = scores.notna().any(axis=1) & ~is_decoy
    return scores[has_number.groupby(level="scene").transform("any")]


def _decoys(ranked: pd.DataFrame) -> pd.DataFrame:
    """Tell, by scene, how far the best decoy leads the best candidate when decoys take part.

    A decoy wins only with a higher total; a tie goes to the candidate.
    """
    is_decoy = ranked["method"].str.startswith(DECOY_PREFIX)
    best = ranked[is_decoy].drop_duplicates("scene").set_index("scene")
    real = ranked[~is_decoy].drop_duplicates("scene").set_index("scene")
    lead = (best["total"] - real["total"].reindex(best.index)).round(_DECIMALS)
    return pd.DataFrame({"decoy": best["method"].where(lead > 0, ""), "decoy_lead": lead})


def _digests(index: pd.DataFrame, chosen: pd.Series) -> pd.DataFrame:
    """Return, by scene, the digests of both sources and of the chosen candidate's pixels."""
    sources = index[index["role"] == "source"].sort_values(["scene", "position"])
    order = sources.groupby("scene").cumcount()
    by_scene = sources.set_index("scene")["digest"]
    methods = index[index["role"] == "method"].set_index(["scene", "name"])
    places = pd.MultiIndex.from_arrays([chosen.index, chosen])
    return pd.DataFrame(
        {
            "digest_a": by_scene[(order == 0).to_numpy()].reindex(chosen.index),
            "digest_b": by_scene[(order == 1).to_numpy()].reindex(chosen.index),
            "digest_candidate": methods["digest"].reindex(places).to_numpy(),
            "region": methods["region"].reindex(places).to_numpy(),
        },
        index=chosen.index,
    )


def _reject_row(scene: str) -> dict[str, str]:
    return {
        "scene": scene,
        "role": "scene",
        "reason": "no_candidates",
        "detail": f"no candidate of scene {scene!r} has a score; it gets no label",
    }


def _excluded_row(scene: str, policy: Policy) -> dict[str, str]:
    return {
        "scene": scene,
        "role": "scene",
        "reason": "all_excluded",
        "detail": f"every scored candidate of scene {scene!r} has a flag that the policy excludes "
        f"({', '.join(policy.exclude)}); it gets no label",
    }

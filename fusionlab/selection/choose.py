"""The choice in one data set: winners, margins, stability, and whether a decoy would have won."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab import __version__
from fusionlab.decoys import DECOY_PREFIX
from fusionlab.overrides import standing
from fusionlab.selection.confidence import KINDS, shaken, tile_totals
from fusionlab.selection.guards import failed
from fusionlab.selection.overrides import apply_overrides
from fusionlab.selection.ranking import DECIMALS, rank_candidates
from fusionlab.selection.scored import current_scores
from fusionlab.selection.traits import candidate_traits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusionlab.lab import Lab
    from fusionlab.selection.policy import Abstain, Policy


@dataclass(frozen=True)
class Chosen:
    """The choice in one data set.

    Attributes
    ----------
    labels : rows of the labels manifest.
    rejects : rows of the scenes that get no label.
    turned_away : guard or flag that turned a candidate away, by (scene, method); decoys are not in.
    """

    labels: pd.DataFrame
    rejects: list[dict[str, str]]
    turned_away: pd.Series


def choose(lab: Lab, policy: Policy, task: str, dataset: str, top: int = 1) -> Chosen:
    """Choose `top` candidates in each scene of one data set, the best first.

    Raises
    ------
    LabError
        When scores are missing.
    ConfigError
        When the policy says nothing about `task`.
    """
    index = lab.index(task, dataset)
    traits = candidate_traits(index)
    scored = measurable(current_scores(lab, task, dataset, policy.task_metrics(task)))
    reasons = failed(scored, policy, task, traits)
    scores = measurable(scored[reasons == ""])
    ranked = rank_candidates(scores[~is_decoy(scores)], policy, task, traits)
    first = shaken(ranked, policy, task, tile_totals(lab, policy, task, dataset, traits))
    scenes = _by_scene(ranked, first["first"]).join(
        _decoys(rank_candidates(scores, policy, task, traits))
    )
    doubtful = _doubtful(scenes, policy.abstain)
    rows = _with_stability(ranked, first)
    labels = _best(rows, top).join(scenes, on="scene")
    labels = labels[~labels["scene"].isin(doubtful.index)].reset_index(drop=True)
    labels["chosen_by"], labels["because"] = "policy", ""
    away = reasons[(reasons != "") & ~is_decoy(scored)]
    lost = sorted(set(index.loc[index["role"] == "source", "scene"]) - set(scenes.index))
    rejects = [_unlabelled(scene, away) for scene in lost]
    rejects += [_abstained(str(scene), why) for scene, why in doubtful.items()]
    decisions = standing(lab, task, dataset)
    labels, rejects = apply_overrides(labels, rejects, rows, scenes, decisions, index)
    labels = labels.join(_digests(index, labels))
    labels["task"], labels["dataset"] = task, dataset
    labels["policy"], labels["policy_digest"] = policy.label, policy.digest
    labels["software_version"] = __version__
    return Chosen(labels, rejects, away)


def is_decoy(scores: pd.DataFrame | pd.Series) -> NDArray[np.bool_]:
    """Tell which rows with the index (scene, method) are decoys."""
    found: NDArray[np.bool_] = scores.index.get_level_values("method").str.startswith(DECOY_PREFIX)
    return found


def measurable(scores: pd.DataFrame) -> pd.DataFrame:
    """Leave out scenes in which no candidate has a single number: nothing tells them apart."""
    has_number = scores.notna().any(axis=1) & ~is_decoy(scores)
    return scores[has_number.groupby(level="scene").transform("any")]


def _by_scene(ranked: pd.DataFrame, first: pd.Series) -> pd.DataFrame:
    """Return what holds for a scene as a whole: lead and runner-up, and how sure the choice is."""
    winners = ranked[ranked["place"] == 1].set_index("scene")
    second = ranked[ranked["place"] == 2].set_index("scene").reindex(winners.index)
    scenes = pd.DataFrame({"policy_method": winners["method"]})
    scenes["margin"] = (winners["total"] - second["total"]).round(DECIMALS)
    scenes["runner_up"] = second["method"].fillna("")
    scenes["tied"] = scenes["margin"] == 0.0
    scenes["candidates"] = ranked.groupby("scene").size()
    scenes["sure"] = first[ranked["place"] == 1].to_numpy()
    return scenes


def _with_stability(ranked: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
    """Return all candidates with how often each is first when the choice is shaken."""
    rows = ranked.copy()
    rows["stability"] = first["first"]
    for kind in KINDS:
        rows[f"stability_{kind}"] = first[kind]
    return rows


def _best(rows: pd.DataFrame, top: int) -> pd.DataFrame:
    """Return the best `top` of each scene with soft weights."""
    rows = rows[rows["place"] <= top].reset_index(drop=True)
    shares = rows["stability"].to_numpy()
    sums = rows.groupby("scene")["stability"].transform("sum").to_numpy()
    counts = rows.groupby("scene")["stability"].transform("size").to_numpy()
    rows["weight"] = np.where(sums > 0, shares / np.where(sums > 0, sums, 1.0), 1.0 / counts)
    return rows


def _doubtful(scenes: pd.DataFrame, abstain: Abstain | None) -> pd.Series:
    """Return the scenes on which the policy abstains -> why; a lone candidate has no margin."""
    if abstain is None or scenes.empty:
        return pd.Series(dtype=object)
    texts = "stability " + scenes["sure"].map("{:.3f}".format)
    texts += f" (the policy asks for {abstain.stability:g}), lead "
    texts += scenes["margin"].map("{:.4f}".format) + f" (asks for {abstain.margin:g})"
    return texts[(scenes["sure"] < abstain.stability) | (scenes["margin"] < abstain.margin)]


def _decoys(ranked: pd.DataFrame) -> pd.DataFrame:
    """Tell, by scene, how far the best decoy leads the best candidate when decoys take part.

    A decoy wins only with a higher total; a tie goes to the candidate.
    """
    decoy = ranked["method"].str.startswith(DECOY_PREFIX)
    best = ranked[decoy].drop_duplicates("scene").set_index("scene")
    real = ranked[~decoy].drop_duplicates("scene").set_index("scene")
    frame = pd.DataFrame({"decoy": ""}, index=real.index)
    lead = (best["total"].reindex(real.index) - real["total"]).round(DECIMALS)
    frame.loc[lead > 0, "decoy"] = best["method"].reindex(real.index)[lead > 0]
    return frame.assign(decoy_lead=lead)


def _digests(index: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return, row by row, the digests of both sources and of the candidate's pixels."""
    sources = index[index["role"] == "source"].sort_values(["scene", "position"])
    order = sources.groupby("scene").cumcount()
    by_scene = sources.set_index("scene")["digest"]
    methods = index[index["role"] == "method"].set_index(["scene", "name"])
    places = pd.MultiIndex.from_frame(labels[["scene", "method"]])
    return pd.DataFrame(
        {
            "digest_a": by_scene[(order == 0).to_numpy()].reindex(labels["scene"]).to_numpy(),
            "digest_b": by_scene[(order == 1).to_numpy()].reindex(labels["scene"]).to_numpy(),
            "digest_candidate": methods["digest"].reindex(places).to_numpy(),
            "region": methods["region"].reindex(places).to_numpy(),
        },
        index=labels.index,
    )


def _unlabelled(scene: str, away: pd.Series) -> dict[str, str]:
    """Return the reject row of a scene without a candidate, or with none that may stand."""
    reason = "no_candidates"
    detail = f"no candidate of scene {scene!r} has a score; it gets no label"
    if scene in away.index.get_level_values("scene"):
        counts = away.loc[[scene]].value_counts()
        named = ", ".join(f"{why} {count}" for why, count in counts.items())
        reason = "all_excluded"
        detail = f"the policy turns away every candidate of scene {scene!r} ({named}); no label"
    return {"scene": scene, "role": "scene", "reason": reason, "detail": detail}


def _abstained(scene: str, why: str) -> dict[str, str]:
    detail = f"the policy abstains on scene {scene!r}: {why}; choose with: fusionlab override"
    return {"scene": scene, "role": "scene", "reason": "abstained", "detail": detail}

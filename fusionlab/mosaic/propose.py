"""What a mosaic of each scene would show, by the policy's totals in the tiles."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab.errors import LabError
from fusionlab.mosaic.choice import choose
from fusionlab.regions import Region
from fusionlab.selection.ranking import rank_candidates
from fusionlab.selection.scored import current_tiles
from fusionlab.selection.traits import candidate_traits

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.lab import Lab
    from fusionlab.selection.policy import Policy


@dataclass(frozen=True)
class Proposal:
    """What a mosaic of one scene would show.

    Attributes
    ----------
    best : the best whole candidate.
    methods : the candidate of each tile; all `best` where no mosaic is called for.
    totals, whole_totals : of that candidate and of the best whole one, tile by tile.
    """

    scene: str
    best: str
    tiles: tuple[Region, ...]
    methods: tuple[str, ...]
    totals: tuple[float, ...]
    whole_totals: tuple[float, ...]

    @property
    def is_whole(self) -> bool:
        """Tell whether every tile shows the best whole candidate."""
        return set(self.methods) == {self.best}


def propose(
    lab: Lab,
    task: str,
    dataset: str,
    policy: Policy,
    pool: Mapping[str, list[str]],
    best: Mapping[str, str],
    lead: float,
    smooth: float,
) -> list[Proposal]:
    """Choose a candidate for every tile of every scene.

    Parameters
    ----------
    pool : scene -> the candidates that may be shown, the best whole one among them.
    best : scene -> the best whole candidate.
    lead, smooth : as for `choose`.

    Raises
    ------
    LabError
        When tiles have not been scored, with the command that does it.
    """
    scores = current_tiles(lab, task, dataset, list(policy.task_weights(task)))
    members = pd.MultiIndex.from_tuples([(s, m) for s, names in pool.items() for m in names])
    scores = scores[_members(scores).isin(members)]
    _all_there(lab, task, dataset, scores, members, policy)
    totals = _totals(scores, policy, task, candidate_traits(lab.index(task, dataset)))
    return [
        _proposal(scene, best[scene], wide, lead, smooth)
        for scene, wide in ((s, totals.loc[s].unstack("method")) for s in pool)
    ]


def _proposal(scene: str, best: str, wide: pd.DataFrame, lead: float, smooth: float) -> Proposal:
    tiles = sorted(Region(*(int(part) for part in str(text).split(","))) for text in wide.index)
    totals = wide.reindex([str(tile) for tile in tiles]).to_numpy(dtype=np.float64)
    column = list(wide.columns).index(best)
    chosen = choose(totals, column, tiles, lead, smooth)
    return Proposal(
        scene,
        best,
        tuple(tiles),
        tuple(str(wide.columns[c]) for c in chosen),
        tuple(float(totals[t, c]) for t, c in enumerate(chosen)),
        tuple(float(total) for total in totals[:, column]),
    )


def _totals(scores: pd.DataFrame, policy: Policy, task: str, traits: pd.DataFrame) -> pd.Series:
    """Return the policy's totals, each tile ranked like a scene; index (scene, tile, method)."""
    scenes, methods, tiles = (scores.index.get_level_values(i) for i in range(3))
    numbers = pd.MultiIndex.from_arrays([scenes, tiles]).factorize()[0]
    apart = pd.MultiIndex.from_arrays([numbers.astype(str), methods], names=["scene", "method"])
    known = traits.reindex(pd.MultiIndex.from_arrays([scenes, methods])).set_axis(apart)
    ranked = rank_candidates(scores.set_axis(apart), policy, task, known)
    totals = ranked.set_index(["scene", "method"])["total"].reindex(apart)
    where = pd.MultiIndex.from_arrays([scenes, tiles, methods], names=["scene", "tile", "method"])
    return totals.set_axis(where)


def _members(scores: pd.DataFrame) -> pd.MultiIndex:
    """Return the (scene, method) of each row of an index (scene, method, tile)."""
    return pd.MultiIndex.from_arrays([scores.index.get_level_values(i) for i in range(2)])


def _all_there(
    lab: Lab,
    task: str,
    dataset: str,
    scores: pd.DataFrame,
    members: pd.MultiIndex,
    policy: Policy,
) -> None:
    """Raise when candidates have not been scored in the tiles."""
    lacking = members[~members.isin(_members(scores))]
    if len(lacking) == 0:
        return
    scene, method = lacking[0]
    metrics = ",".join(policy.task_weights(task))
    raise LabError(
        f"{lab.path}: {len(lacking)} of {len(members)} candidates of {task}/{dataset} (first: "
        f"{method} of {scene}) lack scores of their tiles. Score first: "
        f"fusionlab score --lab {lab.path} --tiles --metrics {metrics}"
    )

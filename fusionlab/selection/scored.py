"""The scores a choice may stand on: those of the images that the index has now."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab import metrics as metric_library
from fusionlab.decoys import DECOY_PREFIX
from fusionlab.errors import LabError
from fusionlab.flags import MADE_OF_LABELS, split_flags
from fusionlab.scoring.plan import digest_of_sources

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusionlab.lab import Lab


def current_scores(
    lab: Lab, task: str, dataset: str, metrics: Sequence[str], *, complete: bool = True
) -> pd.DataFrame:
    """Return scores of one data set as one row a candidate or decoy, one column a metric.

    The index of the frame is (scene, method). Scores of pixels that have changed since are left
    out; a candidate without a current score that scoring did not reject is an error.

    Parameters
    ----------
    complete : whether that is an error; what has no score at all is else left out.

    Raises
    ------
    LabError
        When candidates have not been scored by all of `metrics`, with the command that does it.
    """
    index = lab.index(task, dataset)
    scores = lab.scores(task, dataset)
    scores = scores[scores["metric"].isin(metrics)]
    versions = {name: metric_library.get(name).version for name in metrics}
    scores = scores[scores["metric_version"] == scores["metric"].map(versions)]

    methods = eligible(index)
    scores = scores[_is_current(scores, index, methods)]
    wide: pd.DataFrame = scores.pivot(index=["scene", "method"], columns="metric", values="value")
    if complete:
        _all_scored(lab, task, dataset, scores, methods, metrics)
    return wide.reindex(columns=list(metrics))


def current_tiles(lab: Lab, task: str, dataset: str, metrics: Sequence[str]) -> pd.DataFrame:
    """Return scores of the tiles of one data set, one row a candidate and tile.

    The index of the frame is (scene, method, tile). Scores of pixels that have changed are left
    out, and scenes of which not every tile has every metric: what is there tells nothing then.
    """
    tiles = lab.tiles(task, dataset)
    tiles = tiles[tiles["metric"].isin(metrics)]
    versions = {name: metric_library.get(name).version for name in metrics}
    tiles = tiles[tiles["metric_version"] == tiles["metric"].map(versions)]
    places = ["scene", "method", "tile"]
    if tiles.empty:
        return pd.DataFrame(
            columns=list(metrics), index=pd.MultiIndex.from_arrays([[]] * 3, names=places)
        )
    index = lab.index(task, dataset)
    tiles = tiles[_is_current(tiles, index, eligible(index))]
    complete = tiles.groupby(places)["metric"].transform("size") == len(metrics)
    tiles = tiles[complete.groupby(tiles["scene"]).transform("all")]
    wide: pd.DataFrame = tiles.pivot(index=places, columns="metric", values="value")
    return wide.reindex(columns=list(metrics))


def eligible(index: pd.DataFrame) -> pd.DataFrame:
    """Return the candidates in an index: all but what was made of a choice, such as mosaics."""
    made = [t for t in index["flags"].unique() if not MADE_OF_LABELS.isdisjoint(split_flags(t))]
    return index[(index["role"] == "method") & ~index["flags"].isin(made)]


def _is_current(
    scores: pd.DataFrame, index: pd.DataFrame, methods: pd.DataFrame
) -> NDArray[np.bool_]:
    """Tell which scores were computed from the pixels that the index has now."""
    sources = index[index["role"] == "source"].groupby("scene", sort=False)["digest"].agg(list)
    whole = sources.map(lambda digests: digest_of_sources(digests, ""))
    of_sources = methods["scene"].map(whole)
    for row, scene, region in methods[["scene", "region"]].itertuples():
        if region and scene in sources.index:  # a kept row may have outlived its sources
            of_sources[row] = digest_of_sources(sources[scene], region)
    now = pd.DataFrame(
        {"sources": of_sources.to_numpy(), "own": methods["digest"].to_numpy()},
        index=pd.MultiIndex.from_arrays([methods["scene"], methods["name"]]),
    ).reindex(pd.MultiIndex.from_arrays([scores["scene"], scores["method"]]))
    candidates = (now["sources"].to_numpy() == scores["sources_digest"].to_numpy()) & (
        now["own"].to_numpy() == scores["candidate_digest"].to_numpy()
    )
    is_decoy = scores["method"].str.startswith(DECOY_PREFIX)
    decoys = is_decoy & (scores["sources_digest"] == scores["scene"].map(whole))
    current: NDArray[np.bool_] = np.where(is_decoy, decoys, candidates).astype(bool)
    return current


def _all_scored(
    lab: Lab,
    task: str,
    dataset: str,
    scores: pd.DataFrame,
    methods: pd.DataFrame,
    metrics: Sequence[str],
) -> None:
    """Raise when candidates lack scores for no known reason."""
    counts = scores.groupby(["scene", "method"]).size()
    wanted = pd.MultiIndex.from_arrays([methods["scene"], methods["name"]])
    lacking = wanted[counts.reindex(wanted, fill_value=0).to_numpy() < len(metrics)]
    if lacking.empty:
        return
    rejects = lab.rejects()
    rejects = rejects[
        (rejects["stage"] == "score") & (rejects["task"] == task) & (rejects["dataset"] == dataset)
    ]
    excused = set(zip(rejects["scene"], rejects["name"], strict=True))
    open_ones = [place for place in lacking if {place, (place[0], "")}.isdisjoint(excused)]
    if open_ones:
        scene, method = open_ones[0]
        raise LabError(
            f"{lab.path}: {len(open_ones)} of {len(wanted)} candidates of {task}/{dataset} "
            f"(first: {method} of {scene}) lack scores in {', '.join(metrics)}. Score first: "
            f"fusionlab score --lab {lab.path} --metrics {','.join(metrics)}"
        )

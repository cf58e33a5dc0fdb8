"""Scores of images that FusionLab made, in every metric that their data set has scores of."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab import metrics as metric_library
from fusionlab.schemas import SCORES
from fusionlab.scoring.plan import plan_scenes, stamps_of
from fusionlab.scoring.work import Measured, score_batch
from fusionlab.tables import concat

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusionlab.lab import Lab
    from fusionlab.scoring.plan import ScenePlan
    from fusionlab.scoring.work import SceneWork


def score_made(
    lab: Lab,
    task: str,
    dataset: str,
    method: str,
    scenes: Sequence[str],
    *,
    workers: int | None = None,
    on_scored: Callable[[], None] | None = None,
) -> None:
    """Measure the images called `method` of some scenes; those of other scenes lose their scores.

    What cannot be measured now is missing, and the next `fusionlab score` says why. Scores that
    stand are kept.

    Parameters
    ----------
    workers : threads; as many as there are cores by default.
    on_scored : called once an image, when it has its scores.
    """
    scores = lab.scores(task, dataset)
    known = set(metric_library.names())
    metrics = metric_library.resolve([m for m in scores["metric"].unique() if m in known])
    plans = _plans(lab, task, dataset, method, set(scenes))
    wanted = {stamp for plan in plans for stamp in plan.stamps(metrics)}
    mine = scores[scores["method"] == method]
    stands = [stamp in wanted for stamp in stamps_of(mine)]
    kept = mine[np.array(stands, dtype=bool)]
    done = set(stamps_of(kept))
    works = [work for plan in plans if (work := plan.missing(metrics, done))]
    added = _measured(lab, works, workers or os.cpu_count() or 1, on_scored)
    others = scores[scores["method"] != method]
    lab.write_scores(task, dataset, concat([others, kept, added], SCORES))


def _plans(lab: Lab, task: str, dataset: str, method: str, scenes: set[str]) -> list[ScenePlan]:
    """Return the plans of some scenes, with one candidate each."""
    return [
        replace(plan, candidates=tuple(c for c in plan.candidates if c[0] == method))
        for plan in plan_scenes(lab.index(task, dataset))
        if plan.scene in scenes
    ]


def _measured(
    lab: Lab,
    works: list[SceneWork],
    workers: int,
    on_scored: Callable[[], None] | None,
) -> pd.DataFrame:
    rows = []
    with ThreadPoolExecutor(workers, thread_name_prefix="score") as threads:
        found = threads.map(lambda work: score_batch(lab.images.path, [work]), works)
        for outcomes in found:
            measured = [outcome for outcome in outcomes if isinstance(outcome, Measured)]
            rows += [{**asdict(s), "value": v} for outcome in measured for s, v in outcome.scores]
            if on_scored is not None:
                on_scored()
    return pd.DataFrame(rows, columns=SCORES.columns.names)

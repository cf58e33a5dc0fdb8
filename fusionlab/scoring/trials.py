"""Trials: images made to try a policy, measured as candidates are, but never chosen from.

Each candidate that a policy chose is spoiled in every way of `fusionlab.decoys.SPOILS`, and the
truth of a scene, where there is one, is offered as ``decoy:truth``.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any

from fusionlab import metrics as metric_library
from fusionlab.decoys import DECOY_PREFIX, SPOILS, spoiled_name
from fusionlab.paths import remove_tree
from fusionlab.scoring.cluster import open_client
from fusionlab.scoring.kinds import TRIALS
from fusionlab.scoring.plan import ScenePlan, plan_scenes, stamps_of
from fusionlab.scoring.run import measure_works, reject_row, standing_scores
from fusionlab.tables import rejects_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    import pandas as pd

    from fusionlab.lab import Lab
    from fusionlab.metrics import Metric
    from fusionlab.scoring.work import Block, Failed, SceneWork, Stamp

    Dataset = tuple[str, str]

TRUTH = f"{DECOY_PREFIX}truth"


@dataclass(frozen=True)
class Request:
    """What one policy asks to be tried in one data set.

    Attributes
    ----------
    chosen : scene -> the candidates that are to be spoiled.
    metrics : names of what is measured.
    """

    chosen: Mapping[str, Collection[str]]
    metrics: Sequence[str]


@dataclass
class TrialReport:
    """What one run over trials did: images measured, and reason code -> images rejected."""

    measured: int = 0
    rejected: dict[str, int] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def score_trials(
    lab: Lab,
    requests: Mapping[Dataset, Sequence[Request]],
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> TrialReport:
    """Measure the trials that `requests` need and the lab lacks; write the tables of trials.

    What was measured for other choices stays while its pixels and metrics do.

    Raises
    ------
    LabError
        When another process writes to the lab.
    """
    with lab.writing():
        plans = {key: _plans(lab, key) for key in requests}
        kept = {key: _standing(lab, key, plans[key], asked) for key, asked in requests.items()}
        done = {key: frozenset(stamps_of(frame)) for key, frame in kept.items()}
        total = sum(len(work.candidates) for work in _missing(plans, requests, done))
        failures: list[Failed] = []
        if total:
            works = _missing(plans, requests, done)
            advance = on_progress or (lambda _done, _total: None)
            with open_client(workers, None) as client:
                failures = measure_works(
                    lab, TRIALS, client, works, "cpu", lambda n: advance(n, total)
                )
        for key, asked in requests.items():
            lab.write_trials(*key, _standing(lab, key, plans[key], asked))
            rows = [reject_row(f) for f in failures if (f.task, f.dataset) == key]
            lab.replace_rejects(TRIALS.stage, *key, rejects_frame(TRIALS.stage, *key, rows))
        remove_tree(lab.trial_parts)
    return TrialReport(total, dict(sorted(Counter(f.reason for f in failures).items())))


def current_trials(lab: Lab, task: str, dataset: str) -> pd.DataFrame:
    """Return the scores of trials that were computed from the pixels that the index has now."""
    key = task, dataset
    return _standing(lab, key, _plans(lab, key), [])


def as_wide(trials: pd.DataFrame, metrics: Sequence[str]) -> pd.DataFrame:
    """Return one row a trial, index (scene, method), and one column each of `metrics`.

    A trial that lacks one of them is left out.
    """
    frame = trials[trials["metric"].isin(metrics)]
    measured = frame.groupby(["scene", "method"])["metric"].transform("size") == len(metrics)
    wide: pd.DataFrame = frame[measured].pivot(
        index=["scene", "method"], columns="metric", values="value"
    )
    return wide.reindex(columns=list(metrics))


def _plans(lab: Lab, key: Dataset) -> list[ScenePlan]:
    return plan_scenes(lab.index(*key))


def _standing(
    lab: Lab, key: Dataset, plans: list[ScenePlan], asked: Sequence[Request]
) -> pd.DataFrame:
    """Return the trials that were measured on what the lab holds now, asked for or not."""
    metrics = {m for request in asked for m in request.metrics}
    possible = [_tried(plan, [name for name, _ in plan.candidates]) for plan in plans]
    return standing_scores(lab, TRIALS, key, possible, metric_library.resolve(sorted(metrics)))


def _missing(
    plans: Mapping[Dataset, list[ScenePlan]],
    requests: Mapping[Dataset, Sequence[Request]],
    done: Mapping[Dataset, frozenset[Stamp]],
) -> Iterator[SceneWork]:
    """Yield what is left to measure; what two requests share, once."""
    for key, asked in requests.items():
        resolved = [(request, metric_library.resolve(request.metrics)) for request in asked]
        for plan in plans[key]:
            known = set(done[key])
            for request, metrics in resolved:
                tried = _tried(plan, request.chosen.get(plan.scene, ()))
                if work := _left(tried, metrics, known):
                    known.update(stamp for c in work.candidates for stamp in c.stamps)
                    yield work


def _left(plan: ScenePlan, metrics: Sequence[Metric], known: set[Stamp]) -> SceneWork | None:
    """Return the work that is left of a scene; metrics that compare with the truth take no part."""
    return plan.missing([m for m in metrics if m.arity != "reference"], known)


def _tried(plan: ScenePlan, methods: Collection[str]) -> ScenePlan:
    """Return the plan of a scene's trials: `methods` spoiled, and the truth."""
    made: list[tuple[str, Block | None]] = [
        (spoiled_name(name, method), replace(block, spoil=name))
        for method, block in plan.candidates
        if block is not None and method in methods
        for name in SPOILS
    ]
    if plan.reference is not None:
        made.append((TRUTH, plan.reference))
    return replace(plan, candidates=tuple(made))

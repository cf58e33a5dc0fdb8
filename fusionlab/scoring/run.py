"""The scoring run: plan, hand batches to Dask, keep every result, write the tables.

Every finished batch is a file of its own at once; when all are done they are merged into one
sorted table a data set. A run that is stopped, in whatever way, loses only the batches in flight;
the tables at the end are the same bytes whatever the workers, their order and the interruptions.
"""

from __future__ import annotations

import itertools
import time
import uuid
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fusionlab import metrics as metric_library
from fusionlab.paths import remove_tree
from fusionlab.schemas import REJECTS
from fusionlab.scoring.cluster import open_client
from fusionlab.scoring.kinds import IMAGES, TILE_BY_TILE, Kind
from fusionlab.scoring.only import EVERYTHING, Only
from fusionlab.scoring.plan import ScenePlan, batches, stamps_of
from fusionlab.scoring.work import Failed, Measured, Outcome, SceneWork
from fusionlab.tables import concat, read_table, rejects_frame, write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from distributed import Client, Future

    from fusionlab.lab import Lab
    from fusionlab.metrics import Metric
    from fusionlab.paths import Place

#: Images a task measures: enough that Dask's cost of a few ms a task does not show.
_CANDIDATES_PER_TASK = 24

#: Tasks submitted ahead of the workers: enough to keep them busy, and memory flat.
_AHEAD_PER_THREAD = 4

Dataset = tuple[str, str]

_NO_ROWS = np.array([], dtype=np.intp)


@dataclass
class ScoreReport:
    """What one run of scoring did.

    Attributes
    ----------
    scenes, candidates : that were asked for, decoys not counted.
    measured : candidates and decoys that this run measured; the others had their scores already.
    nan : metric -> scores that are not a number.
    rejected : reason code -> rows.
    """

    metrics: list[str]
    scenes: int = 0
    candidates: int = 0
    measured: int = 0
    nan: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def score(
    lab: Lab,
    metrics: Sequence[str] | None = None,
    *,
    only: Only = EVERYTHING,
    tiles: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
    device: str = "cpu",
    on_progress: Callable[[int, int], None] | None = None,
) -> ScoreReport:
    """Measure every candidate and decoy in `lab` that lacks a score.

    Parameters
    ----------
    metrics : names; `DEFAULT` when None, of tiles those that are no guards.
    only : which scenes; all by default.
    tiles : measure them on the tiles of their scenes (`fusionlab.tiling`) instead of whole.
    workers : threads of this process; as many as there are cores by default.
    scheduler : address of a Dask scheduler that runs already, e.g. ``tcp://127.0.0.1:8786``; its
        workers must see the lab under the same path.
    device : ``"cpu"`` for the kernels, or a torch device (``"cuda"``) for the metrics that have a
        batched path there; values are then equal within 1e-6, not to the last bit.
    on_progress : called with (candidates done, candidates in all).

    Raises
    ------
    UnknownNameError
        When there is no such metric, task, data set or part of the split.
    LabError
        When another process writes to the lab, or parts are asked for that it has not.
    UsageError
        When there is no such scheduler or device.
    """
    start = time.monotonic()
    kind = TILE_BY_TILE if tiles else IMAGES
    wanted = metric_library.resolve(metrics or kind.default)
    if device != "cpu" and scheduler is None:
        from fusionlab.devices import check_device

        check_device(device)
    with lab.writing():
        chosen = only.chooser(lab)
        plans = {key: kind.plan(lab.index(*key)) for key in only.keys(lab)}
        kept = {key: standing_scores(lab, kind, key, plans[key], wanted) for key in plans}
        asked = {key: chosen(plans[key]) for key in plans}
        total = sum(_count_missing(asked[key], kept[key], wanted) for key in plans)
        failures: list[Failed] = []
        if total:
            works = (work for key in plans for work in _missing(asked[key], kept[key], wanted))
            advance = on_progress or (lambda _done, _total: None)
            with open_client(workers, scheduler) as client:
                failures = measure_works(
                    lab, kind, client, works, device, lambda n: advance(n, total)
                )
        report = _finish(lab, kind, plans, asked, wanted, failures)
    report.measured = total
    report.seconds = round(time.monotonic() - start, 3)
    return report


def missing(
    lab: Lab,
    metrics: Sequence[str] | None = None,
    *,
    only: Only = EVERYTHING,
    tiles: bool = False,
) -> dict[str, Any]:
    """Return what `score` would have to measure, without measuring it."""
    kind = TILE_BY_TILE if tiles else IMAGES
    wanted = metric_library.resolve(metrics or kind.default)
    counts = {}
    chosen = only.chooser(lab)
    for key in only.keys(lab):
        plans = kind.plan(lab.index(*key))
        standing = standing_scores(lab, kind, key, plans, wanted)
        counts["/".join(key)] = _count_missing(chosen(plans), standing, wanted)
    return {
        "metrics": [metric.name for metric in wanted],
        "to_measure": sum(counts.values()),
        "by_dataset": counts,
    }


def standing_scores(
    lab: Lab, kind: Kind, key: Dataset, plans: list[ScenePlan], wanted: Sequence[Metric]
) -> pd.DataFrame:
    """Return the scores of one data set that still stand, of this run's metrics and of others."""
    parts = [read_table(file, kind.schema) for file in _parts(lab, kind, key)]
    scores = concat([kind.read(lab, *key), *parts], kind.schema)
    known = set(metric_library.names()) & set(scores["metric"].unique())
    metrics = [metric_library.get(name) for name in known | {metric.name for metric in wanted}]
    rows_of = scores.groupby("scene", sort=False).indices
    stands = np.zeros(len(scores), dtype=bool)
    for plan in plans:
        rows = rows_of.get(plan.scene, _NO_ROWS)
        valid = set(plan.stamps(metrics)) if len(rows) else set()
        stands[rows] = [stamp in valid for stamp in stamps_of(scores.iloc[rows])]
    return scores[stands].drop_duplicates(list(kind.schema.key), ignore_index=True)


def _parts(lab: Lab, kind: Kind, key: Dataset) -> list[Place]:
    """Return the files that finished batches have left of one data set."""
    files: list[Place] = [*kind.parts(lab).glob("[!.]*.parquet")]
    return sorted((file for file in files if _dataset_of(file) == "-".join(key)), key=str)


def _dataset_of(part: Place) -> str:
    return part.stem.rpartition("-")[0]


def _missing(
    plans: list[ScenePlan], standing: pd.DataFrame, wanted: Sequence[Metric]
) -> Iterator[SceneWork]:
    """Yield the work that is left, scene by scene: all of it at once would fill the memory."""
    rows_of = standing.groupby("scene", sort=False).indices
    for plan in plans:
        rows = rows_of.get(plan.scene, _NO_ROWS)
        done = set(stamps_of(standing.iloc[rows])) if len(rows) else set()
        if work := plan.missing(wanted, done):
            yield work


def _count_missing(plans: list[ScenePlan], standing: pd.DataFrame, wanted: Sequence[Metric]) -> int:
    """Return how many candidates lack scores."""
    return sum(len(work.candidates) for work in _missing(plans, standing, wanted))


def measure_works(
    lab: Lab,
    kind: Kind,
    client: Client,
    works: Iterator[SceneWork],
    device: str,
    on_progress: Callable[[int], None],
) -> list[Failed]:
    """Have `client` measure the missing work, and keep every batch as it returns."""
    done = 0
    failures: list[Failed] = []
    on_progress(done)
    for batch, outcomes in _run_batches(client, lab, kind, works, device):
        _keep(lab, kind, [outcome for outcome in outcomes if isinstance(outcome, Measured)])
        failures += [outcome for outcome in outcomes if isinstance(outcome, Failed)]
        done += sum(len(work.candidates) for work in batch)
        on_progress(done)
    return failures


def _keep(lab: Lab, kind: Kind, measured: list[Measured]) -> None:
    """Write the scores of a finished batch as a file of its own (one for each data set in it)."""
    rows = [{**asdict(stamp), "value": value} for m in measured for stamp, value in m.scores]
    if not rows:
        return
    frame = pd.DataFrame(rows, columns=kind.schema.columns.names)
    for (task, dataset), mine in frame.groupby(["task", "dataset"], sort=False):
        part = kind.parts(lab) / f"{task}-{dataset}-{uuid.uuid4().hex}.parquet"
        write_table(part, mine, kind.schema)


def _run_batches(
    client: Client, lab: Lab, kind: Kind, works: Iterator[SceneWork], device: str
) -> Iterator[tuple[list[SceneWork], list[Outcome]]]:
    """Yield finished batches as they come; only a few a worker are in flight at a time."""
    from distributed import as_completed

    waiting = batches(works, _CANDIDATES_PER_TASK)
    images = lab.images.path.resolve()
    in_flight: dict[str, list[SceneWork]] = {}

    def submit(count: int) -> list[Future]:
        futures = []
        for batch in itertools.islice(waiting, count):
            future = client.submit(kind.measure, images, batch, device, pure=False, retries=2)
            in_flight[future.key] = batch
            futures.append(future)
        return futures

    threads = max(1, sum(client.nthreads().values()))
    running = as_completed(submit(_AHEAD_PER_THREAD * threads))
    for future in running:
        batch = in_flight.pop(future.key)
        error = future.exception()
        yield batch, _worker_lost(batch, error) if error else future.result()
        future.release()
        for successor in submit(1):
            running.add(successor)


def _worker_lost(batch: list[SceneWork], error: BaseException) -> list[Outcome]:
    """Turn a batch that killed its worker again and again into reject rows."""
    detail = f"the worker that measured it died: {error!r}; see its log, then score again"
    return [Failed(w.task, w.dataset, w.scene, "", "worker_died", detail) for w in batch]


def _finish(
    lab: Lab,
    kind: Kind,
    plans: dict[Dataset, list[ScenePlan]],
    asked: dict[Dataset, list[ScenePlan]],
    wanted: Sequence[Metric],
    failures: list[Failed],
) -> ScoreReport:
    """Merge the parts into one table a data set, write the rejects, and count."""
    rejects = lab.rejects()
    old = rejects[rejects["stage"] == kind.stage]
    report = ScoreReport([metric.name for metric in wanted])
    for key, scenes in plans.items():
        scores = standing_scores(lab, kind, key, scenes, wanted)
        kind.write(lab, *key, scores)
        for part in _parts(lab, kind, key):
            part.unlink(missing_ok=True)
        mine = [reject_row(f) for f in failures if (f.task, f.dataset) == key]
        new = rejects_frame(kind.stage, *key, mine)
        tried = {plan.scene for plan in asked[key]}
        others = old[(old["task"] == key[0]) & (old["dataset"] == key[1])]
        others = others[~others["scene"].isin(tried)]
        lab.replace_rejects(kind.stage, *key, concat([others, new], REJECTS))
        report.scenes += len(tried)
        report.candidates += sum(b is not None for plan in asked[key] for _, b in plan.candidates)
        _count_nan(scores[scores["metric"].isin(report.metrics)], report.nan)
    known = {"-".join(key) for key in lab.datasets()}
    left = [part for part in kind.parts(lab).glob("[!.]*.parquet") if _dataset_of(part) in known]
    if not left:  # what else is there was left by writers that were killed
        remove_tree(kind.parts(lab))
    report.rejected = dict(sorted(Counter(f.reason for f in failures).items()))
    return report


def _count_nan(scores: pd.DataFrame, counts: dict[str, int]) -> None:
    for metric, count in scores[scores["value"].isna()]["metric"].value_counts().items():
        counts[str(metric)] = counts.get(str(metric), 0) + int(count)


def reject_row(failed: Failed) -> dict[str, str]:
    """Return the columns of the rejects table that a failure fills."""
    return {
        "scene": failed.scene,
        "role": "method" if failed.method else "source",
        "name": failed.method,
        "reason": failed.reason,
        "detail": failed.detail,
    }

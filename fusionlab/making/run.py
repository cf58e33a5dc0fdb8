"""The run that makes candidates: plan, hand work to Dask, put the images into the lab.

This process is the only one that writes. Results are taken in the order of the plan, whichever
worker is first, so that the lab is the same, byte for byte, whatever their number. They are stored
a few at a time: a run that is stopped, in whatever way, loses only what was not stored yet.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from fusionlab.baselines.running import ending_commands
from fusionlab.errors import UsageError
from fusionlab.making.plan import DatasetPlan, plan_dataset, works
from fusionlab.making.work import Fused, Lost, MakeWork, Outcome, make_batch
from fusionlab.making.write import Writer, write_rejects
from fusionlab.scoring.cluster import open_client

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from distributed import Client

    from fusionlab.lab import Lab
    from fusionlab.making.methods import Method

#: Tasks submitted for each thread: enough to keep it busy, and few images wait for their turn.
_AHEAD_PER_THREAD = 2

#: Seconds after which a long wait is used to store what is there.
_PATIENCE = 5.0


@dataclass
class MakeReport:
    """What one run did.

    Attributes
    ----------
    scenes : of the data sets that were looked at.
    made : images that this run made.
    standing : outputs that were there already.
    taken : method -> scenes that have a candidate of that name from elsewhere, which stays.
    rejected : reason code -> rows.
    """

    methods: list[str]
    scenes: int = 0
    made: int = 0
    standing: int = 0
    taken: dict[str, int] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def make(
    lab: Lab,
    methods: Sequence[Method],
    *,
    tasks: Sequence[str] = (),
    datasets: Sequence[str] = (),
    prefix: str = "",
    workers: int | None = None,
    scheduler: str | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> MakeReport:
    """Make the outputs of `methods` that the scenes of `lab` lack, as candidates.

    Parameters
    ----------
    methods : see `choose_methods`; each is used for the tasks that it serves.
    tasks, datasets : only these; all when empty.
    prefix : what stands before a method's name in the name of its candidates.
    workers : threads of this process; as many as there are cores by default.
    scheduler : address of a Dask scheduler that runs already; its workers must see the lab under
        the same path, and have the same plug-ins and programs.
    on_progress : called with (images done, images in all).

    Raises
    ------
    LabError
        When another process writes to the lab, or it is packed.
    UsageError
        When no method serves a task of the lab, or there is no such task, data set or scheduler.
    """
    start = time.monotonic()
    advance = on_progress or (lambda _done, _total: None)
    with lab.writing(pixels=True):
        plans = _plans(lab, methods, tasks, datasets, prefix)
        report = _counted(plans, methods)
        total = sum(plan.images for plan in plans)
        lost: dict[tuple[str, str], list[Lost]] = {}
        if total:
            with open_client(workers, scheduler) as client, ending_commands():
                run = _Run(lab, client, prefix, total, advance)
                for plan in plans:
                    lost[plan.task, plan.dataset] = run.make(plan)
            report.made = run.made
        for plan in plans:
            missing_now = lost.get((plan.task, plan.dataset), [])
            rows = write_rejects(lab, plan, missing_now, [m.name for m in methods], prefix)
            report.rejected = dict(Counter(report.rejected) + Counter(r["reason"] for r in rows))
    report.rejected = dict(sorted(report.rejected.items()))
    report.seconds = round(time.monotonic() - start, 3)
    return report


def missing(
    lab: Lab,
    methods: Sequence[Method],
    *,
    tasks: Sequence[str] = (),
    datasets: Sequence[str] = (),
    prefix: str = "",
) -> dict[str, Any]:
    """Return what `make` would make, without making it."""
    plans = _plans(lab, methods, tasks, datasets, prefix)
    report = _counted(plans, methods)
    by_method = Counter(m.name for p in plans for lacking in p.lacking.values() for m in lacking)
    return {
        "methods": report.methods,
        "scenes": report.scenes,
        "to_make": sum(plan.images for plan in plans),
        "standing": report.standing,
        "taken": report.taken,
        "by_dataset": {f"{plan.task}/{plan.dataset}": plan.images for plan in plans},
        "by_method": {m: by_method[m] for m in report.methods},
    }


def _plans(
    lab: Lab,
    methods: Sequence[Method],
    tasks: Sequence[str],
    datasets: Sequence[str],
    prefix: str,
) -> list[DatasetPlan]:
    keys = lab.datasets(tasks, datasets)
    served = {task for method in methods for task in method.tasks}
    if keys and not served & {task for task, _ in keys}:
        named = ", ".join(f"{m.name} ({', '.join(m.tasks)})" for m in methods)
        have = ", ".join(sorted({task for task, _ in keys}))
        raise UsageError(f"no scene for {named}: the lab has scenes of {have}")
    return [plan_dataset(*key, lab.index(*key), methods, prefix) for key in keys]


def _counted(plans: Sequence[DatasetPlan], methods: Sequence[Method]) -> MakeReport:
    """Return a report of what is there already."""
    served = {plan.task for plan in plans}
    report = MakeReport([m.name for m in methods if served & set(m.tasks)])
    report.scenes = sum(plan.scenes for plan in plans)
    report.standing = sum(plan.standing for plan in plans)
    taken = sum((plan.taken for plan in plans), Counter[str]())
    report.taken = dict(sorted(taken.items()))
    return report


@dataclass
class _Run:
    """The making of one run, over its data sets."""

    lab: Lab
    client: Client
    prefix: str
    total: int
    advance: Callable[[int, int], None]
    done: int = 0
    made: int = 0

    def make(self, plan: DatasetPlan) -> list[Lost]:
        """Make and store what one data set lacks; return what could not be made."""
        writer = Writer(self.lab, plan.task, plan.dataset, self.prefix)
        lost: list[Lost] = []
        self.advance(self.done, self.total)
        for finished, outcomes in self._outcomes(works(plan)):
            writer.put([o for o in outcomes if isinstance(o, Fused)])
            lost += [o for o in outcomes if isinstance(o, Lost)]
            self.done += finished
            self.advance(self.done, self.total)
        writer.flush()
        self.made += writer.written
        return lost

    def _outcomes(self, waiting: Iterator[MakeWork]) -> Iterator[tuple[int, list[Outcome]]]:
        """Yield finished work in its order, as the number of its images and what became of them.

        Only a little a worker is in flight at a time. While the next work takes long, yield nothing
        now and then, so that what waits to be stored does not wait as long.
        """
        images = self.lab.images.path.resolve()
        threads = max(1, sum(self.client.nthreads().values()))
        in_flight: deque[tuple[MakeWork, Any]] = deque()

        def submit(count: int) -> None:
            for work in itertools.islice(waiting, count):
                future = self.client.submit(make_batch, images, work, pure=False, retries=2)
                in_flight.append((work, future))

        submit(_AHEAD_PER_THREAD * threads)
        while in_flight:
            work, future = in_flight[0]
            try:
                error = future.exception(timeout=_PATIENCE)
            except TimeoutError:
                yield 0, []
                continue
            yield work.images, _worker_lost(work, error) if error else future.result()
            in_flight.popleft()
            submit(1)


def _worker_lost(work: MakeWork, error: BaseException) -> list[Outcome]:
    """Turn work that killed its worker again and again into reject rows."""
    detail = f"the worker that made it died: {error!r}; see its log, then run again"
    return [
        Lost(scene.name, method.name, "worker_died", detail)
        for scene in work.scenes
        for method in work.methods
    ]

"""Studies of forgetting: strategies, orders of tasks and seeds, each combination a cell."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.atomic import atomic_write_bytes
from fusionlab.configs import Config
from fusionlab.continual.matrix import COLUMNS, MEASURES, measures, spread
from fusionlab.errors import UnknownNameError, UsageError
from fusionlab.lock import hold
from fusionlab.schemas import FORGETTING
from fusionlab.tables import write_table
from fusionlab.tasks import TASKS
from fusionlab.terminal import records
from fusionlab.training.figures import page, with_spread
from fusionlab.training.splitting import split
from fusionlab.training.stages import STRATEGIES, Stages, StageSettings, chain
from fusionlab.training.watch import checked_scenes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from fusionlab.training.curated import Curated
    from fusionlab.training.distributed import Workers
    from fusionlab.training.loop import Progress
    from fusionlab.training.stages import Stage


class StudySettings(Config):
    """What a study compares, and how.

    Attributes
    ----------
    orders : of tasks; the same tasks in each. By default one, of all tasks that have labels.
    exclude : tasks, data sets and scenes that are neither learned from nor judged.
    scenes : of each task that every stage is judged by, at most.
    side : of the middle of a scene that is judged, in pixels; None is all of it.
    """

    strategies: tuple[str, ...] = STRATEGIES
    orders: tuple[tuple[str, ...], ...] = ()
    seeds: tuple[int, ...] = (0,)
    stages: StageSettings = StageSettings()
    exclude: tuple[str, ...] = ()
    scenes: int = 8
    side: int | None = 192


@dataclass
class StudyReport:
    """What a study found.

    Attributes
    ----------
    cells : how many there are.
    stages, trained : stages that they are made of, and those that were trained in this run.
    steps : of all stages that were, or in a dry run would be, trained in this run.
    learned, judged : scenes by task.
    results : tidy: ``strategy, order, seed, stage, task, metric, value``.
    """

    cells: int
    stages: int
    trained: int
    steps: int
    learned: dict[str, int]
    judged: dict[str, int]
    results: pd.DataFrame = field(default_factory=FORGETTING.empty)
    seconds: float = 0.0

    @property
    def measures(self) -> pd.DataFrame:
        """Return average, forgetting, transfer and gaps of every cell and metric."""
        return measures(self.results)

    @property
    def table(self) -> pd.DataFrame:
        """Return their means and standard deviations over orders and seeds."""
        return spread(self.measures)

    def shown(self) -> dict[str, pd.DataFrame]:
        """Return a table for people of each metric: a row a strategy."""
        found = {}
        for metric, table in self.table.groupby("metric", sort=False):
            cells = {
                name: [
                    with_spread(*pair)
                    for pair in zip(table[name], table[f"{name}_sd"], strict=True)
                ]
                for name in MEASURES
            }
            found[str(metric)] = table[["strategy", "cells"]].assign(**cells)
        return found

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        names = ("cells", "stages", "trained", "steps", "learned", "judged", "seconds")
        found = {name: getattr(self, name) for name in names}
        return {**found, "measures": records(self.measures), "table": records(self.table)}


def study(
    curated: Curated,
    settings: StudySettings,
    folder: Path,
    workers: Workers,
    *,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
    on_stage: Callable[[str, pd.Series], None] = lambda _name, _values: None,
) -> StudyReport:
    """Train and judge all cells; what is done is not done again.

    Parameters
    ----------
    folder : gets ``stages/``, ``forgetting.parquet`` and ``forgetting.html``.
    on_progress : called with (steps done, steps in all) of what is to be trained.
    on_stage : called with the name of a stage and PSNR by task, after it was judged.

    Raises
    ------
    UnknownNameError
        For a strategy or task that is not there.
    UsageError
        When orders differ in their tasks, or a task has no scene to be judged by.
    """
    began = time.monotonic()
    if not settings.orders:
        order = tuple(task for task in TASKS if task in curated.tasks())
        settings = settings.model_copy(update={"orders": (order,)})
    learned, judged = _parts(curated, settings)
    stages = Stages(folder / "stages", learned, judged, settings.stages, workers, settings.side)
    cells = {
        (strategy, "-".join(order), seed): chain(strategy, order, seed, settings.stages)
        for strategy, order, seed in product(settings.strategies, settings.orders, settings.seeds)
    }
    wanted = list(
        dict.fromkeys(one for cell in cells.values() for s in cell for one in (*s.path, s))
    )
    missing = [stage for stage in wanted if not stages.is_trained(stage)]
    report = StudyReport(
        *(len(cells), len(wanted), len(missing), sum(map(stages.steps, missing))),
        *(_counts(learned), _counts(judged)),
    )
    if dry_run:
        return report
    folder.mkdir(parents=True, exist_ok=True)
    with hold(folder):
        _train(stages, missing, report.steps, on_progress, on_stage)
        report.results = _results(stages, cells)
        note = settings.model_dump_json()
        write_table(folder / "forgetting.parquet", report.results, FORGETTING, note)
        atomic_write_bytes(folder / "forgetting.html", page(report.results, report.table).encode())
    report.seconds = round(time.monotonic() - began, 3)
    return report


def _parts(curated: Curated, settings: StudySettings) -> tuple[Curated, Curated]:
    """Return the scenes to learn from and those to judge by, of the tasks of the study."""
    tasks = sorted(settings.orders[0])
    for order in settings.orders:
        if sorted(order) != tasks or len(set(order)) != len(order):
            raise UsageError(
                f"order {'-'.join(order)}: expected each of {', '.join(tasks)} once, as in the "
                "other orders"
            )
    for task in tasks:
        if task not in curated.tasks():
            raise UnknownNameError("task", task, curated.tasks(), f"labels {curated.labels!r}")
    mine = curated.only([e.place for e in curated.examples if e.task in tasks])
    learned, judged = split(mine, settings.exclude)
    for part, what in ((learned, "to learn from"), (judged, "to judge by")):
        lacking = sorted(set(tasks) - set(part.tasks()))
        if lacking:
            raise UsageError(
                f"labels {curated.labels!r}: no scene of {', '.join(lacking)} {what}; give the "
                "task more scenes, or leave it out of the order"
            )
    return learned, judged.only([e.place for e in checked_scenes(judged, settings.scenes)])


def _counts(curated: Curated) -> dict[str, int]:
    return {task: len(curated.of_task(task)) for task in curated.tasks()}


def _train(
    stages: Stages,
    missing: Sequence[Stage],
    steps: int,
    on_progress: Callable[[int, int], None],
    on_stage: Callable[[str, pd.Series], None],
) -> None:
    """Train and judge stages, in an order in which each comes after the one it goes on from."""
    before = 0
    for stage in missing:
        on_progress(before, steps)

        def tell(done: Progress, before: int = before) -> None:
            on_progress(before + done.step, steps)

        stages.train(stage, tell)
        before += stages.steps(stage)
        judged = stages.judge(stage)
        values = judged[judged["metric"] == "PSNR"].groupby("task")["value"].mean()
        on_stage(_name(stage), values)
    on_progress(before, steps)


def _name(stage: Stage) -> str:
    """Return what people call a stage: ``ivf > mif, ewc+replay, seed 0``."""
    path = " > ".join("+".join(one.tasks) for one in (*stage.path, stage))
    how = "+".join(name for name in ("ewc", "replay") if getattr(stage, name))
    return f"{path}, {how}, seed {stage.seed}" if how else f"{path}, seed {stage.seed}"


def _results(stages: Stages, cells: dict[tuple[str, str, int], tuple[Stage, ...]]) -> pd.DataFrame:
    """Return the mean over scenes of every cell, stage, task and metric."""
    rows = []
    for key, cell in cells.items():
        for number, stage in enumerate(cell, start=1):
            means = stages.judge(stage).groupby(["task", "metric"])["value"].mean()
            rows += [(*key, number, *row) for row in means.reset_index().to_numpy().tolist()]
    return pd.DataFrame(rows, columns=list(COLUMNS))

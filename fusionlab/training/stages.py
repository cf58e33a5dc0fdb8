"""Stages: one network learns tasks one after another, each stage in a run's folder of its own.

A stage is known by its digest: of the settings, of what is learned from and of the stage before it.
So strategies share what they have in common, their first stage above all; a stage that is there is
not trained again, and one that was stopped goes on where it was.

What a stage hands on is its model, the mean of the weights: the next stage begins with it, elastic
weights are held to it, and it is judged. The optimiser begins anew.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fusionlab.configs import Config
from fusionlab.continual.ewc import Ewc, EwcSettings
from fusionlab.continual.replay import Replay, ReplaySettings
from fusionlab.errors import UnknownNameError
from fusionlab.flow.batch import Batch
from fusionlab.flow.keeping import load_model, save_model
from fusionlab.schemas import RUN_JUDGED, RUN_SCENES
from fusionlab.tables import concat, read_note, read_table, write_table
from fusionlab.training.feeding import Feed
from fusionlab.training.judge import MEASURES, judge
from fusionlab.training.loop import Trainer
from fusionlab.training.patches import Patches
from fusionlab.training.remembering import importance_of, offered
from fusionlab.training.run import measure_scales, new_model, note_of
from fusionlab.training.run_folder import RunFolder
from fusionlab.training.settings import TrainSettings
from fusionlab.training.watch import Watch

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd
    import torch

    from fusionlab.flow.keeping import ModelNote
    from fusionlab.flow.model import FusionModel
    from fusionlab.training.curated import Curated
    from fusionlab.training.distributed import Workers
    from fusionlab.training.loop import Progress

#: Part of every digest: raised when the same settings come to mean something else.
_FORMAT = 1

#: Strategy -> whether old tasks are held by elastic weights, and by replay.
SEQUENTIAL = {
    "naive": (False, False),
    "ewc": (True, False),
    "replay": (False, True),
    "ewc+replay": (True, True),
}
STRATEGIES = (*SEQUENTIAL, "joint", "single")


class StageSettings(Config):
    """All that the weights after a stage depend on, but data, order and seed.

    Attributes
    ----------
    train : of each stage; its steps are those of one task, its seed is not used.
    """

    train: TrainSettings = TrainSettings()
    ewc: EwcSettings = EwcSettings()
    replay: ReplaySettings = ReplaySettings()


@dataclass(frozen=True)
class Stage:
    """What is learned, after what, and how.

    Attributes
    ----------
    tasks : learned in this stage.
    before : the stage it goes on from; None begins with random weights.
    ewc, replay : how the tasks of the stages before are held.
    """

    tasks: tuple[str, ...]
    seed: int
    before: Stage | None = None
    ewc: bool = False
    replay: bool = False

    @cached_property
    def path(self) -> tuple[Stage, ...]:
        """Return the stages before this one, the first one first."""
        return () if self.before is None else (*self.before.path, self.before)


def chain(
    strategy: str, order: Sequence[str], seed: int, settings: StageSettings
) -> tuple[Stage, ...]:
    """Return the stages of a cell; what has no effect is left out, so that equal is equal.

    ``joint`` is one stage of all tasks, of as many steps as the others together; ``single`` is as
    many stages as tasks, none of which goes on from another.

    Raises
    ------
    UnknownNameError
        For a strategy that does not exist.
    """
    if strategy == "joint":
        return (Stage(tuple(sorted(order)), seed),)
    if strategy == "single":
        return tuple(Stage((task,), seed) for task in order)
    if strategy not in SEQUENTIAL:
        raise UnknownNameError("strategy", strategy, STRATEGIES)
    ewc, replay = SEQUENTIAL[strategy]
    ewc, replay = ewc and settings.ewc.weight > 0, replay and settings.replay.share > 0
    stages: list[Stage] = []
    for task in order:
        before = stages[-1] if stages else None
        stages.append(Stage((task,), seed, before, ewc and bool(before), replay and bool(before)))
    return tuple(stages)


class Stages:
    """Trains and judges stages, and remembers them in a folder.

    Parameters
    ----------
    folder : with a run's folder for each stage.
    learned, judged : scenes to learn from, and others that every stage is judged by.
    side : judge the middle of a scene only, of so many pixels.
    """

    def __init__(
        self,
        folder: Path,
        learned: Curated,
        judged: Curated,
        settings: StageSettings,
        workers: Workers,
        side: int | None = None,
    ) -> None:
        self.folder, self.learned, self.judged = folder, learned, judged
        self.settings, self.workers, self.side = settings, workers, side
        self._digests = {task: learned.of_task(task).digest for task in learned.tasks()}

    def steps(self, stage: Stage) -> int:
        """Return how many steps a stage has."""
        return self.settings.train.steps * len(stage.tasks)

    def run_folder(self, stage: Stage) -> RunFolder:
        """Return where a stage is or would be."""
        return RunFolder(self.folder / f"{'+'.join(stage.tasks)}-{self.digest(stage)[:16]}")

    def digest(self, stage: Stage) -> str:
        """Return the digest of all that the weights after a stage depend on."""
        text = json.dumps(self._description(stage), sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def _description(self, stage: Stage) -> dict[str, Any]:
        settings = self.settings
        return {
            "format": _FORMAT,
            "tasks": list(stage.tasks),
            "seed": stage.seed,
            "train": settings.train.model_dump(mode="json", exclude={"checks"}),
            "ewc": settings.ewc.model_dump(mode="json") if stage.ewc else None,
            "replay": settings.replay.model_dump(mode="json") if stage.replay else None,
            "learned": {task: self._digests[task] for task in stage.tasks},
            "before": self.digest(stage.before) if stage.before else None,
        }

    def is_trained(self, stage: Stage) -> bool:
        """Tell whether there is a model of a stage."""
        return self.run_folder(stage).model.exists()

    def train(self, stage: Stage, on_step: Callable[[Progress], None] = lambda _: None) -> None:
        """Train a stage, unless that is done; the stages before it must be."""
        if self.is_trained(stage):
            return
        folder, settings = self.run_folder(stage), self._settings(stage)
        folder.describe(self._description(stage))
        seeded = self.settings.replay.model_copy(update={"seed": stage.seed})
        ewc, replay = Ewc(self.settings.ewc.weight), Replay(seeded)
        penalty = ewc.penalty if stage.ewc else None
        trainer = Trainer(self._begin(stage), settings, self.workers, penalty=penalty)

        def memory() -> dict[str, Any]:
            return {"ewc": ewc.state_dict(), "replay": replay.state_dict()}

        note = self._note(stage)
        watch = Watch(trainer, folder, (), note, memory, on_step)
        held = watch.resume()
        if held is None:
            self._remember(stage, ewc, replay)
        else:
            ewc.load_state_dict(held["ewc"])
            replay.load_state_dict(held["replay"])
        pin = self.workers.device.type == "cuda"
        with Feed(self._batches(stage, replay), pin=pin, stop=trainer.steps) as feed:
            trainer.train(feed, watch)
        self._write_scenes(stage)
        save_model(folder.model, trainer.averaged, note.model_copy(update={"steps": trainer.steps}))
        folder.drop_state()

    def _settings(self, stage: Stage) -> TrainSettings:
        """Return the settings of a stage: its steps, its seed, a warm-up of a tenth at most."""
        train, steps = self.settings.train, self.steps(stage)
        warmup = min(train.optimiser.warmup, steps // 10)
        return train.model_copy(
            update={
                "steps": steps,
                "patches": train.patches.model_copy(update={"seed": stage.seed}),
                "optimiser": train.optimiser.model_copy(update={"warmup": warmup}),
                "checks": train.checks.model_copy(update={"samples": 0, "keep": 1}),
            }
        )

    def _begin(self, stage: Stage) -> FusionModel:
        """Return the model that a stage begins with, and the scales of its tasks' losses."""
        learned, settings = self._learned_in(stage), self._settings(stage)
        if stage.before is None:
            return new_model(learned, settings)
        model = self.model(stage.before)
        measure_scales(model, learned, settings)
        return model

    def _learned_in(self, *stages: Stage) -> Curated:
        """Return the scenes that are learned from in some stages."""
        tasks = {task for stage in stages for task in stage.tasks}
        return self.learned.only([e.place for e in self.learned.examples if e.task in tasks])

    def _remember(self, stage: Stage, ewc: Ewc, replay: Replay) -> None:
        """Fill what holds the tasks of the stages before."""
        side = self.settings.train.patches.patch
        for old in stage.path:
            if stage.ewc:
                ewc.add(*self._importance(old))
            for task in old.tasks if stage.replay else ():
                replay.add(task, offered(self.learned.of_task(task), side))

    def _importance(self, stage: Stage) -> tuple[FusionModel, torch.Tensor]:
        """Return the model after a stage, and how much its weights matter to the tasks of it."""
        model, kept = self.model(stage), self.run_folder(stage).path
        learned, train = self._learned_in(stage), self._settings(stage)
        return model, importance_of(model, learned, train, self.settings.ewc, kept)

    def _batches(self, stage: Stage, replay: Replay) -> Callable[[int], Batch]:
        """Return the batches of a stage: new patches, and old ones where there are any."""
        settings = self._settings(stage).patches
        old = replay.count(settings.batch)
        fresh = settings.model_copy(update={"batch": settings.batch - old})
        new = Patches(self._learned_in(stage), fresh)
        if not old:
            return new.batch
        return lambda step: Batch.join([new.batch(step), replay.batch(step, old)])

    def model(self, stage: Stage) -> FusionModel:
        """Return the model after a stage."""
        return load_model(self.run_folder(stage).model, self.workers.device)[0]

    def _note(self, stage: Stage) -> ModelNote:
        """Return what the model says of itself: all tasks it learned, one after the other."""
        learned = self._learned_in(*stage.path, stage)
        tasks = tuple(task for one in (*stage.path, stage) for task in one.tasks)
        note = note_of(self.run_folder(stage), learned, self.settings.train)
        return note.model_copy(update={"tasks": tasks})

    def _write_scenes(self, stage: Stage) -> None:
        learned = self._learned_in(*stage.path, stage)
        scenes = concat([learned.frame("train"), self.judged.frame("validation")], RUN_SCENES)
        write_table(self.run_folder(stage).path / "scenes.parquet", scenes, RUN_SCENES)

    def judge(self, stage: Stage) -> pd.DataFrame:
        """Return what the model after a stage makes of the scenes of all tasks, judged once.

        Returns
        -------
        One row a scene and metric: ``task, dataset, scene, metric, value``.
        """
        path = self.run_folder(stage).path / "judged.parquet"
        note = f"{self.judged.digest} {self.side}"
        if path.exists() and read_note(path) == note:
            return read_table(path, RUN_JUDGED)
        wide = judge(self.model(stage), self.judged.examples, side=self.side)
        wide[["dataset", "scene"]] = wide.pop("place").str.split("/", n=2, expand=True)[[1, 2]]
        keys = ["task", "dataset", "scene"]
        tidy = wide.melt(keys, list(MEASURES), "metric", "value").dropna(subset="value")
        write_table(path, tidy, RUN_JUDGED, note)
        return read_table(path, RUN_JUDGED)

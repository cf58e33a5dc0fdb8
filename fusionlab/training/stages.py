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

import pandas as pd
import torch

from fusionlab.configs import Config
from fusionlab.continual.ewc import Ewc, EwcSettings
from fusionlab.continual.replay import Replay, ReplaySettings
from fusionlab.errors import UnknownNameError
from fusionlab.flow.batch import Batch
from fusionlab.flow.keeping import ModelNote, load_model, save_model
from fusionlab.flow.model import FusionModel
from fusionlab.schemas import RUN_JUDGED, RUN_SCENES
from fusionlab.tables import read_note, read_table, write_table
from fusionlab.training.feeding import Feed
from fusionlab.training.judge import MEASURES, judge
from fusionlab.training.loop import Trainer
from fusionlab.training.patches import Patches
from fusionlab.training.remembering import importance_of, offered, set_scales
from fusionlab.training.run_folder import RunFolder
from fusionlab.training.settings import TrainSettings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

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
        folder = self.run_folder(stage)
        folder.describe(self._description(stage))
        state = folder.load_state()
        ewc, replay = self._memory(stage, state)
        train = self._train_settings(stage)
        trainer = Trainer(
            *(self._begin(stage), train, self.workers, self.steps(stage)),
            penalty=ewc.penalty if stage.ewc else None,
        )
        if state is not None:
            trainer.load_state_dict(state)
        remembered = {"ewc": ewc.state_dict(), "replay": replay.state_dict()}
        with Feed(self._batches(stage, replay), stop=trainer.steps) as feed:
            while trainer.step < trainer.steps:
                until = min(trainer.steps, trainer.step + train.checks.every)
                trainer.train(feed, on_step, until)
                folder.save_state({**trainer.state_dict(), **remembered})
        self._finish(stage, trainer.averaged)

    def _train_settings(self, stage: Stage) -> TrainSettings:
        """Return the settings of a stage: its seed, and a warm-up of a tenth of it at most."""
        train = self.settings.train
        patches = train.patches.model_copy(update={"seed": stage.seed})
        warmup = min(train.optimiser.warmup, self.steps(stage) // 10)
        optimiser = train.optimiser.model_copy(update={"warmup": warmup})
        return train.model_copy(update={"patches": patches, "optimiser": optimiser})

    def _begin(self, stage: Stage) -> FusionModel:
        """Return the model that a stage begins with, and the scales of its tasks' losses."""
        if stage.before is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(stage.seed)
                model = FusionModel(self.settings.train.model)
        else:
            model = self.model(stage.before)
        for task in stage.tasks:
            set_scales(model, self.learned.of_task(task), self._train_settings(stage).patches)
        return model

    def _memory(self, stage: Stage, state: dict[str, Any] | None) -> tuple[Ewc, Replay]:
        """Return what holds the tasks of the stages before, from a checkpoint or made anew."""
        settings = self.settings
        chosen = settings.replay.model_copy(update={"seed": settings.replay.seed + stage.seed})
        ewc, replay = Ewc(settings.ewc.weight), Replay(chosen)
        if state is not None:
            ewc.load_state_dict(state["ewc"])
            replay.load_state_dict(state["replay"])
            return ewc, replay
        for old in stage.path:
            if stage.ewc:
                ewc.add(*self._importance(old))
            if stage.replay:
                for task in old.tasks:
                    side = settings.train.patches.patch
                    replay.add(task, offered(self.learned.of_task(task), side))
        return ewc, replay

    def _importance(self, stage: Stage) -> tuple[FusionModel, torch.Tensor]:
        """Return the model after a stage, and how much its weights matter to the tasks of it."""
        model, train = self.model(stage), self._train_settings(stage)
        kept = self.run_folder(stage).path
        learned = self.learned.only(self._places(stage))
        return model, importance_of(model, learned, train, self.settings.ewc, kept)

    def _places(self, stage: Stage) -> list[str]:
        return [e.place for e in self.learned.examples if e.task in stage.tasks]

    def _batches(self, stage: Stage, replay: Replay) -> Callable[[int], Batch]:
        """Return the batches of a stage: new patches, and old ones where there are any."""
        settings = self._train_settings(stage).patches
        old = replay.count(settings.batch)
        new = Patches(
            self.learned.only(self._places(stage)),
            settings.model_copy(update={"batch": settings.batch - old}),
        )
        if not old:
            return new.batch
        return lambda step: Batch.join([new.batch(step), replay.batch(step, old)])

    def model(self, stage: Stage) -> FusionModel:
        """Return the model after a stage."""
        return load_model(self.run_folder(stage).model, self.workers.device)[0]

    def _finish(self, stage: Stage, model: FusionModel) -> None:
        folder, seen = self.run_folder(stage), [*stage.path, stage]
        tasks = [task for one in seen for task in one.tasks]
        places = [e.place for e in self.learned.examples if e.task in tasks]
        scenes = [self.learned.only(places).frame("train"), self.judged.frame("validation")]
        write_table(folder.path / "scenes.parquet", pd.concat(scenes), RUN_SCENES)
        note = ModelNote(
            name=folder.path.name,
            model=model.settings,
            tasks=tuple(tasks),
            labels=self.learned.labels,
            labels_digest=self.learned.digest,
            steps=sum(self.steps(one) for one in seen),
        )
        save_model(folder.model, model, note)
        folder.drop_state()

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

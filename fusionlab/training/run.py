"""Train one model on curated labels: the stage behind ``fusionlab train``."""

from __future__ import annotations

import io
import json
import time
from contextlib import ExitStack, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import torch

from fusionlab.atomic import atomic_write_bytes
from fusionlab.errors import UsageError
from fusionlab.flow.batch import TASK_IDS
from fusionlab.flow.keeping import ModelNote, save_model
from fusionlab.flow.loss import scales_of
from fusionlab.flow.model import FusionModel
from fusionlab.lock import hold
from fusionlab.schemas import RUN_SCENES
from fusionlab.store import is_safe_name
from fusionlab.tables import concat, write_table
from fusionlab.training.distributed import joined
from fusionlab.training.feeding import Feed, Resident
from fusionlab.training.judge import judge, means
from fusionlab.training.loop import Trainer
from fusionlab.training.patches import Patches
from fusionlab.training.run_folder import RunFolder
from fusionlab.training.splitting import split
from fusionlab.training.watch import Watch, checked_scenes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    import pandas as pd

    from fusionlab.training.curated import Curated
    from fusionlab.training.distributed import Workers
    from fusionlab.training.loop import Progress
    from fusionlab.training.settings import TrainSettings
    from fusionlab.training.watch import OnCheck

#: Patches of each task by which V and G of the loss are measured.
_MEASURED = 512

#: Share of a GPU's free memory that the pixels of all scenes may take.
_HELD = 0.3

#: Of a validation scene that is larger, the middle of so many pixels a side is judged at the end.
_JUDGED = 512


@dataclass
class TrainReport:
    """What a run came to.

    Attributes
    ----------
    path : of its folder.
    scenes : learned from, by task.
    validation : mean over validation scenes, by task, then by measure.
    already : whether it had ended before.
    """

    name: str
    path: str
    objective: str
    parameters: int
    steps: int
    scenes: dict[str, int]
    held_out: int
    validation: dict[str, dict[str, float]] = field(default_factory=dict)
    images_a_second: float = 0.0
    seconds: float = 0.0
    already: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return all of it, for JSON."""
        return dict(self.__dict__)


def train(
    curated: Curated,
    path: Path,
    settings: TrainSettings,
    *,
    exclude: Sequence[str] = (),
    device: str = "auto",
    tensorboard: bool = False,
    dry_run: bool = False,
    on_step: Callable[[Progress], None] = lambda _: None,
    on_check: OnCheck = lambda _step, _found: None,
) -> TrainReport:
    """Train a model, or go on where the same run was stopped, or say what it came to.

    Parameters
    ----------
    path : the folder of the run; its name is the run's.
    exclude : what is left out besides, see `fusionlab.training.splitting.split`.
    device : of torch; ``auto`` is CUDA where there is one.
    on_step, on_check : told how it goes.

    Raises
    ------
    UsageError
        When the name or the device cannot be, or nothing is left to learn from.
    ModelError
        When the folder holds another run, or the loss becomes no number.
    LabError
        When another process trains it.
    """
    if not is_safe_name(path.name):
        raise UsageError(f"run {path.name!r}: use letters, digits, '-', '_' and '.'")
    learned, held_out = split(curated, exclude)
    folder = RunFolder(path)
    report = _report(folder, learned, held_out, settings)
    if dry_run:
        return report
    with ExitStack() as stack:
        workers = stack.enter_context(joined(device))
        if workers.first:
            path.mkdir(parents=True, exist_ok=True)
            stack.enter_context(hold(path))
            folder.describe(_config(learned, held_out, settings, exclude))
        workers.wait()
        done = _finished(folder)
        if done is not None:
            return TrainReport(**{**done, "path": str(path), "already": True})
        if workers.first:
            scenes = [learned.frame("train"), held_out.frame("validation")]
            write_table(path / "scenes.parquet", concat(scenes, RUN_SCENES), RUN_SCENES)
        board = _board(path) if tensorboard and workers.first else None
        return _run(folder, report, learned, held_out, settings, workers, board, on_step, on_check)


def new_model(learned: Curated, settings: TrainSettings) -> FusionModel:
    """Return a model before its first step: the same weights for the same seed."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        model = FusionModel(settings.model)
    for task in learned.tasks():
        measure_scales(model, learned.of_task(task), settings)
    return model


def measure_scales(model: FusionModel, learned: Curated, settings: TrainSettings) -> None:
    """Set V and G of the loss for the task of some examples."""
    patches = Patches(learned, settings.patches.model_copy(update={"batch": _MEASURED}))
    ids = [TASK_IDS[task] for task in learned.tasks()]
    model.scales[ids] = scales_of(patches.batch(0)).to(model.scales)


def feed_of(learned: Curated, settings: TrainSettings, workers: Workers) -> Feed:
    """Return the batches of this process: cropped on a GPU that holds all, or made by threads."""
    patches = Patches(learned, settings.patches, rank=workers.rank, world=workers.count)
    if workers.device.type != "cuda":
        return Feed(patches.batch, workers=1, stop=settings.steps)
    free, _ = torch.cuda.mem_get_info(workers.device)
    if learned.bytes < _HELD * free:
        return Feed(Resident(patches, workers.device), workers=0)
    return Feed(patches.batch, workers=2, pin=True, stop=settings.steps)


def _run(
    folder: RunFolder,
    report: TrainReport,
    learned: Curated,
    held_out: Curated,
    settings: TrainSettings,
    workers: Workers,
    board: Any,
    on_step: Callable[[Progress], None],
    on_check: OnCheck,
) -> TrainReport:
    """Train to the end, and leave the model and the report."""
    start, seen = time.monotonic(), [0.0]
    trainer = Trainer(new_model(learned, settings), settings, workers)
    note = note_of(folder, learned, settings)

    def told(progress: Progress) -> None:
        seen[0] = progress.images
        on_step(progress)

    scenes = checked_scenes(held_out, settings.checks.scenes)
    watch = Watch(trainer, folder, scenes, note, on_step=told, on_check=on_check, tensorboard=board)
    watch.resume()
    with feed_of(learned, settings, workers) as feed, board or nullcontext():
        trainer.train(feed, watch)
    workers.wait()
    if workers.first:
        final = note.model_copy(update={"steps": trainer.step})
        save_model(folder.model, trainer.averaged, final)
        judged = judge(trainer.averaged, held_out.examples, side=_JUDGED)
        write_validation(folder, judged)
        report.validation = means(judged)
        report.images_a_second = round(seen[0] * workers.count, 1)
        report.seconds = round(time.monotonic() - start, 1)
        text = json.dumps(report.as_dict(), indent=2) + "\n"
        atomic_write_bytes(folder.path / "report.json", text.encode())
        folder.drop_state()
    workers.wait()
    return report


def note_of(folder: RunFolder, learned: Curated, settings: TrainSettings) -> ModelNote:
    """Return what the models of a run say of themselves, before the first step."""
    return ModelNote(
        name=folder.path.name,
        model=settings.model,
        tasks=tuple(learned.tasks()),
        labels=learned.labels,
        labels_digest=learned.digest,
        steps=0,
    )


def write_validation(folder: RunFolder, judged: pd.DataFrame) -> None:
    """Keep what validation scenes came to: one row a scene."""
    buffer = io.BytesIO()
    judged.to_parquet(buffer, index=False)
    atomic_write_bytes(folder.path / "validation.parquet", buffer.getvalue())


def _report(
    folder: RunFolder, learned: Curated, held_out: Curated, settings: TrainSettings
) -> TrainReport:
    with torch.device("meta"):
        parameters = sum(p.numel() for p in FusionModel(settings.model).parameters())
    return TrainReport(
        folder.path.name,
        str(folder.path),
        settings.model.objective,
        parameters,
        settings.steps,
        {task: len(learned.of_task(task)) for task in learned.tasks()},
        len(held_out),
    )


def _config(
    learned: Curated,
    held_out: Curated,
    settings: TrainSettings,
    exclude: Sequence[str],
) -> dict[str, Any]:
    return {
        "settings": settings.model_dump(mode="json"),
        "data": {
            "labels": learned.labels,
            "policy_digest": learned.policy_digest,
            "train_digest": learned.digest,
            "validation_digest": held_out.digest,
            "exclude": sorted(exclude),
        },
    }


def _finished(folder: RunFolder) -> dict[str, Any] | None:
    """Return the report of a run that has ended, or None."""
    path = folder.path / "report.json"
    if not (path.exists() and folder.model.exists()):
        return None
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _board(path: Path) -> Any:
    """Return a TensorBoard writer.

    Raises
    ------
    UsageError
        When tensorboard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UsageError("--tensorboard needs tensorboard: pip install 'fusionlab[log]'") from None
    return SummaryWriter(str(path / "tensorboard"))

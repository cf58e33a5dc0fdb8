"""What happens beside the steps of a run: log, checks, checkpoints, samples."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from statistics import fmean
from typing import TYPE_CHECKING, Any, TypeAlias

from fusionlab.flow.keeping import ModelNote, save_model
from fusionlab.training.judge import judge, means
from fusionlab.training.samples import write_samples

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusionlab.training.curated import Curated, Example
    from fusionlab.training.loop import Progress, Trainer
    from fusionlab.training.run_folder import RunFolder

#: Told the step, and the measures by task.
OnCheck: TypeAlias = "Callable[[int, dict[str, dict[str, float]]], None]"

#: What decides which check was the best: mean over tasks, the higher the better.
BEST_BY = "PSNR_local"

_CHECKED = ("PSNR", "PSNR_local")


@dataclass
class Watch:
    """Looks at a run after every step; only the first of several processes writes.

    Attributes
    ----------
    scenes : validation examples that the checks look at.
    note : what models of this run say of themselves, but for the steps.
    extra : further state that going on needs.
    on_step, on_check : told of every step that was measured, and of every check by task.
    best : highest mean of `BEST_BY` so far.
    """

    trainer: Trainer
    folder: RunFolder
    scenes: Sequence[Example]
    note: ModelNote
    extra: Callable[[], dict[str, Any]] = dict
    on_step: Callable[[Progress], None] = lambda _: None
    on_check: OnCheck = lambda _step, _found: None
    best: float = field(default=-math.inf, init=False)
    tensorboard: Any = None

    def __call__(self, progress: Progress) -> None:
        """Look at the run after a step."""
        if not self.trainer.workers.first:
            return
        if progress.terms:
            self._log("step", progress.step, {**progress.terms, "rate": progress.rate})
            self.on_step(progress)
        checks = self.trainer.settings.checks
        if checks.samples and progress.step % checks.samples == 0:
            path = self.folder.path / "samples" / f"step-{progress.step:07d}.png"
            write_samples(path, self.trainer.averaged, self.scenes)
        if progress.step % checks.every == 0 or progress.step == self.trainer.steps:
            self.check(progress.step)

    def check(self, step: int) -> None:
        """Judge the mean of the weights, keep it, and save the state."""
        model, checks = self.trainer.averaged, self.trainer.settings.checks
        note = self.note.model_copy(update={"steps": step})
        save_model(self.folder.checkpoint(step), model, note)
        self.folder.prune(checks.keep)
        if self.scenes:
            found = means(judge(model, self.scenes, side=checks.side, measures=_CHECKED))
            reached = fmean(of_task[BEST_BY] for of_task in found.values())
            flat = {f"{t}/{m}": value for t, row in found.items() for m, value in row.items()}
            self._log("check", step, flat)
            if reached > self.best:
                self.best = reached
                save_model(self.folder.best, model, note)
            self.on_check(step, found)
        self.folder.save_state(
            {"trainer": self.trainer.state_dict(), "best": self.best, "extra": self.extra()}
        )

    def resume(self) -> dict[str, Any] | None:
        """Go on where the folder's state ends.

        Returns the further state, or None where there is nothing to go on from.
        """
        state = self.folder.load_state()
        if state is None:
            if self.trainer.workers.first:
                self.folder.rewind(0)
            return None
        self.trainer.load_state_dict(state["trainer"])
        self.best = float(state["best"])
        if self.trainer.workers.first:
            self.folder.rewind(self.trainer.step)
        extra: dict[str, Any] = state["extra"]
        return extra

    def _log(self, kind: str, step: int, values: dict[str, float]) -> None:
        self.folder.log({"kind": kind, "step": step, **values})
        if self.tensorboard is not None:
            for name, value in values.items():
                self.tensorboard.add_scalar(f"{kind}/{name}", value, step)


def checked_scenes(validation: Curated, count: int) -> list[Example]:
    """Return `count` scenes of each task, at most, spread over all of them."""
    found: list[Example] = []
    for task in validation.tasks():
        mine = validation.of_task(task).examples
        step = max(1, len(mine) // count)
        found += mine[::step][:count]
    return found

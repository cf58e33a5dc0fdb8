"""The training loop.

    torchrun --nproc-per-node 2 -m fusionlab train --lab lab --labels first --as run

A step: read a batch, draw times and starts, loss, gradient, AdamW, mean of the weights. All that is
drawn by chance depends on the seed and the number of the step alone, so a run that was stopped goes
on as if it had not been, to the bit on a CPU.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

import torch
from torch.nn.parallel import DistributedDataParallel
from torch.optim.swa_utils import AveragedModel

from fusionlab.errors import ModelError
from fusionlab.training.objective import Objective, draw_step

if TYPE_CHECKING:
    from torch import Tensor

    from fusionlab.flow.batch import Batch
    from fusionlab.flow.loss import Draw
    from fusionlab.flow.model import FusionModel
    from fusionlab.training.distributed import Workers
    from fusionlab.training.settings import OptimiserSettings, TrainSettings

#: A batch by the number of its step, a pure function: `fusionlab.training.patches.Patches.batch`.
Feed = Callable[[int], "Batch"]

#: What is added to the loss, by the model: elastic weight consolidation.
Penalty = Callable[["FusionModel"], "Tensor"]


Tensors = tuple["Tensor", ...] | list["Tensor"]


@dataclass
class Progress:
    """One step that was done.

    Attributes
    ----------
    step, steps : its number, from 1, and how many there are.
    terms : the loss and its terms: mean over the batch, and ``..._t0`` over its patches at t = 0.
        Empty where it was not measured, which makes a GPU wait: see ``checks.log``.
    rate : step size.
    images : patches a second since it was measured last, of this process.
    waiting : share of that time that was spent on getting batches.
    """

    step: int
    steps: int
    terms: dict[str, float]
    rate: float
    images: float
    waiting: float


@dataclass
class Trainer:
    """A model in training.

    Attributes
    ----------
    model : in training; `mean.module` is the mean of its weights, which fuses.
    settings : of the run.
    workers : this process among those of the run.
    steps : how many there are; those of the settings by default.
    penalty : added to the loss of every step.
    seed : of the draws; that of the settings by default.
    """

    model: FusionModel
    settings: TrainSettings
    workers: Workers
    steps: int = 0
    penalty: Penalty | None = None
    seed: int = -1
    step: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        settings, device = self.settings, self.workers.device
        self.steps = self.steps or settings.steps
        self.seed = settings.seed if self.seed < 0 else self.seed
        self.model = self.model.to(device).to(memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.mean = AveragedModel(self.model, multi_avg_fn=_mean_of(settings.optimiser.ema))
        self.mean.n_averaged = self.mean.n_averaged.cpu()  # on a GPU every step would wait for it
        self.optimiser = torch.optim.AdamW(
            self.model.parameters(),
            settings.optimiser.rate * settings.rate_share,
            weight_decay=settings.optimiser.weight_decay,
            fused=device.type == "cuda",
        )
        objective: torch.nn.Module = Objective(self.model, settings.loss)
        if settings.compile:
            objective = torch.compile(objective)  # type: ignore[assignment]
        if self.workers.many:
            ids = [device.index] if device.type == "cuda" else None
            objective = DistributedDataParallel(objective, ids)
        self.objective = objective
        self.parts = settings.optimiser.accumulate
        precise = settings.precision == "float32" or (
            settings.precision == "auto" and device.type != "cuda"
        )
        self.precision = (
            nullcontext() if precise else torch.autocast(device.type, dtype=torch.bfloat16)
        )

    # -- training ---------------------------------------------------------------------------------

    def train(self, feed: Feed, on_step: Callable[[Progress], None], until: int = 0) -> None:
        """Train to the end, or to step `until`.

        Parameters
        ----------
        feed : of this process's part of the batch, by the number of the step, from 0.
        on_step : called after every step.

        Raises
        ------
        ModelError
            When the loss is no number, or one patch is too much for the memory.
        """
        began, waited, seen = time.perf_counter(), 0.0, 0
        while self.step < (until or self.steps):
            asked = time.perf_counter()
            batch = feed(self.step).to(self.workers.device, non_blocking=True)
            waited, seen = waited + time.perf_counter() - asked, seen + len(batch)
            rate = self._set_rate()
            terms = self._gradient(batch)
            torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.optimiser.clip)
            self.optimiser.step()
            self.mean.update_parameters(self.model)
            self.step += 1
            told = self._told(terms) if self.settings.checks.tells(self.step, self.steps) else {}
            took = time.perf_counter() - began
            on_step(Progress(self.step, self.steps, told, rate, seen / took, waited / took))
            if told:
                began, waited, seen = time.perf_counter(), 0.0, 0

    def _gradient(self, batch: Batch) -> dict[str, Tensor]:
        """Leave the gradient of the loss of a batch; in more parts where the memory is short.

        Returns the terms of the loss, (N,) each, and ``t``.
        """
        drawn = self._draw(batch)
        while True:
            try:
                return self._gradient_of_parts(batch, drawn)
            except torch.OutOfMemoryError:
                if self.parts >= len(batch):
                    raise ModelError(
                        f"step {self.step + 1}: one patch of {batch.label.shape[-1]} pixels is too "
                        f"much for {self.workers.device}; set a smaller patch or network"
                    ) from None
                self.parts = min(len(batch), 2 * self.parts)
                torch.cuda.empty_cache()

    def _gradient_of_parts(self, batch: Batch, drawn: Draw) -> dict[str, Tensor]:
        self.optimiser.zero_grad(set_to_none=True)
        found: list[dict[str, Tensor]] = []
        size = -(-len(batch) // self.parts)
        starts = range(0, len(batch), size)
        for first in starts:
            which = slice(first, first + size)
            last = first == starts[-1]
            apart = nullcontext() if last or not self.workers.many else self.objective.no_sync()  # type: ignore[operator]
            with apart, self.precision:
                loss, terms = self.objective(batch.part(which), drawn.part(which))
            part = batch.label[which].shape[0] / len(batch)
            loss = part * loss
            if self.penalty is not None and last:
                loss = loss + self.penalty(self.model)
            loss.backward()
            found.append(terms)
        joined = {name: torch.cat([terms[name] for terms in found]) for name in found[0]}
        return {**joined, "t": drawn.t}

    def _draw(self, batch: Batch) -> Draw:
        first = self.workers.rank * len(batch)
        loss = self.settings.loss
        return draw_step(batch, self.model, loss, self.seed, self.step, first)

    def _told(self, terms: dict[str, Tensor]) -> dict[str, float]:
        """Return means over the batch, and over its patches at t = 0."""
        still = terms.pop("t") == 0
        names = list(terms)
        values = torch.stack([terms[name].float() for name in names])
        every = values.mean(dim=1).tolist()
        at_zero = values[:, still].mean(dim=1).tolist() if bool(still.any()) else None
        found = dict(zip(names, every, strict=True))
        if not all(map(math.isfinite, every)):
            raise ModelError(
                f"step {self.step}: the loss is no number ({found}); the last checkpoint is "
                "kept. Lower the rate or the clip, or use float32"
            )
        if at_zero is not None:
            found |= {f"{name}_t0": v for name, v in zip(names, at_zero, strict=True)}
        return found

    def _set_rate(self) -> float:
        """Set and return the step size of the next step."""
        rate = rate_at(self.step, self.steps, self.settings.optimiser) * self.settings.rate_share
        for group in self.optimiser.param_groups:
            group["lr"] = rate
        return rate

    # -- going on ---------------------------------------------------------------------------------

    def state_dict(self) -> dict[str, Any]:
        """Return all that going on needs."""
        return {
            "step": self.step,
            "model": self.model.state_dict(),
            "mean": self.mean.state_dict(),
            "optimiser": self.optimiser.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned."""
        self.step = int(state["step"])
        self.model.load_state_dict(state["model"])
        self.mean.load_state_dict(state["mean"])
        self.optimiser.load_state_dict(state["optimiser"])

    @property
    def averaged(self) -> FusionModel:
        """Return the model that fuses."""
        return cast("FusionModel", self.mean.module)


def rate_at(step: int, steps: int, settings: OptimiserSettings) -> float:
    """Return the step size of a step, counted from 0: a line up, then half a cosine down."""
    if step < settings.warmup:
        return settings.rate * (step + 1) / settings.warmup
    gone = (step - settings.warmup) / max(1, steps - settings.warmup)
    low = settings.rate * settings.last
    return low + (settings.rate - low) * (1 + math.cos(math.pi * min(1.0, gone))) / 2


def _mean_of(decay: float) -> Callable[[Tensors, Tensors, Tensor | int], None]:
    """Return the update of the mean of the weights; at the beginning it follows them faster."""

    @torch.no_grad()
    def update(means: Tensors, now: Tensors, count: Tensor | int) -> None:
        weight = 1 - min(decay, (1 + int(count)) / (10 + int(count)))
        torch._foreach_lerp_(means, now, weight)

    return update

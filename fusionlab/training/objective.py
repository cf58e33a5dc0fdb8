"""The loss of one step as a module, so that compiling and DistributedDataParallel can wrap it."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import torch
from torch import nn

from fusionlab.flow.loss import Draw, LossSettings, draw, losses, states, total

if TYPE_CHECKING:
    from torch import Tensor

    from fusionlab.flow.batch import Batch
    from fusionlab.flow.model import FusionModel


class Objective(nn.Module):
    """The loss of patches under some draws of time and start."""

    def __init__(self, model: FusionModel, settings: LossSettings) -> None:
        super().__init__()
        self.model, self.settings = model, settings

    def forward(self, batch: Batch, drawn: Draw) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the loss, a mean over patches by weight, and its terms (N,) each, detached."""
        x_t = states(self.model, batch, drawn)
        found = losses(self.model, batch, x_t, drawn.t, drawn.task, self.settings)
        each = total(found, self.settings)
        terms = {name: term.detach() for name, term in {"loss": each, **found}.items()}
        # By the number of patches, not by the sum of weights: parts of a batch then add up.
        return (each * batch.weight).mean(), terms


def draw_step(
    batch: Batch, model: FusionModel, settings: LossSettings, seed: int, step: int, first: int = 0
) -> Draw:
    """Draw for a batch; every patch has a generator of its own, by seed, step and number.

    So the draws do not depend on how a batch is spread over processes and parts.

    Parameters
    ----------
    first : number of the first patch within the whole batch of the step.
    """
    numbers = range(first, first + len(batch))
    seeds = [_seed(seed, step, number) for number in numbers]
    return draw(batch, model, settings, [torch.Generator().manual_seed(s) for s in seeds])


def _seed(*keys: int) -> int:
    return int.from_bytes(hashlib.blake2b(repr(keys).encode(), digest_size=7).digest())

"""Patches as the network sees them, and the ids of the tasks.

Luminances are in -1..1: ``x = level / 127.5 - 1`` of a level in 0..255.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import torch

from fusionlab.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

#: Task -> its id in the network; 0, of the empty name, says that the task is not known.
TASK_IDS = {"": 0, **{key: number for number, key in enumerate(TASKS, start=1)}}


@dataclass(frozen=True)
class Batch:
    """Patches of labels and their sources.

    Attributes
    ----------
    label, a, b : (N, 1, h, w) float32, luminances in -1..1.
    task : (N,) int64, of `TASK_IDS`.
    weight : (N,) float32, how much each patch counts.
    """

    label: Tensor
    a: Tensor
    b: Tensor
    task: Tensor
    weight: Tensor

    def __len__(self) -> int:
        return int(self.label.shape[0])

    def to(self, device: torch.device | str, non_blocking: bool = False) -> Batch:
        """Return the same patches on another device."""
        return Batch(*(t.to(device, non_blocking=non_blocking) for t in self.tensors()))

    def part(self, which: slice) -> Batch:
        """Return some of the patches."""
        return Batch(*(t[which] for t in self.tensors()))

    def tensors(self) -> tuple[Tensor, ...]:
        """Return the five tensors, in the order of the fields."""
        return tuple(getattr(self, field.name) for field in fields(self))

    @staticmethod
    def join(batches: Sequence[Batch]) -> Batch:
        """Return the patches of several batches, of one size, in one."""
        return Batch(*(torch.cat(t) for t in zip(*(b.tensors() for b in batches), strict=True)))

"""One process or several: what torchrun says."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import distributed

from fusionlab.devices import choose_device

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Workers:
    """A process among those of a run.

    Attributes
    ----------
    rank : its number, from 0; number 0 writes.
    count : of processes.
    """

    device: torch.device
    rank: int = 0
    count: int = 1

    @property
    def many(self) -> bool:
        """Tell whether there are others."""
        return self.count > 1

    @property
    def first(self) -> bool:
        """Tell whether it is the one that writes."""
        return self.rank == 0

    def wait(self) -> None:
        """Wait until all are here."""
        if self.many:
            distributed.barrier()


@contextmanager
def joined(device: str) -> Iterator[Workers]:
    """Join the processes that torchrun started, if it did, and leave them at the end."""
    count = int(os.environ.get("WORLD_SIZE", "1"))
    chosen = choose_device(device)
    if count == 1:
        yield Workers(chosen)
        return
    if chosen.type == "cuda":
        chosen = torch.device("cuda", int(os.environ["LOCAL_RANK"]))
        torch.cuda.set_device(chosen)
    distributed.init_process_group("nccl" if chosen.type == "cuda" else "gloo")
    try:
        yield Workers(chosen, distributed.get_rank(), count)
    finally:
        distributed.destroy_process_group()

"""Batches in time: threads that are ahead of the training, or pixels that lie on its device."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Self

import numpy as np
import torch

from fusionlab.flow.batch import Batch
from fusionlab.training.curated import SCALE

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from concurrent.futures import Future

    from fusionlab.training.patches import Cuts, Patches

#: Batches that each thread is ahead.
_AHEAD = 2


class Feed:
    """Batches made ahead by threads; which batch a step gets does not depend on their number.

    Steps are best asked for one after the other; any other one is made when it is asked for, and
    those after it are then made ahead. What goes wrong in a thread is raised for the step that it
    belongs to.

    Parameters
    ----------
    make : returns the batch of a step, for example `Patches.batch`; called from the threads.
    workers : threads; 0 makes each batch when it is asked for.
    pin : whether batches are put into memory that a GPU reads from directly.
    stop : the first step that is not made ahead; None where there is no end.
    """

    def __init__(
        self,
        make: Callable[[int], Batch],
        *,
        workers: int = 1,
        pin: bool = False,
        stop: int | None = None,
    ) -> None:
        self._make, self._pin, self._stop = make, pin, stop
        self._ahead = _AHEAD * workers
        self._threads = ThreadPoolExecutor(workers, "feed") if workers else None
        self._waiting: dict[int, Future[Batch]] = {}

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step."""
        if self._threads is None:
            return self._made(step)
        if step not in self._waiting:
            self._drop(self._waiting)
            self._waiting[step] = self._threads.submit(self._made, step)
        found = self._waiting.pop(step)
        self._drop([other for other in self._waiting if other < step])
        last = step + self._ahead + 1
        for coming in range(step + 1, last if self._stop is None else min(last, self._stop)):
            if coming not in self._waiting:
                self._waiting[coming] = self._threads.submit(self._made, coming)
        return found.result()

    def close(self) -> None:
        """Stop the threads; batches that were made ahead are dropped."""
        self._drop(self._waiting)
        if self._threads is not None:
            self._threads.shutdown(cancel_futures=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _drop(self, steps: Iterable[int]) -> None:
        for step in list(steps):
            self._waiting.pop(step).cancel()

    def _made(self, step: int) -> Batch:
        batch = self._make(step)
        return Batch(*(t.pin_memory() for t in batch.tensors())) if self._pin else batch


class Resident:
    """Batches cropped on a device that holds all pixels: those of `Patches.batch`, bit by bit.

    A patch, flipped and turned as it may be, is an affine map from its pixels to places in memory:
    start + i * step_i + j * step_j. So a batch is one gather.

    Parameters
    ----------
    patches : what to crop; its pixels are copied to `device` as they are, 6 bytes a pixel.
    device : of torch.
    """

    def __init__(self, patches: Patches, device: torch.device | str) -> None:
        self.patches, self.device = patches, torch.device(device)
        sizes = np.array([planes.shape[1:] for planes in patches.planes])
        self._width, self._area = sizes[:, 1], sizes.prod(axis=1)
        self._first = np.concatenate([[0], np.cumsum(3 * self._area)[:-1]])
        held = torch.empty(int(3 * self._area.sum()), dtype=torch.int16, device=self.device)
        for first, planes in zip(self._first.tolist(), patches.planes, strict=True):
            flat = torch.from_numpy(np.ascontiguousarray(planes).reshape(-1).view(np.int16))
            held[first : first + flat.numel()] = flat.to(self.device)
        self._held = held
        self._scale = torch.tensor(SCALE, device=self.device)

    def __call__(self, step: int) -> Batch:
        """Return the batch of a step."""
        cuts = self.patches.cuts(step)
        start, step_i, step_j = (torch.from_numpy(a).to(self.device) for a in self._map(cuts))
        side = torch.arange(self.patches.settings.patch, device=self.device)
        places = start[:, :, None, None] + step_i[None, :, None, None] * side[:, None]
        places = places + step_j[None, :, None, None] * side
        levels = self._held[places].to(torch.int32) & 0xFFFF  # the bits of uint16
        # A tensor as divisor: by a number a GPU would multiply with the rounded reciprocal.
        return self.patches.labelled(cuts, levels.to(torch.float32) / self._scale - 1)

    def _map(self, cuts: Cuts) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Return where patches start, (3, N), and the steps (N,) along their rows and columns."""
        width, area = self._width[cuts.example], self._area[cuts.example]
        last = self.patches.settings.patch - 1
        down, right = np.where(cuts.flip_y, -width, width), np.where(cuts.flip_x, -1, 1)
        y, x = cuts.y + last * cuts.flip_y, cuts.x + last * cuts.flip_x
        plane = np.array([[0], [1], [2]])
        plane = np.where(cuts.swap, (3 - plane) % 3, plane)  # label, b, a
        start = self._first[cuts.example] + plane * area + y * width + x
        turned = cuts.transpose
        return start, np.where(turned, right, down), np.where(turned, down, right)

"""What is kept of a task when the next one begins, from the labels that it was learned from."""

from __future__ import annotations

import hashlib
from itertools import product
from typing import TYPE_CHECKING, cast

from safetensors.torch import load, save

from fusionlab.atomic import atomic_write_bytes
from fusionlab.continual.ewc import fisher, shaped
from fusionlab.continual.replay import Patch
from fusionlab.cropping import at_least
from fusionlab.flow.batch import Batch
from fusionlab.flow.loss import losses, states, total
from fusionlab.images import join_digests
from fusionlab.training.objective import draw_step
from fusionlab.training.patches import Patches

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor, nn

    from fusionlab.continual.ewc import EwcSettings, Loss
    from fusionlab.flow.loss import LossSettings
    from fusionlab.flow.model import FusionModel
    from fusionlab.training.curated import Curated
    from fusionlab.training.settings import TrainSettings

#: Added to the seed of a stage, so that its Fisher is of patches drawn anew.
_APART = 1_000_003


def offered(curated: Curated, side: int) -> list[Patch]:
    """Return patches, views of pixels, that cover all examples; the last ones may overlap."""
    found = []
    for example in curated.examples:
        planes = at_least(example.planes, side)
        ys, xs = ([*range(0, n - side, side), n - side] for n in planes.shape[1:])
        digest = join_digests(list(example.digests))
        for y, x in product(ys, xs):
            patch = planes[:, y : y + side, x : x + side]
            found.append(Patch(example.place, y, x, patch, example.weight, digest))
    return found


def importance_of(
    model: FusionModel, curated: Curated, train: TrainSettings, settings: EwcSettings, folder: Path
) -> Tensor:
    """Return F of the training loss, shaped; what was worked out before is read from `folder`.

    The expectation is over `settings.patches` patches, drawn as in training, each with
    `settings.times` draws of t and x_0, drawn as in training too: t = 0 for the share ``still``.
    """
    what = repr((train.loss, train.patches, settings.patches, settings.times, curated.digest))
    path = folder / f"fisher-{hashlib.sha256(what.encode()).hexdigest()[:16]}.safetensors"
    if not path.exists():
        drawn = samples(model, curated, train, settings)
        found = fisher(model, flow_loss(train.loss), drawn, settings.chunk)
        atomic_write_bytes(path, save({"fisher": found.cpu().contiguous()}))
    importance = load(path.read_bytes())["fisher"].to(next(model.parameters()).device)
    return shaped(importance, settings)


def samples(
    model: FusionModel, curated: Curated, train: TrainSettings, settings: EwcSettings
) -> Iterator[tuple[Tensor, ...]]:
    """Yield samples as `flow_loss` takes them, `settings.chunk` or fewer at a time."""
    seed, device = train.seed + _APART, next(model.parameters()).device
    chosen = train.patches.model_copy(update={"batch": settings.patches, "seed": seed})
    batch = Patches(curated, chosen).batch(0).to(device)
    for time in range(settings.times):
        for first in range(0, len(batch), settings.chunk):
            part = batch.part(slice(first, first + settings.chunk))
            drawn = draw_step(part, model, train.loss, seed, time, first)
            x_t = states(model, part, drawn)
            yield (*part.tensors(), x_t, drawn.t, drawn.task)


def flow_loss(settings: LossSettings) -> Loss:
    """Return the loss (N,) of samples: the tensors of a batch, x_t, t and the task that is told."""

    def loss(net: nn.Module, found: tuple[Tensor, ...]) -> Tensor:
        batch, (x_t, t, task) = Batch(*found[:5]), found[5:]
        terms = losses(cast("FusionModel", net), batch, x_t, t, task, settings)
        return batch.weight * total(terms, settings)

    return loss

r"""The loss of the flow.

.. math:: L = \frac{|\hat x_1 - x_1|^2}{V} + w_g \frac{|\nabla (\hat x_1 - x_1)|}{G}
              + w_s (1 - \text{SSIM}(\hat x_1, x_1)) + w_d \, \big|\, |\nabla \hat x_1| -
              \max(|\nabla a|, |\nabla b|) \,\big| + w_i |\hat x_1 - \max(a, b)|

all of them means over pixels. The last one is for infrared-visible and medical patches, and off
unless asked for: labels have a brightness of their own. For a path :math:`x_t` with a known
:math:`x_0` the first term is the flow matching loss :math:`|u - v|^2`, as
:math:`u - v = \hat x_1 - x_1`. V and G are the mean of :math:`|v|^2` and of :math:`|\nabla v|`,
over the labels of the task (``relative: task``), over the patch, or 1: multi-focus pairs differ by
little, and without V nothing is learned of them.

Times: t = 0 for the share `still`, else uniform. With x_0 from the sources the state gives the
answer away for t > 0 (see `fusionlab.flow.path`), and fusing starts at t = 0: so the loss at t = 0
is reported apart. For the share `own` of the rest the state is on the way to what the network
itself predicts at t = 0, as it is when fusing in several steps; there nothing leaks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field
from torch.nn import functional

from fusionlab.configs import Config
from fusionlab.flow.batch import TASK_IDS
from fusionlab.flow.path import between

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from fusionlab.flow.batch import Batch
    from fusionlab.flow.model import FusionModel

#: Least V and G of a patch, in units of the luminance, whose range is 2.
_LEAST = (1e-3, 0.02)
_SSIM_SIDE = 7

#: Tasks whose fused image shows the brighter of the sources.
_BRIGHTER = [TASK_IDS["ivf"], TASK_IDS["mif"]]

#: Terms that have a weight of their own.
_WEIGHTED = ("gradient", "ssim", "detail", "intensity")
_C1, _C2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2

Share = Annotated[float, Field(ge=0, le=1)]
Weight = Annotated[float, Field(ge=0)]


class LossSettings(Config):
    """What the loss is made of.

    Attributes
    ----------
    relative : what the errors are divided by.
    gradient, ssim, detail, intensity : weights w_g, w_s, w_d, w_i.
    still : share of the patches with t = 0.
    own : of the others, share whose state leads to the network's own prediction.
    unknown : share of the patches whose task is not told, so that an unknown one can be fused.
    """

    relative: Literal["task", "sample", "none"] = "task"
    gradient: Weight = 0.5
    ssim: Weight = 0.05
    detail: Weight = 0.1
    intensity: Weight = 0.0
    still: Share = 0.5
    own: Share = 0.5
    unknown: Share = 0.1


@dataclass(frozen=True)
class Draw:
    """All that is drawn by chance for a batch.

    Attributes
    ----------
    t : (N,) times.
    x_0 : (N, 1, h, w).
    own : (N,) bool on the CPU, whose state leads to the network's own prediction: how many these
        are must be known without waiting for a GPU.
    task : (N,) int64, the task as the network is told it.
    """

    t: Tensor
    x_0: Tensor
    own: Tensor
    task: Tensor

    def part(self, which: slice) -> Draw:
        """Return some of the draws."""
        return Draw(*(v[which] for v in self.tensors()))

    def tensors(self) -> tuple[Tensor, ...]:
        """Return the four tensors, in the order of the fields."""
        return self.t, self.x_0, self.own, self.task


def draw(
    batch: Batch, model: FusionModel, settings: LossSettings, generators: Sequence[torch.Generator]
) -> Draw:
    """Draw times and starts for a batch.

    Parameters
    ----------
    generators : on the CPU, one a patch, so that a patch gets the same in whatever batch it is.
    """
    device = batch.label.device
    chance = torch.stack([torch.rand(4, generator=g) for g in generators]).unbind(1)
    flows = model.settings.objective != "regression"
    moves = chance[0] >= (settings.still if flows else 1.0)
    return Draw(
        (moves * chance[1]).to(device),
        model.start(batch.a, batch.b, generators),
        moves & (chance[2] < settings.own),
        torch.where((chance[3] < settings.unknown).to(device), 0, batch.task),
    )


def states(model: FusionModel, batch: Batch, drawn: Draw) -> Tensor:
    """Return x_t (N, 1, h, w): on the way to the label, or to what the network predicts itself."""
    x_1 = batch.label
    if bool(drawn.own.any()):
        which = drawn.own.nonzero()[:, 0].to(batch.label.device)
        with torch.no_grad():
            zero = torch.zeros_like(drawn.t[which])
            guess = model.predict(
                drawn.x_0[which], batch.a[which], batch.b[which], zero, drawn.task[which]
            )
        x_1 = x_1.index_copy(0, which, guess.to(x_1.dtype))
    return between(drawn.x_0, x_1, drawn.t)


def losses(
    model: FusionModel,
    batch: Batch,
    x_t: Tensor,
    t: Tensor,
    task: Tensor,
    settings: LossSettings,
) -> dict[str, Tensor]:
    """Return the terms of the loss by name, unweighted, (N,) each.

    Parameters
    ----------
    x_t : what `states` returns for `t`.
    task : as the network is told it; V and G are those of the task in `batch`.
    """
    x_1 = model.predict(x_t, batch.a, batch.b, t, task).to(batch.label.dtype)
    error = x_1 - batch.label
    value, slope = _scales(model, batch, settings)
    found = {"value": _mean(error.square()) / value}
    if settings.gradient:
        found["gradient"] = _magnitude(error) / slope
    if settings.ssim:
        found["ssim"] = 1 - _ssim(x_1, batch.label)
    if settings.detail:
        wanted = torch.maximum(_slopes(batch.a), _slopes(batch.b))
        found["detail"] = _mean((_slopes(x_1) - wanted).abs())
    if settings.intensity:
        brighter = torch.isin(batch.task, torch.tensor(_BRIGHTER, device=batch.task.device))
        found["intensity"] = brighter * _mean((x_1 - torch.maximum(batch.a, batch.b)).abs())
    return found


def total(found: dict[str, Tensor], settings: LossSettings) -> Tensor:
    """Return the loss of each patch (N,)."""
    weights = {"value": 1.0, **{k: getattr(settings, k) for k in _WEIGHTED}}
    return torch.stack([weights[name] * term for name, term in found.items()]).sum(dim=0)


def scales_of(batch: Batch) -> Tensor:
    """Return V and G of the patches of one batch, (2,)."""
    v = batch.label - (batch.a + batch.b) / 2
    found = torch.stack([_mean(v.square()).mean(), _magnitude(v).mean()])
    return found.clamp(min=torch.tensor(_LEAST).to(found) / 10)


def _scales(model: FusionModel, batch: Batch, settings: LossSettings) -> tuple[Tensor, Tensor]:
    """Return what value and gradient are divided by, (N,) each."""
    if settings.relative == "task":
        found = model.scales[batch.task]
        return found[:, 0], found[:, 1]
    if settings.relative == "none":
        one = torch.ones_like(batch.weight)
        return one, one
    v = batch.label - (batch.a + batch.b) / 2
    return _mean(v.square()) + _LEAST[0], _magnitude(v) + _LEAST[1]


def _mean(planes: Tensor) -> Tensor:
    return planes.mean(dim=(1, 2, 3))


def _differences(planes: Tensor) -> tuple[Tensor, Tensor]:
    """Return forward differences down and right, both (N, 1, h - 1, w - 1)."""
    corner = planes[:, :, :-1, :-1]
    return planes[:, :, 1:, :-1] - corner, planes[:, :, :-1, 1:] - corner


def _magnitude(planes: Tensor) -> Tensor:
    """Return the mean of |down| + |right| of each patch, (N,)."""
    down, right = _differences(planes)
    return _mean(down.abs()) + _mean(right.abs())


def _slopes(planes: Tensor) -> Tensor:
    down, right = _differences(planes)
    return down.abs() + right.abs()


def _ssim(x: Tensor, y: Tensor) -> Tensor:
    """Return SSIM over means of 7 x 7 pixels of each patch, (N,); the range is 2."""

    def box(plane: Tensor) -> Tensor:
        return functional.avg_pool2d(plane, min(_SSIM_SIDE, *plane.shape[2:]), 1)

    mean_x, mean_y = box(x), box(y)
    var_x, var_y = box(x * x) - mean_x**2, box(y * y) - mean_y**2
    cov = box(x * y) - mean_x * mean_y
    found = (2 * mean_x * mean_y + _C1) * (2 * cov + _C2)
    return _mean(found / ((mean_x**2 + mean_y**2 + _C1) * (var_x + var_y + _C2)))

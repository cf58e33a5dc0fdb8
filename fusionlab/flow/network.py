r"""A light U-Net that predicts the fused image.

Its input, at full size: the sources, the state :math:`x_t` and the local contrasts of the sources
(`fusionlab.flow.contrast`). Pixels of 2 x 2 go into channels at once (`fold`), so that the U-Net
works on a quarter of the places; a last part at full size puts the finest detail right. Residual
blocks are modulated by time and task (FiLM, Perez et al., AAAI 2018). There is nothing in it that
looks at the whole image, so an image may be cut into tiles.

The head has two channels, the gate g and the residual r:

.. math:: \hat x_1 = \frac{a + b}{2} + g \frac{a - b}{2} + r, \quad
          g = \max(-1, \min(1, 1.1 \tanh s))

g = 1 gives *a* exactly, g = -1 gives *b*, |a - b| / 2 the maximum.
"""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Annotated

import torch
from pydantic import Field
from torch import nn
from torch.nn import functional

from fusionlab.configs import Config
from fusionlab.flow.batch import TASK_IDS
from fusionlab.flow.contrast import contrasts

if TYPE_CHECKING:
    from torch import Tensor

#: A gate saturates at a finite s, so that copying a source needs no infinite weights.
_OVER = 1.1
_FREQUENCIES = 8
_CONDITION = 64
_HEAD = 16

Sides = tuple[Annotated[int, Field(ge=3, multiple_of=1)], ...]


class NetworkSettings(Config):
    """Size and inputs of the network.

    Attributes
    ----------
    widths : channels on each level, the finest first.
    blocks : residual blocks on each level, on the way down and again on the way up.
    fold : side of the squares of pixels that go into channels: 1 or 2.
    contrast : sides of the boxes of the local contrasts, odd; none leaves them out.
    gate : whether the head has a gate, or the residual alone.
    task : whether the task is an input.
    """

    widths: tuple[Annotated[int, Field(ge=4)], ...] = (48, 80, 128)
    blocks: Annotated[int, Field(ge=1)] = 2
    fold: Annotated[int, Field(ge=1, le=2)] = 2
    contrast: Sides = (5, 11, 31)
    gate: bool = True
    task: bool = True

    @property
    def stride(self) -> int:
        """Return the side of the squares of pixels that are one place of the coarsest level."""
        return int(self.fold * 2 ** (len(self.widths) - 1))

    @property
    def reach(self) -> int:
        """Return how far a pixel that the output at a pixel depends on can be, along an axis."""
        scales = [int(self.fold * 2**level) for level in range(len(self.widths))]
        convolutions = sum(scale * 4 * self.blocks for scale in scales[:-1]) + scales[0]
        coarsest = scales[-1] * 2 * self.blocks
        return convolutions + coarsest + self.stride + 2 + 1 + max(self.contrast, default=1) // 2


class Block(nn.Module):
    """Two convolutions beside a short cut, the first one modulated by time and task."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.film = nn.Linear(_CONDITION, 2 * channels)
        nn.init.zeros_(self.film.weight)
        nn.init.zeros_(self.film.bias)
        nn.init.zeros_(self.second.weight)
        nn.init.zeros_(_bias(self.second))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return features (N, C, H, W) of features of that shape and a condition (N, 64)."""
        scale, shift = self.film(condition)[:, :, None, None].chunk(2, dim=1)
        hidden = self.first(functional.silu(x)) * (1 + scale) + shift
        added: Tensor = self.second(functional.silu(hidden))
        return x + added


class Level(nn.Module):
    """The blocks of one level, in a row."""

    def __init__(self, channels: int, blocks: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(Block(channels) for _ in range(blocks))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return features of the same shape."""
        for block in self.blocks:
            x = block(x, condition)
        return x


class Network(nn.Module):
    """Predicts x_1 from the state, the sources, time and task.

    Attributes
    ----------
    settings : what it was built by.
    """

    def __init__(self, settings: NetworkSettings) -> None:
        super().__init__()
        self.settings = settings
        widths, fold = settings.widths, settings.fold
        inputs = 3 + len(settings.contrast)
        self.time = nn.Sequential(
            nn.Linear(2 * _FREQUENCIES, _CONDITION), nn.SiLU(), nn.Linear(_CONDITION, _CONDITION)
        )
        self.task = nn.Embedding(len(TASK_IDS), _CONDITION) if settings.task else None
        self.stem = nn.Conv2d(inputs * fold**2, widths[0], 3, padding=1)
        self.down = nn.ModuleList(Level(width, settings.blocks) for width in widths)
        self.shrink = nn.ModuleList(
            nn.Conv2d(fine, coarse, 2, stride=2) for fine, coarse in _pairs(widths)
        )
        self.grow = nn.ModuleList(
            nn.ConvTranspose2d(coarse, fine, 2, stride=2) for fine, coarse in _pairs(widths)
        )
        self.up = nn.ModuleList(Level(width, settings.blocks) for width in widths[:-1])
        self.unfold = nn.Conv2d(widths[0], _HEAD * fold**2, 1)
        self.mix = nn.Conv2d(_HEAD + inputs, _HEAD, 3, padding=1)
        self.head = nn.Conv2d(_HEAD, 2 if settings.gate else 1, 3, padding=1)
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(_bias(self.head))

    def forward(self, x_t: Tensor, a: Tensor, b: Tensor, t: Tensor, task: Tensor) -> Tensor:
        """Return the predicted x_1, (N, 1, H, W), not clipped.

        Parameters
        ----------
        x_t, a, b : (N, 1, H, W) in -1..1, of any height and width.
        t : (N,) in 0..1.
        task : (N,) int64, of `TASK_IDS`.
        """
        planes = torch.cat([a, b, x_t, *self._contrasts(a, b)], dim=1)
        height, width = planes.shape[2:]
        stride = self.settings.stride
        missing = (0, -width % stride, 0, -height % stride)
        if any(missing):
            planes = functional.pad(planes, missing, mode="replicate")
        out = self._head(planes, self._condition(t, task))[:, :, :height, :width]
        middle, half = (a + b) / 2, (a - b) / 2
        if not self.settings.gate:
            return middle + out
        gate = (_OVER * torch.tanh(out[:, :1])).clamp(-1, 1)
        return middle + gate * half + out[:, 1:]

    def _contrasts(self, a: Tensor, b: Tensor) -> list[Tensor]:
        sides = self.settings.contrast
        return [contrasts(a, b, sides)] if sides else []

    def _condition(self, t: Tensor, task: Tensor) -> Tensor:
        frequencies = math.pi * 2.0 ** torch.arange(_FREQUENCIES, device=t.device) / 2
        angles = t[:, None] * frequencies.to(t.dtype)
        found: Tensor = self.time(torch.cat([angles.sin(), angles.cos()], dim=1))
        if self.task is not None:
            found = found + self.task(task)
        return functional.silu(found)

    def _head(self, planes: Tensor, condition: Tensor) -> Tensor:
        """Return gate and residual before the gate's bound, of planes of a fitting size."""
        fold = self.settings.fold
        x = self.stem(functional.pixel_unshuffle(planes, fold) if fold > 1 else planes)
        passed = []
        for level, shrink in zip(self.down, self.shrink, strict=False):
            x = level(x, condition)
            passed.append(x)
            x = shrink(x)
        x = self.down[-1](x, condition)
        for level, grow, skip in zip(
            reversed(self.up), reversed(self.grow), reversed(passed), strict=True
        ):
            x = level(grow(x) + skip, condition)
        x = self.unfold(functional.silu(x))
        fine = functional.pixel_shuffle(x, fold) if fold > 1 else x
        found: Tensor = self.head(functional.silu(self.mix(torch.cat([fine, planes], dim=1))))
        return found


def _pairs(widths: tuple[int, ...]) -> list[tuple[int, int]]:
    return list(itertools.pairwise(widths))


def _bias(layer: nn.Conv2d) -> Tensor:
    assert layer.bias is not None
    return layer.bias

r"""Networks that take a fused image apart into its two sources and put it together again.

.. math:: R_k = P_k(F), \quad F' = A(R_1, R_2), \quad k = 1, 2

P_k: the probe of source k; A: the assembler; R_k: what the fused image tells of source k. Before
the assembler, the booster adds to each R_k what it lacks of its source. It has no parameters:

.. math:: R'_k = R_k + S_k - B_7 * R_k

B_7: mean over 7 x 7 pixels. So R'_k is the source, and on top of it the fine structure of R_k.

All convolutions are 3 x 3 with reflected borders; every output of a network is
``tanh(x) / 2 + 0.5`` and so within 0..1. (Cheng, Xu, Wu, Li, Li and Kittler, "FusionBooster: a
unified image fusion boosting paradigm", International Journal of Computer Vision, 2025, arXiv
2305.05970.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, pad

if TYPE_CHECKING:
    from torch import Tensor

#: Side of the booster's mean, in pixels.
BOX = 7

#: Pixels from which a pixel of the assembler's output can depend on the fused image or a source.
REACH = 4 + BOX // 2 + 4

#: Least side of an image: the booster reflects this many pixels less one.
MIN_SIDE = BOX // 2 + 1


class Probe(nn.Module):
    """Predict one source from the fused image: 1-16-32-16-1 channels, 9,569 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            *_layer(1, 16), *_layer(16, 32), *_layer(32, 16), _convolution(16, 1)
        )

    def forward(self, fused: Tensor) -> Tensor:
        """Return R_k, (N, 1, H, W) in 0..1, of fused images of that shape and range."""
        return _to_unit(self.layers(fused))


class Assembler(nn.Module):
    """Rebuild the fused image from both predictions: 1-32 each, 64-32-16-1; 23,873 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Sequential(*_layer(1, 32))
        self.second = nn.Sequential(*_layer(1, 32))
        self.joint = nn.Sequential(*_layer(64, 32), *_layer(32, 16), _convolution(16, 1))

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        """Return the fused image, (N, 1, H, W) in 0..1, of two components of that shape."""
        return _to_unit(self.joint(torch.cat([self.first(first), self.second(second)], dim=1)))


class Probes(nn.Module):
    """Both probes and the assembler of one task: 43,011 parameters."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second, self.assembler = Probe(), Probe(), Assembler()

    def explain(self, fused: Tensor) -> Tensor:
        """Return R_1 and R_2 as (N, 2, H, W) of fused images (N, 1, H, W); all in 0..1."""
        return torch.cat([self.first(fused), self.second(fused)], dim=1)

    def assemble(self, components: Tensor) -> Tensor:
        """Return A(R_1, R_2), (N, 1, H, W), of components (N, 2, H, W)."""
        rebuilt: Tensor = self.assembler(components[:, :1], components[:, 1:])
        return rebuilt

    def forward(self, fused: Tensor) -> Tensor:
        """Return A(P_1(F), P_2(F)), (N, 1, H, W)."""
        return self.assemble(self.explain(fused))


def boost(components: Tensor, sources: Tensor) -> Tensor:
    """Return ``R' = R + S - B_7 * R``, borders reflected.

    Parameters
    ----------
    components, sources : (N, C, H, W), each side at least `MIN_SIDE`.
    """
    half = BOX // 2
    reflected = pad(components, (half, half, half, half), mode="reflect")
    return components + sources - avg_pool2d(reflected, BOX, stride=1)


def _convolution(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, padding_mode="reflect")


def _layer(inputs: int, outputs: int) -> tuple[nn.Module, nn.Module]:
    """Return a layer whose weights start so that signals keep their size (He et al., 2015)."""
    convolution = _convolution(inputs, outputs)
    nn.init.kaiming_normal_(convolution.weight, nonlinearity="relu")
    return convolution, nn.ReLU()


def _to_unit(x: Tensor) -> Tensor:
    return torch.tanh(x) / 2 + 0.5

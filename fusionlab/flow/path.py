r"""The path from the sources to the fused image.

.. math:: x_t = (1 - t) x_0 + t x_1, \quad v = \frac{dx_t}{dt} = x_1 - x_0

:math:`x_1` is the luminance of the pseudo-label, :math:`x_0` is made of the sources *a* and *b*:
their mean or maximum, either of them, with normal noise of standard deviation `sigma` added, or
noise alone, which is the usual flow and here a control (Lipman et al., Flow Matching for Generative
Modeling, ICLR 2023; Liu et al., Flow Straight and Fast, ICLR 2023).

Where :math:`x_0` is a function of the sources, :math:`x_t` gives the answer away for every
:math:`t > 0`: it is :math:`x_0 + (x_t - x_0) / t`. A low loss there says nothing; see
`fusionlab.flow.loss`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import torch

if TYPE_CHECKING:
    from torch import Tensor

Start = Literal["mean", "max", "a", "b", "noise"]


def start_of(a: Tensor, b: Tensor, start: Start, noise: Tensor | None = None) -> Tensor:
    """Return x_0 of sources (N, 1, H, W) in -1..1.

    Parameters
    ----------
    noise : (N, 1, H, W), of the standard deviation that is wanted; it is added, and of ``noise`` it
        is all there is.
    """
    match start:
        case "mean":
            x_0 = (a + b) / 2
        case "max":
            x_0 = torch.maximum(a, b)
        case "a":
            x_0 = a
        case "b":
            x_0 = b
        case "noise":
            x_0 = torch.zeros_like(a)
    return x_0 if noise is None else x_0 + noise


def between(x_0: Tensor, x_1: Tensor, t: Tensor) -> Tensor:
    """Return x_t for times (N,) in 0..1."""
    t = per_image(t)
    return (1 - t) * x_0 + t * x_1


def per_image(values: Tensor) -> Tensor:
    """Return (N,) as (N, 1, 1, 1)."""
    return values.reshape(-1, 1, 1, 1)

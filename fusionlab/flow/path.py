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


def start_of(
    a: Tensor, b: Tensor, start: Start, sigma: float = 0.0, generator: torch.Generator | None = None
) -> Tensor:
    """Return x_0 of sources (N, 1, H, W) in -1..1.

    Parameters
    ----------
    sigma : of the noise that is added, in units of the luminance; of ``noise`` it is always 1.
    generator : of the noise, on the CPU, so that every device gets the same.
    """
    if start == "noise":
        return _noise(a, generator)
    x_0 = {
        "mean": lambda: (a + b) / 2,
        "max": lambda: torch.maximum(a, b),
        "a": lambda: a,
        "b": lambda: b,
    }[start]()
    return x_0 + sigma * _noise(a, generator) if sigma > 0 else x_0


def between(x_0: Tensor, x_1: Tensor, t: Tensor) -> Tensor:
    """Return x_t for times (N,) in 0..1."""
    t = per_image(t)
    return (1 - t) * x_0 + t * x_1


def per_image(values: Tensor) -> Tensor:
    """Return (N,) as (N, 1, 1, 1)."""
    return values.reshape(-1, 1, 1, 1)


def _noise(like: Tensor, generator: torch.Generator | None) -> Tensor:
    return torch.randn(like.shape, generator=generator).to(like)

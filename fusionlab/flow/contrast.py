r"""Which source is sharper, place by place: inputs of the network beside the sources.

.. math:: C_n = \frac{S_n(a) - S_n(b)}{S_n(a) + S_n(b) + \epsilon}, \quad
          S_n(s) = \text{box}_n * |\nabla^2 s|

-1..1 each; `box_n` is a mean over n x n pixels. At the border the mean is over the pixels there
are, and the image goes on as its own edge. A small network finds such ratios hard to learn: they
are quotients of sums of magnitudes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

#: Keeps the ratio of two flat places at 0; in units of the luminance, whose range is 2.
_EPSILON = 0.01

_LAPLACIAN = ((0.0, 1.0, 0.0), (1.0, -4.0, 1.0), (0.0, 1.0, 0.0))


def contrasts(a: Tensor, b: Tensor, sides: Sequence[int]) -> Tensor:
    """Return C_n of sources (N, 1, H, W) in -1..1, for odd n: (N, len(sides), H, W)."""
    of_a, of_b = _detail(a), _detail(b)
    means = ((_box(of_a, side), _box(of_b, side)) for side in sides)
    return torch.cat([(s - u) / (s + u + _EPSILON) for s, u in means], dim=1)


def _detail(plane: Tensor) -> Tensor:
    kernel = torch.tensor(_LAPLACIAN, dtype=plane.dtype, device=plane.device)[None, None]
    padded = functional.pad(plane, (1, 1, 1, 1), mode="replicate")
    return functional.conv2d(padded, kernel).abs()


def _box(plane: Tensor, side: int) -> Tensor:
    """Return the mean over side x side pixels, first along columns, then along rows."""
    for kernel in ((side, 1), (1, side)):
        half = (kernel[0] // 2, kernel[1] // 2)
        plane = functional.avg_pool2d(plane, kernel, 1, half, count_include_pad=False)
    return plane

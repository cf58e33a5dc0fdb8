r"""Contrast pyramid fusion, also called the ratio of low-pass pyramid.

.. math:: R_l = \frac{G_l + c}{\mathrm{up}(G_{l+1}) + c}, \quad
          R^F_l = R^{k^*}_l,\; k^* = \arg\max_k |R^k_l - 1|, \quad
          G^F_n = \frac{1}{K} \sum_k G^k_n

with the :math:`G_l` of the Laplacian pyramid. c = 64 keeps the quotient finite where an image is
black, and its noise from counting as contrast; the larger, the nearer to the Laplacian pyramid.
Sources and result: float64 (H, W) in 0..255; the result
may leave that range. Toet, van Ruyven and Valeton, "Merging thermal and visual images by a contrast
pyramid", Optical Engineering 28(7), 1989 (c = 0 there).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab.baselines.laplacian import depth, enlarge
from fusionlab.baselines.rules import max_abs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.colour import Plane

OFFSET = 64.0


def contrast(luminances: Sequence[Plane]) -> Plane:
    """Fuse two or more (H, W) planes: largest contrast of every level, mean of the bases."""
    levels = depth(luminances[0].shape)
    pyramids = [decompose(y, levels) for y in luminances]
    *details, bases = zip(*pyramids, strict=True)
    return reconstruct([*map(max_abs, details), np.mean(bases, axis=0)])


def decompose(plane: Plane, levels: int) -> list[Plane]:
    """Return [R_0 - 1, ..., R_{levels-1} - 1, G_levels] of a (H, W) plane."""
    pyramid = []
    for _ in range(levels):
        smaller = np.asarray(cv2.pyrDown(plane), dtype=np.float64)
        local = enlarge(smaller, plane.shape) + OFFSET
        pyramid.append((plane + OFFSET) / local - 1)
        plane = smaller
    return [*pyramid, plane]


def reconstruct(pyramid: Sequence[Plane]) -> Plane:
    """Return the (H, W) plane of a pyramid; the exact inverse of `decompose`."""
    *details, plane = pyramid
    for detail in reversed(details):
        plane = (detail + 1) * (enlarge(plane, detail.shape) + OFFSET) - OFFSET
    return np.asarray(plane)

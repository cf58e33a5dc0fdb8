r"""Laplacian pyramid fusion.

.. math:: L_l = G_l - \mathrm{up}(G_{l+1}), \quad
          L^F_l = L^{k^*}_l,\; k^* = \arg\max_k |L^k_l|, \quad
          G^F_n = \frac{1}{K} \sum_k G^k_n

with :math:`G_0 = I`, :math:`G_{l+1} = \mathrm{down}(G_l)` by the 5-tap binomial filter. Sources
and result: float64 (H, W) in 0..255; the result may leave that range by its overshoot.
Burt and Adelson, "The Laplacian pyramid as a compact image code", IEEE Trans. Communications
31(4), 1983.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab.baselines.rules import Real, max_abs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusionlab.colour import Plane

MAX_LEVELS = 5
SMALLEST_BASE = 4


def laplacian(luminances: Sequence[Plane]) -> Plane:
    """Fuse two or more (H, W) planes: largest detail of every level, mean of the bases."""
    levels = depth(luminances[0].shape)
    pyramids = [decompose(y, levels) for y in luminances]
    *details, bases = zip(*pyramids, strict=True)
    return reconstruct([*map(max_abs, details), np.mean(bases, axis=0)])


def depth(shape: tuple[int, ...]) -> int:
    """Return how often an image can be halved with its base still SMALLEST_BASE pixels wide."""
    side, levels = min(shape), 0
    while levels < MAX_LEVELS and (side + 1) // 2 >= SMALLEST_BASE:
        side, levels = (side + 1) // 2, levels + 1
    return levels


def decompose(plane: NDArray[Real], levels: int) -> list[NDArray[Real]]:
    """Return the pyramid [L_0, ..., L_{levels-1}, G_levels] of a (H, W) plane."""
    pyramid: list[NDArray[Real]] = []
    for _ in range(levels):
        smaller = np.asarray(cv2.pyrDown(plane), dtype=plane.dtype)
        pyramid.append(plane - enlarge(smaller, plane.shape))
        plane = smaller
    pyramid.append(plane)
    return pyramid


def reconstruct(pyramid: Sequence[NDArray[Real]]) -> NDArray[Real]:
    """Return the (H, W) plane of a pyramid; the exact inverse of `decompose`."""
    *details, plane = pyramid
    for detail in reversed(details):
        plane = detail + enlarge(plane, detail.shape)
    return np.asarray(plane)


def enlarge(plane: NDArray[Real], shape: tuple[int, ...]) -> NDArray[Real]:
    """Return the next finer level, of the (H, W) `shape`, that a plane predicts."""
    return np.asarray(cv2.pyrUp(plane, dstsize=(shape[1], shape[0])), dtype=plane.dtype)

r"""Guided-filter fusion.

.. math:: B_k = \mathrm{box}_{15}(I_k), \quad D_k = I_k - B_k, \quad
          S_k = g_5 * |\nabla^2 I_k|, \quad P_k = [k = \arg\max_j S_j]

.. math:: F = \sum_k \frac{W^B_k}{\sum_j W^B_j} B_k + \frac{W^D_k}{\sum_j W^D_j} D_k, \quad
          W^B_k = \mathrm{guided}_{45,\,0.3}(P_k; I_k),\;
          W^D_k = \mathrm{guided}_{7,\,10^{-6}}(P_k; I_k)

Sources and result: float64 (H, W) in 0..255 (the guide in 0..1). Li, Kang and Hu, "Image fusion
with guided filtering", IEEE Trans. Image Processing 22(7), 2013, with the paper's parameters.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab.baselines.rules import box, guided_filter, winners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.colour import Plane

BASE_RADIUS = 15
SALIENCY_SIDE, SALIENCY_SIGMA = 11, 5.0
BASE_FILTER = (45, 0.3)
DETAIL_FILTER = (7, 1e-6)
# Below any weight that matters: shares a pixel equally where every filter says zero.
FLOOR = 1e-12


def gff(luminances: Sequence[Plane]) -> Plane:
    """Fuse two or more (H, W) planes at two scales by filtered saliency maps."""
    bases = np.stack([box(y, BASE_RADIUS) for y in luminances])
    details = np.stack(luminances) - bases
    decision = winners(np.stack([saliency(y) for y in luminances]))
    guides = [y / 255.0 for y in luminances]
    base = _weights(guides, decision, *BASE_FILTER) * bases
    detail = _weights(guides, decision, *DETAIL_FILTER) * details
    return np.asarray((base + detail).sum(axis=0))


def saliency(plane: Plane) -> Plane:
    """Return the Gaussian-smoothed magnitude of the Laplacian of a (H, W) plane."""
    edges = np.abs(cv2.Laplacian(plane, cv2.CV_64F, borderType=cv2.BORDER_REFLECT))
    smooth = cv2.GaussianBlur(
        edges, (SALIENCY_SIDE, SALIENCY_SIDE), SALIENCY_SIGMA, borderType=cv2.BORDER_REFLECT
    )
    return np.asarray(smooth, dtype=np.float64).reshape(plane.shape)


def _weights(guides: Sequence[Plane], decision: Plane, radius: int, eps: float) -> Plane:
    pairs = zip(guides, decision, strict=True)
    raw = np.stack([guided_filter(g, m, radius, eps) for g, m in pairs])
    kept = np.clip(raw, 0.0, 1.0) + FLOOR
    return np.asarray(kept / kept.sum(axis=0))

r"""Two-scale fusion by visual saliency.

.. math:: B_k = \mathrm{box}_{17}(I_k), \quad D_k = I_k - B_k, \quad
          S_k = |B_k - \mathrm{median}_3(I_k)|, \quad
          F = \frac{1}{K} \sum_k B_k + \sum_k \frac{S_k}{\sum_j S_j} D_k

Equal weights where nothing is salient. Sources and result: float64 (H, W) in 0..255. Bavirisetti
and Dhuli, "Two-scale image fusion of visible and infrared images using saliency detection",
Infrared Physics & Technology 76, 2016 (windows of 35 and 3 pixels).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab.baselines.rules import box, shares

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.colour import Plane

BASE_RADIUS = 17
MEDIAN = 3


def two_scale(luminances: Sequence[Plane]) -> Plane:
    """Fuse two or more (H, W) planes: mean base, details weighted by saliency."""
    bases = np.stack([box(y, BASE_RADIUS) for y in luminances])
    details = np.stack(luminances) - bases
    smooth = np.stack([_median(y) for y in luminances])
    weights = shares(np.abs(bases - smooth))
    return np.asarray(bases.mean(axis=0) + (weights * details).sum(axis=0))


def _median(plane: Plane) -> Plane:
    # OpenCV has no median of float64; half a 2^-16th of a level is no loss.
    return np.asarray(cv2.medianBlur(plane.astype(np.float32), MEDIAN), np.float64).reshape(
        plane.shape
    )

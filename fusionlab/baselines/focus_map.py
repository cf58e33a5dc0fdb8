r"""Multi-focus fusion by a decision map.

.. math:: E_k = \mathrm{box}_r\big((\nabla^2 I_k)^2\big), \quad
          M_k = [k = \arg\max_j E_j], \quad
          F = \sum_k w_k I_k, \quad w_k \propto \mathrm{guided}(M_k;\ \bar I)

Energy of Laplacian as focus measure (Huang and Jing, Pattern Recognition Letters 28(4), 2007),
the decision cleaned along the edges of the mean image by a guided filter (He, Sun and Tang,
IEEE TPAMI 35(6), 2013). Sources and result: float64 (H, W) in 0..255. Nearly copies pixels: the
colours of the sharp source survive, and a wrong decision shows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab.baselines.rules import box, guided_filter, winners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.colour import Plane

WINDOW = 6
CLEAN_RADIUS = 6
CLEAN_EPS = 1e-3


def focus_map(luminances: Sequence[Plane]) -> Plane:
    """Fuse two or more (H, W) planes by copying from the one in focus."""
    stack = np.stack(luminances)
    decision = winners(np.stack([energy_of_laplacian(y) for y in luminances]))
    guide = stack.mean(axis=0) / 255.0
    cleaned = [guided_filter(guide, m, CLEAN_RADIUS, CLEAN_EPS) for m in decision]
    # The filter keeps the sum at 1, so what is left after clipping never sums to less.
    weights = np.clip(cleaned, 0.0, 1.0)
    return np.asarray((weights * stack).sum(axis=0) / weights.sum(axis=0))


def energy_of_laplacian(plane: Plane) -> Plane:
    """Return the windowed mean of the squared Laplacian of a (H, W) plane."""
    edges = cv2.Laplacian(plane, cv2.CV_64F, borderType=cv2.BORDER_REFLECT)
    return box(np.square(np.asarray(edges, dtype=np.float64)).reshape(plane.shape), WINDOW)

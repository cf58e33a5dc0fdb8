r"""Multi-focus fusion by a decision map whose small regions are removed.

.. math:: E_k = g_3 * \big(|[-1, 2, -1] * I_k| + |[-1, 2, -1]^T * I_k|\big), \quad
          M_k = \mathrm{clean}([k = \arg\max_j E_j])

.. math:: F = \sum_k w_k I_k, \quad
          w_k \propto \mathrm{guided}_{2,\,0.01}\Big(M_k;\ \sum_j M_j I_j\Big)

Clean: regions of a map, and holes in it, below a hundredth of the image are taken for mistakes and
given to what surrounds them. The chain, initial decision, small regions, composed image, guided
filter, is that of Qiu, Li, Zhang and Yuan, "Guided filter-based multi-focus image fusion through
focus region detection", Signal Processing: Image Communication 72, 2019; the focus measure is the
sum-modified Laplacian of Nayar and Nakagawa, IEEE TPAMI 16(8), 1994. Sources and result: float64
(H, W) in 0..255. Nearly copies pixels.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fusionlab.baselines.rules import gaussian, guided_filter, winners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusionlab.colour import Plane

SIGMA = 3.0
SMALLEST_PART = 0.01
CLEAN_RADIUS, CLEAN_EPS = 2, 0.01
SECOND_DIFFERENCE = np.array([[-1.0, 2.0, -1.0]])


def decision_map(luminances: Sequence[Plane]) -> Plane:
    """Fuse two or more (H, W) planes by copying from the one in focus."""
    stack = np.stack(luminances)
    decision = clean(winners(np.stack([modified_laplacian(y) for y in luminances])))
    guide = (decision * stack).sum(axis=0) / 255.0
    smooth = [guided_filter(guide, m, CLEAN_RADIUS, CLEAN_EPS) for m in decision[1:]]
    # The filter keeps the sum at 1, so the first map is what the others leave.
    weights = np.clip([1.0 - sum(smooth), *smooth], 0.0, 1.0)
    return np.asarray((weights * stack).sum(axis=0) / weights.sum(axis=0))


def modified_laplacian(plane: Plane) -> Plane:
    """Return the smoothed sum of the absolute second differences of a (H, W) plane."""
    kernels = SECOND_DIFFERENCE, SECOND_DIFFERENCE.T
    filtered = [cv2.filter2D(plane, -1, k, borderType=cv2.BORDER_REFLECT) for k in kernels]
    return gaussian(np.abs(filtered).sum(axis=0).reshape(plane.shape), SIGMA)


def clean(decision: Plane) -> Plane:
    """Return the maps (K, H, W) without small regions and holes; they sum to 1 over K.

    A place that several maps then claim is shared; one that none claims keeps what it had.
    """
    smallest = SMALLEST_PART * decision[0].size
    maps = np.stack([_without_small(m > 0.5, smallest) for m in decision]).astype(np.float64)
    claims = maps.sum(axis=0)
    return np.where(claims > 0, maps / np.maximum(claims, 1.0), decision)


def _without_small(mask: NDArray[np.bool_], smallest: float) -> NDArray[np.bool_]:
    """Turn the regions of a (H, W) mask below `smallest` pixels over, then its holes."""
    for value in (True, False):
        regions: Any = (mask == value).astype(np.uint8)
        _, labels, facts, _ = cv2.connectedComponentsWithStats(regions, connectivity=4)
        small = facts[:, cv2.CC_STAT_AREA] < smallest
        small[0] = False  # the label of all the rest
        mask = mask ^ small[labels]
    return mask

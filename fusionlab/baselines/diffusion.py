r"""Anisotropic diffusion fusion.

.. math:: B^{t+1} = B^t + \lambda \sum_{n} g(\nabla_n B^t) \nabla_n B^t, \quad
          g(d) = \frac{1}{1 + (d / \kappa)^2}, \quad B^0 = I

.. math:: D_k = I_k - B_k, \quad F = \frac{1}{K} \sum_k B_k + \sum_k w_k D_k

over the four neighbours n; :math:`w_k`: the weights of the first principal component of the details
(Karhunen-Loeve transform). Sources and result: float64 (H, W) in 0..255. Bavirisetti and Dhuli,
"Fusion of infrared and visible sensor images based on anisotropic diffusion and Karhunen-Loeve
transform", IEEE Sensors Journal 16(1), 2016; the diffusion is that of Perona and Malik, IEEE TPAMI
12(7), 1990.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionlab.baselines.pca import weights

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusionlab.colour import Plane

STEPS = 10
KAPPA = 30.0
RATE = 0.15


def diffusion(luminances: Sequence[Plane]) -> Plane:
    """Fuse two or more (H, W) planes: mean base, details weighted by their main component."""
    bases = np.stack([diffused(y) for y in luminances])
    details = np.stack(luminances) - bases
    weighted = np.tensordot(weights(list(details)), details, axes=1)
    return np.asarray(bases.mean(axis=0) + weighted)


def diffused(plane: Plane) -> Plane:
    """Return a (H, W) plane smoothed but for its edges; its mean stays."""
    base = plane.astype(np.float32)
    for _ in range(STEPS):
        flows = [_flow(base, axis) for axis in (0, 1)]
        for axis, flow in enumerate(flows):
            # What leaves a pixel enters its neighbour; nothing crosses the border.
            before, after = np.split(base, [-1], axis)[0], np.split(base, [1], axis)[1]
            before += flow
            after -= flow
    return base.astype(np.float64)


def _flow(base: NDArray[np.float32], axis: int) -> NDArray[np.float32]:
    """Return what flows to each pixel from the next one along an axis."""
    step = np.diff(base, axis=axis)
    flow: NDArray[np.float32] = np.float32(RATE) * step / (1 + np.square(step / np.float32(KAPPA)))
    return flow

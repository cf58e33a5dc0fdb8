r"""Principal component fusion.

.. math:: C v = \lambda_1 v, \quad w_k = \frac{|v_k|}{\sum_j |v_j|}, \quad F = \sum_k w_k I_k

C: (K, K) covariance of the sources over the pixels, v its eigenvector of largest eigenvalue. Equal
weights where nothing varies. Sources and result: float64 (H, W) in 0..255. Rockinger and Fechner,
"Pixel-level image fusion: the case of image sequences", Proc. SPIE 3374, 1998.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.colour import Plane

# Eigenvalues that lie nearer together than this, relative to the largest, count as one.
SAME = 1e-9


def pca(luminances: Sequence[Plane]) -> Plane:
    """Fuse two or more (H, W) planes by one weight each."""
    return np.asarray(np.tensordot(weights(luminances), np.stack(luminances), axes=1))


def weights(planes: Sequence[Plane]) -> Plane:
    """Return the weights (K,) of the planes' first principal component; they sum to 1.

    Where several components are the first, the weights are those of the equal mixture's projection
    on all of them, so that the order of the planes does not matter.
    """
    flat = np.stack([plane.ravel() for plane in planes])
    centred = flat - flat.mean(axis=1, keepdims=True)
    values, vectors = np.linalg.eigh(centred @ centred.T)
    first = vectors[:, values >= (1 - SAME) * values[-1]]
    raw = np.abs(first @ first.sum(axis=0)) if first.shape[1] > 1 else np.abs(first[:, 0])
    total = raw.sum()
    return np.asarray(raw / total) if total > SAME else np.full(len(planes), 1 / len(planes))

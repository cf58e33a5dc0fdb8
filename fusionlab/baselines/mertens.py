r"""Exposure fusion, by OpenCV.

.. math:: W_k \propto C_k^{w_C} S_k^{w_S} E_k^{w_E}, \quad
          L^F_l = \sum_k G_l(W_k)\, L_l(I_k)

C: magnitude of the Laplacian; S: standard deviation over the channels (left out for gray);
E: Gaussian distance of every channel from mid-gray, :math:`\sigma = 0.2`; all exponents 1 but
OpenCV's :math:`w_E = 0`, which is set to the paper's 1 here. :math:`L_l`, :math:`G_l`: levels of
Laplacian and Gaussian pyramids. Shots and result: float64 (H, W) or RGB (H, W, 3) in 0..255; the
result may leave that range. Mertens, Kautz and Van Reeth, "Exposure fusion", Computer Graphics
Forum 28(1), 2009.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.colour import Plane

_one_at_a_time = threading.Lock()


def mertens(shots: Sequence[Plane]) -> Plane:
    """Fuse two or more shots, (H, W) or RGB (H, W, 3), of one exposure series."""
    merge = cv2.createMergeMertens(1.0, 1.0, 1.0)
    # OpenCV divides by 255 itself, floats too.
    levels = [np.ascontiguousarray(s, dtype=np.float32) for s in shots]
    # OpenCV sums the shots in the order in which its threads finish: only with one thread are the
    # last bits the same every time. The setting is global, hence the lock.
    with _one_at_a_time:
        threads = cv2.getNumThreads()
        cv2.setNumThreads(1)
        try:
            fused = merge.process(levels)
        finally:
            cv2.setNumThreads(threads)
    return np.asarray(fused, dtype=np.float64).reshape(shots[0].shape) * 255.0

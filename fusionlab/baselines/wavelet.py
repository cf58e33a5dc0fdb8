r"""Discrete wavelet fusion.

.. math:: D^F_{l,o} = D^{k^*}_{l,o},\; k^* = \arg\max_k |D^k_{l,o}|, \quad
          A^F = \frac{1}{K} \sum_k A^k

over the horizontal, vertical and diagonal details of every level l and the coarsest
approximation A; Daubechies 2 filters, mirrored border. Sources and result: float64 (H, W) in
0..255. Li, Manjunath and Mitra, "Multisensor image fusion using the wavelet transform",
Graphical Models and Image Processing 57(3), 1995 (who take the maximum over a window).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pywt

from fusionlab.baselines.rules import max_abs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.colour import Plane

WAVELET = "db2"
MAX_LEVELS = 4


def wavelet(luminances: Sequence[Plane]) -> Plane:
    """Fuse two or more (H, W) planes: largest detail of every band, mean approximation."""
    height, width = luminances[0].shape
    levels = min(MAX_LEVELS, pywt.dwt_max_level(min(height, width), WAVELET))
    trees = [pywt.wavedec2(y, WAVELET, mode="symmetric", level=levels) for y in luminances]
    approximations, *bands = zip(*trees, strict=True)
    fused = [tuple(map(max_abs, zip(*band, strict=True))) for band in bands]
    plane = pywt.waverec2([np.mean(approximations, axis=0), *fused], WAVELET, mode="symmetric")
    # An odd side comes back with one row or column too many.
    return np.asarray(plane, dtype=np.float64)[:height, :width]

"""The Sobel step of one row, which EI and Qabf share.

    Sx(y, x) = s(x+1) - s(x-1),            s = r(y-1) + 2 r(y) + r(y+1)
    Sy(y, x) = d(x-1) + 2 d(x) + d(x+1),   d = r(y+1) - r(y-1)

with s and d the column sums and differences of three rows r.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionlab.metrics._jit import kernel

if TYPE_CHECKING:
    from fusionlab.metrics.base import Floats, Gray


@kernel
def sobel_rows(image: Gray, y: int, replicate: bool, s: Floats, d: Floats) -> None:
    """Fill s and d, each (W + 2,), for row y: outside the image lie its border pixels, or zeros."""
    height, width = image.shape
    above = image[max(y - 1, 0)]
    here = image[y]
    below = image[min(y + 1, height - 1)]
    up = 1.0 if replicate or y > 0 else 0.0
    down = 1.0 if replicate or y < height - 1 else 0.0
    for x in range(width):
        p = up * np.float64(above[x])
        q = down * np.float64(below[x])
        s[x + 1] = p + 2.0 * np.float64(here[x]) + q
        d[x + 1] = q - p
    edge = 1.0 if replicate else 0.0
    s[0], d[0] = edge * s[1], edge * d[1]
    s[width + 1], d[width + 1] = edge * s[width], edge * d[width]

"""The image pyramid of MS-SSIM and MEF-SSIM."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fusionlab.metrics.base import Floats, Gray


def halved(image: Gray) -> Floats:
    """Return the means of the 2 x 2 blocks, (ceil(H / 2), ceil(W / 2)); odd borders are doubled.

    That is the 2 x 2 mean of x[i], x[i + 1] with symmetric extension, of which every second row and
    column is kept from the first on. Of 8-bit images it is exact.
    """
    rows = _paired(np.asarray(image, dtype=np.float64))
    return np.ascontiguousarray(_paired(rows.T).T) * 0.25


def _paired(x: Floats) -> Floats:
    if x.shape[0] % 2:
        x = np.concatenate((x, x[-1:]))
    return np.asarray(x[::2] + x[1::2])

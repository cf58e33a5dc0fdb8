r"""Mean fusion.

.. math:: F = \frac{1}{K} \sum_{k=1}^{K} I_k

:math:`I_k`, F: float64 (H, W) in 0..255. Not a method of any paper: the zero hypothesis, which
halves every detail that only one of two sources has.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.colour import Plane


def mean(luminances: Sequence[Plane]) -> Plane:
    """Return the pixelwise mean of two or more (H, W) planes."""
    return np.asarray(np.mean(luminances, axis=0))

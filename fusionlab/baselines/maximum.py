r"""Maximum fusion.

.. math:: F = \max_k I_k

:math:`I_k`, F: float64 (H, W) in 0..255. Keeps hot targets and bone, and every bright flaw.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.colour import Plane


def maximum(luminances: Sequence[Plane]) -> Plane:
    """Return the pixelwise maximum of two or more (H, W) planes."""
    return np.asarray(np.max(luminances, axis=0))

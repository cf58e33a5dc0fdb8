r"""A label's pixels with another luminance and the chroma that they had.

.. math:: p' = \mathrm{clip}(p + \mathrm{round}(\Delta Y / s))

for every channel of a pixel alike, s being the step of its data type: Cb and Cr are linear in
differences of channels, so that they stay. Where \Delta Y is 0 no bit changes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fusionlab.colour import Plane
    from fusionlab.images import Pixels

_WHITE = 255.0


def step_of(pixels: Pixels) -> float:
    """Return the least difference that pixels of this type can have, on the 0..255 scale."""
    return _WHITE / float(np.iinfo(pixels.dtype).max)


def relit(pixels: Pixels, change: Plane) -> Pixels:
    """Return gray (H, W) or RGB (H, W, 3) pixels whose luminance has changed.

    Parameters
    ----------
    change : of the luminance, (H, W), on the 0..255 scale.
    """
    levels = np.rint(change / step_of(pixels)).astype(np.int32)
    if pixels.ndim == 3:
        levels = levels[..., None]
    highest = np.iinfo(pixels.dtype).max
    changed: Pixels = np.clip(pixels + levels, 0, highest).astype(pixels.dtype)
    return changed

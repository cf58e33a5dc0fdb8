"""The pyramid and the local statistics that VIF and VIFF share.

Scale s = 1..4 has Gaussian windows of n = 17, 9, 5, 3 taps and sigma n / 5 (`valid`); from scale to
scale images are filtered by the next Gaussian, and every second row and column is kept.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionlab.metrics._window import gaussian, smooth

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionlab.metrics.base import Floats, Gray

EPS = 1e-10
"""Variances below this count as none, and gains are taken over variances plus this."""

TAPS = tuple(gaussian(n, n / 5) for n in (17, 9, 5, 3))
UNROLLED = 9
"""Scales 2 to 4 share one kernel of this many taps; the shorter Gaussians are padded with zeros."""


def centre_of(image: Gray) -> float:
    """Return the mean rounded to an integer, so that 8-bit images less it stay exact."""
    return float(np.rint(image.mean()))


def centred(image: Gray, centre: float) -> Floats:
    """Return the image less `centre`."""
    return np.subtract(image, centre, dtype=np.float64)


def pyramid(level: Floats) -> Iterator[tuple[Floats, Floats]]:
    """Yield each scale of an image with the taps of its window."""
    for scale, taps in enumerate(TAPS):
        if scale:
            level = smooth(level, taps, 2)
        yield level, taps


def widened(image: Floats, taps: Floats) -> tuple[Floats, Floats]:
    """Widen taps to UNROLLED by zeros, and the image so that its `valid` filter keeps its size."""
    extra = (UNROLLED - taps.size) // 2
    return (np.pad(image, extra), np.pad(taps, extra)) if extra > 0 else (image, taps)


def statistics(level: Floats, taps: Floats) -> tuple[Floats, Floats, Floats]:
    """Return local means, variances s11 (0 below EPS), and 1 / (s11 + EPS) (0 below EPS)."""
    mean = smooth(level, taps, 1)
    variance = np.maximum(smooth(level * level, taps, 1) - mean * mean, 0.0)
    flat = variance < EPS
    variance[flat] = 0.0
    return mean, variance, np.where(flat, 0.0, 1.0 / (variance + EPS))

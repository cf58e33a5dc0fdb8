"""Structural similarity of one image with two others under a separable window.

    ssim = (2 mu_x mu_y + C1) (2 s_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (s_x^2 + s_y^2 + C2))
    C1 = (0.01 L)^2,  C2 = (0.03 L)^2

averaged over the windows that lie wholly inside the image. (Wang, Bovik, Sheikh, Simoncelli 2004.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.metrics._jit import kernel
from fusionlab.metrics._window import (
    BLOCK,
    STRIDE,
    TILE,
    gaussian,
    moments_block,
    scratch,
    smooth,
    unrolled,
)

if TYPE_CHECKING:
    from fusionlab.metrics.base import Floats, Gray

K1, K2 = 0.01, 0.03
GAUSSIAN = gaussian(11, 1.5)
CENTRE = 128.0
"""Taken off all images first, so that less is lost in E[x^2] - mu^2."""

ANY_LUMINANCE = 1e100
"""A C1 beside which all means vanish: ssim is its contrast-structure factor then."""


@dataclass(frozen=True)
class Windowed:
    """Two images with their local means (less CENTRE) and variances under one window.

    Parameters
    ----------
    a, b : (H, W).
    mean_a, var_a, mean_b, var_b : one value a window.
    taps : the window, in either direction.
    factor : what variances and covariances are multiplied by.
    """

    a: Gray
    b: Gray
    mean_a: Floats
    var_a: Floats
    mean_b: Floats
    var_b: Floats
    taps: Floats
    factor: float

    def similarity(self, fused: Gray, white: float) -> tuple[float, float]:
        """Return the mean ssim of `fused` with a and with b for the range L = `white`."""
        return self._means(fused, (K1 * white) ** 2, (K2 * white) ** 2)

    def contrast_structure(self, fused: Gray, white: float) -> tuple[float, float]:
        """Return the mean of (2 s_xy + C2) / (s_x^2 + s_y^2 + C2) with a and with b."""
        return self._means(fused, ANY_LUMINANCE, (K2 * white) ** 2)

    def _means(self, fused: Gray, c1: float, c2: float) -> tuple[float, float]:
        a, b = windowed_similarity(
            fused,
            self.a,
            self.b,
            self.mean_a,
            self.var_a,
            self.mean_b,
            self.var_b,
            np.array([c1, c2, self.factor]),
            self.taps,
            unrolled(self.taps),
        )
        return float(a), float(b)


def windowed(a: Gray, b: Gray, taps: Floats = GAUSSIAN, factor: float = 1.0) -> Windowed:
    """Compute the local means and variances of two images."""
    (mean_a, var_a), (mean_b, var_b) = statistics(a, taps), statistics(b, taps)
    return Windowed(a, b, mean_a, factor * var_a, mean_b, factor * var_b, taps, factor)


def statistics(image: Gray, taps: Floats) -> tuple[Floats, Floats]:
    """Return the local means, less CENTRE, and the local population variances."""
    x = np.subtract(image, CENTRE, dtype=np.float64)
    mean = smooth(x, taps, 1)
    return mean, smooth(x * x, taps, 1) - mean * mean


@kernel
def windowed_similarity(
    f: Gray,
    a: Gray,
    b: Gray,
    mean_a: Floats,
    var_a: Floats,
    mean_b: Floats,
    var_b: Floats,
    constants: Floats,
    taps: Floats,
    count: tuple[int, ...],
) -> tuple[float, float]:
    """Return the mean ssim of f with a and with b; `constants` are C1, C2 and the factor of s."""
    height, width = mean_a.shape
    line, buffer, block = scratch(count)
    centre = np.full(3, CENTRE)
    total_a = total_b = 0.0
    for left in range(0, width, TILE):
        w = min(TILE, width - left)
        for top in range(0, height, BLOCK):
            rows = min(BLOCK, height - top)
            moments_block(f, a, b, centre, top, left, rows, w, taps, count, line, buffer, block)
            for j in range(rows):
                y, row = top + j, block[j * STRIDE :]
                total_a += similarity_row(
                    row, row[2 * TILE :], mean_a[y, left:], var_a[y, left:], constants, w
                )
                total_b += similarity_row(
                    row, row[3 * TILE :], mean_b[y, left:], var_b[y, left:], constants, w
                )
    return total_a / (height * width), total_b / (height * width)


@kernel
def similarity_row(
    row: Floats, cross: Floats, mean_x: Floats, var_x: Floats, constants: Floats, width: int
) -> float:
    """Return the sum of ssim over one row of windows."""
    c1, c2, factor = constants[0], constants[1], constants[2]
    total = 0.0
    for x in range(width):
        mu, mx = row[x], mean_x[x]
        s_f = factor * (row[TILE + x] - mu * mu)
        s_fx = factor * (cross[x] - mu * mx)
        mu += CENTRE
        mx += CENTRE
        top = (2.0 * mu * mx + c1) * (2.0 * s_fx + c2)
        total += top / ((mu * mu + mx * mx + c1) * (var_x[x] + s_f + c2))
    return total

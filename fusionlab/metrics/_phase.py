"""Phase congruency of an image, with the moments of its covariance (Kovesi's PC2).

    E_so = ifft2(fft2(x) L_s R_o)                               4 scales s, 6 orientations o
    energy_o = max(sum_s (E_so . m_o - |E_so x m_o|) - T_o, 0),   m_o = sum_s E_so / |sum_s E_so|
    weight_o = 1 / (1 + exp(10 (0.5 - sum_s |E_so| / (4 max_s |E_so|))))
    PC = sum_o weight_o energy_o / sum_so |E_so|

with dot and cross products of the complex responses as vectors, log-Gabor filters L_s of wavelength
3 * 2.1^s and bandwidth 0.55, and Gaussian angular filters R_o. The threshold T_o is the Rayleigh
mean plus 2 deviations of the noise that the median response at the finest scale suggests, over 1.7.
The energies over their own amplitudes, as vectors along o, have a covariance matrix whose moments
are M >= m. (Kovesi 1999, 2003; details as by Liu et al. 2012: there the low-pass filter is shifted
by one row or column where a side is odd, and the moments take half of the covariance of the two
axes where twice of it belongs. Published values depend on both.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from fusionlab.metrics._jit import kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusionlab.metrics.base import Floats

    Responses = NDArray[np.complex128]

SCALES, ORIENTATIONS = 4, 6
WAVELENGTH, FACTOR, BANDWIDTH = 3.0, 2.1, 0.55
ANGULAR = math.pi / ORIENTATIONS / 1.2
CUT, STEEPNESS, DEVIATIONS, RESCALE = 0.5, 10.0, 2.0, 1.7
EPS = 0.0001


@dataclass(frozen=True)
class Bank:
    """Radial filters (SCALES, H, W), angular ones (ORIENTATIONS, H, W), and `_noise` of each."""

    bands: Floats
    spreads: Floats
    noise: tuple[float, ...]


@lru_cache(maxsize=1)
def bank(height: int, width: int) -> Bank:
    """Return the filters for images of one size."""
    x, y = _axis(width)[None, :], _axis(height)[:, None]
    radius, theta = np.hypot(x, y), np.arctan2(-y, x)
    radius[0, 0] = 1.0
    bands = np.empty((SCALES, height, width))
    for s in range(SCALES):
        octaves = np.log(radius * WAVELENGTH * FACTOR**s) / math.log(BANDWIDTH)
        bands[s] = np.exp(-(octaves**2) / 2)
    bands *= _low_pass(height, width)
    bands[:, 0, 0] = 0.0
    spreads = np.empty((ORIENTATIONS, height, width))
    for o in range(ORIENTATIONS):
        away = np.abs(theta - o * math.pi / ORIENTATIONS)
        away = np.minimum(away, 2 * math.pi - away)
        spreads[o] = np.exp(-((away / ANGULAR) ** 2) / 2)
    return Bank(bands, spreads, tuple(_noise(bands * spread) for spread in spreads))


def _axis(n: int) -> Floats:
    """Return frequencies with 0 first; an odd side spans -1/2 .. 1/2 with both ends."""
    k = np.arange(n) - n // 2
    return np.fft.ifftshift(k / (n - n % 2))


def _low_pass(height: int, width: int) -> Floats:
    y, x = ((np.arange(n) - n // 2) / n for n in (height, width))
    radius = np.hypot(x[None, :], y[:, None])
    return np.fft.fftshift(1.0 / (1.0 + (radius / 0.45) ** 30))


def _noise(filters: Floats) -> float:
    """Return the squared Rayleigh parameter of noise of median energy 1 at the finest scale."""
    n = filters[0].size
    points = fft.ifft2(filters, workers=1).real * math.sqrt(n)
    power = 1.0 / math.log(2.0) / float((filters[0] ** 2).sum())
    return power * float((points.sum(0) ** 2).sum())


def congruency(image: Floats) -> tuple[Floats, Floats, Floats]:
    """Return PC, M and m, each (H, W)."""
    filters = bank(*image.shape)
    bands = filters.bands * fft.fft2(image, workers=1)
    sums = np.zeros((5, *image.shape))
    for o in range(ORIENTATIONS):
        responses = fft.ifft2(bands * filters.spreads[o], workers=1)
        finest = responses[0].real ** 2 + responses[0].imag ** 2
        tau = math.sqrt(float(np.median(finest)) * filters.noise[o])
        deviation = math.sqrt(2 - math.pi / 2) * tau
        threshold = (tau * math.sqrt(math.pi / 2) + DEVIATIONS * deviation) / RESCALE
        add_orientation(responses, threshold, o * math.pi / ORIENTATIONS, sums)
    energy, amplitude, xx, yy, xy = sums
    xx, yy, xy = xx / (ORIENTATIONS / 2), yy / (ORIENTATIONS / 2), xy / ORIENTATIONS
    apart = np.sqrt(xy**2 + (xx - yy) ** 2) + EPS
    return energy / (amplitude + EPS), (yy + xx + apart) / 2, (yy + xx - apart) / 2


@kernel
def add_orientation(responses: Responses, threshold: float, angle: float, sums: Floats) -> None:
    """Add one orientation to energy, amplitude and the covariances of its congruency."""
    across, up = math.cos(angle), math.sin(angle)
    for y in range(responses.shape[1]):
        for x in range(responses.shape[2]):
            even = odd = amplitude = largest = 0.0
            for s in range(SCALES):
                e, o = responses[s, y, x].real, responses[s, y, x].imag
                size = math.sqrt(e * e + o * o)
                even += e
                odd += o
                amplitude += size
                largest = max(largest, size)
            norm = math.sqrt(even * even + odd * odd) + EPS
            even, odd = even / norm, odd / norm
            energy = -threshold
            for s in range(SCALES):
                e, o = responses[s, y, x].real, responses[s, y, x].imag
                energy += e * even + o * odd - abs(e * odd - o * even)
            width = amplitude / (largest + EPS) / SCALES
            energy = max(energy, 0.0) / (1.0 + math.exp((CUT - width) * STEEPNESS))
            pc = energy / amplitude if amplitude > 0.0 else 0.0
            sums[0, y, x] += energy
            sums[1, y, x] += amplitude
            sums[2, y, x] += (pc * across) ** 2
            sums[3, y, x] += (pc * up) ** 2
            sums[4, y, x] += pc * across * (pc * up)

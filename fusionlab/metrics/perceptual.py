"""Two metrics of human contrast sensitivity: Qcb (Chen and Blum), Qcv (Chen and Varshney).

Every image is stretched first: x <- floor(255 (x - min) / (max - min) + 1/2); an all-zero image
stays as it is. Filters act on the spectrum; (u, v) is the frequency in cycles an image, 0 inside.

    Qcb:  S = exp(-(r/15.387)^2) - 0.7622 exp(-(r/1.3456)^2),  r = |(2u/30, 2v/30)|,  y = S x
          C = |G2 * y / (G4 * y) - 1|,  C' = C^3 / (C^2 + 0.0001)
          Q_X = min(C'_X, C'_F) / max(C'_X, C'_F),   w_X = C'_X^2
          Qcb = mean of (w_A Q_A + w_B Q_B) / (w_A + w_B)
    Qcv:  S = 2.6 (0.0192 + 0.144 r) exp(-(0.144 r)^1.1),  r = |(2u/8, 2v/8)|,  y_X = S (X - F)
          D_X = mean of y_X^2, l_X = sum of |Sobel X|^5 over a block     16 x 16, zeros outside
          Qcv = sum(l_A D_A + l_B D_B) / sum(l_A + l_B)

G_s is exp(-(x^2 + y^2) / (2 s^2)) / (2 pi s^2) on 31 x 31 pixels, zeros outside the image. A pixel
without contrast in either source has no Qcb and is left out of the mean. Both are nan where an
image is constant. (Chen and Blum 2009; Chen and Varshney 2007; steps as by Liu et al. 2012.)

Filters are linear, so a candidate costs one transform and one inverse for each metric.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import fft

from fusionlab.metrics._jit import kernel
from fusionlab.metrics._sobel import sobel_rows
from fusionlab.metrics._window import smooth
from fusionlab.metrics.base import INF, Family, Floats, Gray, Metric, Scene, Wanted

RADIUS = 15
BLOCK = 16
CONTRAST = (3.0, 2.0, 0.0001)
POWER = 5.0

METRICS = (
    Metric(
        name="Qcb",
        title="Contrast preserved, as seen by a human (Chen-Blum)",
        formula="mean of (C'_A^2 Q_A + C'_B^2 Q_B) / (C'_A^2 + C'_B^2), Q = min/max of C'",
        source="Chen, Blum 2009",
        nan_when="neither source has contrast, or an image is constant and not black",
        range=(0.0, 1.0),
        constants={"f0": 15.3870, "f1": 1.3456, "a": 0.7622, "p": 3.0, "q": 2.0, "Z": 0.0001},
    ),
    Metric(
        name="Qcv",
        title="Visible difference from the salient source (Chen-Varshney)",
        formula="sum(l_A D_A + l_B D_B) / sum(l_A + l_B), 16 x 16 blocks, l = sum |Sobel|^5",
        source="Chen, Varshney 2007",
        direction="lower",
        nan_when="neither source has a gradient, or an image is constant and not black",
        range=(0.0, INF),
        constants={"alpha": 5.0, "block": 16.0},
    ),
)


@dataclass(frozen=True)
class State:
    """Filters, and what the wanted metrics need of the sources."""

    filters: dict[str, Floats]
    masked: tuple[Floats, Floats] | None
    filtered: tuple[Floats, Floats] | None
    saliency: tuple[Floats, Floats] | None


def prepare(scene: Scene, wanted: Wanted) -> State:
    """Filter the sources; compute contrast for Qcb and saliency of blocks for Qcv."""
    height, width = scene.a.shape
    filters = {name: FILTERS[name](height, width) for name in wanted}
    masked = filtered = saliency = None
    a, b = stretched(scene.a), stretched(scene.b)
    of_a, of_b = _filtered(a, filters), _filtered(b, filters)
    if "Qcb" in wanted:
        masked = masked_contrast(of_a["Qcb"]), masked_contrast(of_b["Qcb"])
    if "Qcv" in wanted:
        filtered = of_a["Qcv"], of_b["Qcv"]
        saliency = block_saliency(a), block_saliency(b)
    return State(filters, masked, filtered, saliency)


def compute(state: State, fused: Gray, _wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones of Qcb and Qcv."""
    of_f = _filtered(stretched(fused), state.filters)
    values = {}
    if state.masked is not None:
        total, count = contrast_kept(masked_contrast(of_f["Qcb"]), *state.masked)
        values["Qcb"] = total / count if count else float("nan")
    if state.filtered is not None and state.saliency is not None:
        (a, b), (l_a, l_b) = state.filtered, state.saliency
        top = visible_difference(of_f["Qcv"], a, l_a) + visible_difference(of_f["Qcv"], b, l_b)
        bottom = l_a.sum() + l_b.sum()
        values["Qcv"] = float(top / bottom) if bottom > 0 else float("nan")
    return values


def stretched(image: Gray) -> Floats:
    """Return an image stretched to the integers 0..255; nan throughout if constant but not 0."""
    x = image.astype(np.float64)
    low, high = float(x.min()), float(x.max())
    if high == low:
        return x if high == 0 else np.full(x.shape, np.nan)
    return np.asarray(np.floor((x - low) / (high - low) * 255.0 + 0.5))


def _radius(height: int, width: int, scale: float) -> Floats:
    """Return |(2u, 2v)| / scale for the frequencies of `rfft2`, u and v in cycles an image."""
    u, v = fft.rfftfreq(width, 0.5 / width), fft.fftfreq(height, 0.5 / height)
    return np.hypot(u[None, :], v[:, None]) / scale


def _chen_blum(height: int, width: int) -> Floats:
    r = _radius(height, width, 30.0)
    return np.asarray(np.exp(-((r / 15.3870) ** 2)) - 0.7622 * np.exp(-((r / 1.3456) ** 2)))


def _chen_varshney(height: int, width: int) -> Floats:
    r = 0.144 * _radius(height, width, 8.0)
    return np.asarray(2.6 * (0.0192 + r) * np.exp(-(r**1.1)))


FILTERS = {"Qcb": _chen_blum, "Qcv": _chen_varshney}


def _filtered(image: Floats, filters: dict[str, Floats]) -> dict[str, Floats]:
    spectrum = fft.rfft2(image, workers=1)
    return {
        name: np.asarray(fft.irfft2(spectrum * s, s=image.shape, workers=1))
        for name, s in filters.items()
    }


def _taps(sigma: float) -> Floats:
    x = np.arange(-RADIUS, RADIUS + 1)
    return np.asarray(np.exp(-(x**2) / (2 * sigma**2)) / (math.sqrt(2 * math.pi) * sigma))


FINE, COARSE = _taps(2.0), _taps(4.0)


def masked_contrast(filtered: Floats) -> Floats:
    """Return C' of a filtered image, (H, W)."""
    padded = np.pad(filtered, RADIUS)
    return local_contrast(smooth(padded, FINE, 1), smooth(padded, COARSE, 1))


@kernel
def local_contrast(fine: Floats, coarse: Floats) -> Floats:
    """Return C' = C^3 / (C^2 + Z) of C = |fine / coarse - 1|."""
    out = np.empty(fine.shape)
    for y in range(fine.shape[0]):
        for x in range(fine.shape[1]):
            c = abs(fine[y, x] / coarse[y, x] - 1.0)
            out[y, x] = c * c * c / (c * c + CONTRAST[2])
    return out


@kernel
def contrast_kept(f: Floats, a: Floats, b: Floats) -> tuple[float, int]:
    """Return the sum of (w_A Q_A + w_B Q_B) / (w_A + w_B) and the number of pixels that have it."""
    total, count = 0.0, 0
    for y in range(f.shape[0]):
        for x in range(f.shape[1]):
            cf, ca, cb = f[y, x], a[y, x], b[y, x]
            q_a = cf / ca if cf < ca else ca / cf
            q_b = cf / cb if cf < cb else cb / cf
            w_a, w_b = ca * ca, cb * cb
            # a source without contrast has no weight, whatever the fused image shows
            q_a = q_a if w_a > 0.0 else 0.0
            q_b = q_b if w_b > 0.0 else 0.0
            q = (w_a * q_a + w_b * q_b) / (w_a + w_b)
            missing = math.isnan(q)
            total += 0.0 if missing else q
            count += 0 if missing else 1
    return total, count


@kernel
def block_saliency(image: Floats) -> Floats:
    """Return the sum of |Sobel|^5 over every block of 16 x 16 pixels."""
    height, width = image.shape
    out = np.zeros(((height + BLOCK - 1) // BLOCK, (width + BLOCK - 1) // BLOCK))
    s, d = np.empty(width + 2), np.empty(width + 2)
    for y in range(height):
        sobel_rows(image, y, False, s, d)
        row = out[y // BLOCK]
        for x in range(width):
            sx = s[x + 2] - s[x]
            sy = d[x] + 2.0 * d[x + 1] + d[x + 2]
            square = sx * sx + sy * sy
            row[x // BLOCK] += square * square * math.sqrt(square)
    return out


@kernel
def visible_difference(f: Floats, x: Floats, saliency: Floats) -> float:
    """Return sum of l D over the blocks: the squares of x - f weighted by their block."""
    total = 0.0
    for j in range(f.shape[0]):
        weights = saliency[j // BLOCK]
        for k in range(weights.size):
            square = 0.0
            for i in range(k * BLOCK, min((k + 1) * BLOCK, f.shape[1])):
                delta = x[j, i] - f[j, i]
                square += delta * delta
            total += weights[k] * square
    return total / (BLOCK * BLOCK)


FAMILY = Family("perceptual", METRICS, prepare, compute)

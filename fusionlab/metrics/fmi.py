"""Feature mutual information, in its fast form over 3 x 3 windows.

    FMI = mean over windows of (s(A, F) + s(B, F)) / 2

s is 1 where the feature maps agree on the whole window, else the normalised mutual information
2 I / (H_X + H_F) of the two windows, see `_windows9`. The feature maps:

    FMI_pixel     the image
    FMI_gradient  horizontal central differences, one-sided at the border
    FMI_dct       orthonormal DCT-II of the whole image
    FMI_w         one level of the discrete Meyer wavelet, [cA cH; cV cD], stretched to 0..1

As the authors define it, B is compared for agreement with the window of F as the work on A left it:
stretched to 0..1 (all ones if constant), unless it agreed with A. So FMI is not exactly symmetric.
(Haghighat, Aghagolzadeh, Seyedarabi 2011; Haghighat, Razian 2014.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy import fft

from fusionlab.metrics._jit import kernel
from fusionlab.metrics._windows9 import (
    CELLS,
    HIGH,
    LOW,
    ROWS,
    WALK_ROWS,
    fill_windows,
    score_windows,
    walk_windows,
)
from fusionlab.metrics.base import Family, Floats, Gray, Metric, Scene, Wanted

if TYPE_CHECKING:
    from collections.abc import Callable

SOURCE = "Haghighat, Aghagolzadeh, Seyedarabi 2011; fast form of Haghighat, Razian 2014"


def _metric(name: str, feature: str) -> Metric:
    return Metric(
        name=name,
        title=f"Feature mutual information of {feature}",
        formula=f"mean over 3 x 3 windows of (s(A,F) + s(B,F)) / 2, s = 2 I / (H + H), {feature}",
        source=SOURCE,
        range=(0.0, 1.0),
        min_side=3,
        symmetric=False,
        constants={"window": 3.0},
    )


METRICS = (
    _metric("FMI_pixel", "gray levels"),
    _metric("FMI_gradient", "horizontal gradients"),
    _metric("FMI_dct", "cosine coefficients"),
    _metric("FMI_w", "Meyer wavelet coefficients"),
)


@dataclass(frozen=True)
class State:
    """The wanted feature maps of both sources."""

    maps: dict[str, tuple[Floats, Floats]]


def prepare(scene: Scene, wanted: Wanted) -> State:
    """Compute the feature maps of the sources."""
    return State({name: (FEATURES[name](scene.a), FEATURES[name](scene.b)) for name in wanted})


def compute(state: State, fused: Gray, _wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones of FMI_pixel, FMI_gradient, FMI_dct and FMI_w."""
    return {
        name: float(window_information(FEATURES[name](fused), a, b))
        for name, (a, b) in state.maps.items()
    }


def pixel(image: Gray) -> Floats:
    """Return the image itself."""
    return image.astype(np.float64)


def gradient(image: Gray) -> Floats:
    """Return the horizontal gradient, (H, W)."""
    return np.asarray(np.gradient(image.astype(np.float64), axis=1))


def cosine(image: Gray) -> Floats:
    """Return the orthonormal DCT-II of the image, (H, W)."""
    return np.asarray(fft.dctn(image.astype(np.float64), norm="ortho", workers=1))


def wavelet(image: Gray) -> Floats:
    """Return one level of the discrete Meyer wavelet as one map, stretched to 0..1."""
    import pywt

    approximation, (across, down, both) = pywt.dwt2(image.astype(np.float64), "dmey")
    x = np.block([[approximation, across], [down, both]])
    low, high = x.min(), x.max()
    return np.asarray((x - low) / (high - low)) if high > low else np.zeros(x.shape)


FEATURES: dict[str, Callable[[Gray], Floats]] = {
    "FMI_pixel": pixel,
    "FMI_gradient": gradient,
    "FMI_dct": cosine,
    "FMI_w": wavelet,
}


@kernel
def window_information(f: Floats, a: Floats, b: Floats) -> float:
    """Return the mean over all windows of (s(A, F) + s(B, F)) / 2."""
    height, width = f.shape[0] - 2, f.shape[1] - 2
    of_f, of_x = np.empty((ROWS, width)), np.empty((ROWS, width))
    walk, scores = np.empty((WALK_ROWS, width)), np.empty(width)
    agreed = np.empty(width, np.bool_)
    total = 0.0
    for y in range(height):
        fill_windows(f, y, of_f)
        fill_windows(a, y, of_x)
        walk_windows(of_x, of_f, walk)
        score_windows(of_x, of_f, walk, scores)
        for x in range(width):
            agreed[x] = agrees(f, a, y, x, 0.0, 1.0)
            total += 1.0 if agreed[x] else scores[x]
        fill_windows(b, y, of_x)
        walk_windows(of_x, of_f, walk)
        score_windows(of_x, of_f, walk, scores)
        for x in range(width):
            low, high = of_f[LOW, x], of_f[HIGH, x]
            if agreed[x]:
                same = agrees(f, b, y, x, 0.0, 1.0)
            elif high > low:
                same = agrees(f, b, y, x, low, high - low)
            else:
                same = agrees(f, b, y, x, low - 1.0, 1.0)
            total += 1.0 if same else scores[x]
    return total / (2.0 * height * width)  # type: ignore[no-any-return]


@kernel
def agrees(f: Floats, other: Floats, y: int, x: int, low: float, span: float) -> bool:
    """Return whether (f - low) / span equals the other map on the window from (y, x)."""
    for k in range(CELLS):
        i, j = y + k % 3, x + k // 3
        if (f[i, j] - low) / span != other[i, j]:
            return False
    return True


FAMILY = Family("fmi", METRICS, prepare, compute)

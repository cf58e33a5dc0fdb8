"""Metrics of the gradient of the fused image alone.

    SF = sqrt(mean dx^2 + mean dy^2)               first differences, each mean over its own terms
    AG = mean sqrt((gx^2 + gy^2) / 2)              central differences, one-sided at the border
    EI = mean sqrt(Sx^2 + Sy^2)                    Sobel (1 2 1), border pixels repeated

None of them looks at the sources.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.metrics._jit import kernel
from fusionlab.metrics._sobel import sobel_rows
from fusionlab.metrics.base import Family, Metric, Scene, Wanted

if TYPE_CHECKING:
    from fusionlab.metrics.base import Gray

METRICS = (
    Metric(
        name="SF",
        title="Spatial frequency",
        formula="sqrt(mean(dx^2) + mean(dy^2)), first differences, H(W-1) and (H-1)W terms",
        source="Eskicioglu, Fisher 1995",
        range=(0.0, 255.0 * math.sqrt(2.0)),
        arity="fused",
    ),
    Metric(
        name="AG",
        title="Average gradient",
        formula="mean sqrt((gx^2 + gy^2) / 2), central differences, one-sided at the border",
        source="Cui, Feng, Xu, Li, Chen 2015",
        range=(0.0, 255.0),
        arity="fused",
    ),
    Metric(
        name="AG_rc1",
        title="Average gradient with the divisor (H-1)(W-1)",
        formula="AG H W / ((H-1)(W-1))",
        source="Cui, Feng, Xu, Li, Chen 2015, as run by VIFB",
        range=(0.0, 1020.0),
        arity="fused",
    ),
    Metric(
        name="EI",
        title="Edge intensity",
        formula="mean sqrt(Sx^2 + Sy^2), Sobel (1 2 1) not divided, border pixels repeated",
        source="Rajalingam, Priya 2018",
        range=(0.0, 1020.0 * math.sqrt(2.0)),
        arity="fused",
    ),
)


def prepare(_scene: Scene, _wanted: Wanted) -> None:
    """Nothing of these metrics depends on the sources."""


def compute(_state: None, fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones of SF, AG, AG_rc1 and EI."""
    height, width = fused.shape
    values = {}
    if "SF" in wanted:
        dx2, dy2 = difference_squares(fused)
        values["SF"] = math.sqrt(dx2 / (height * (width - 1)) + dy2 / ((height - 1) * width))
    if wanted & {"AG", "AG_rc1"}:
        total = gradient_sum(fused)
        values["AG"] = total / (height * width)
        values["AG_rc1"] = total / ((height - 1) * (width - 1))
    if "EI" in wanted:
        values["EI"] = sobel_sum(fused) / (height * width)
    return {name: values[name] for name in wanted}


@kernel
def difference_squares(image: Gray) -> tuple[float, float]:
    """Return the sums of squared horizontal and vertical first differences."""
    height, width = image.shape
    across = down = 0.0
    for y in range(height):
        here = image[y]
        below = image[min(y + 1, height - 1)]
        for x in range(width - 1):
            d = np.float64(here[x + 1]) - np.float64(here[x])
            across += d * d
        for x in range(width):
            d = np.float64(below[x]) - np.float64(here[x])
            down += d * d
    return across, down


@kernel
def gradient_sum(image: Gray) -> float:
    """Return sum sqrt((gx^2 + gy^2) / 2) with the differences of numpy.gradient."""
    height, width = image.shape
    total = 0.0
    for y in range(height):
        low, high = max(y - 1, 0), min(y + 1, height - 1)
        above, here, below = image[low], image[y], image[high]
        step = 1.0 / (high - low)
        for x in range(1, width - 1):
            gx = 0.5 * (np.float64(here[x + 1]) - np.float64(here[x - 1]))
            gy = step * (np.float64(below[x]) - np.float64(above[x]))
            total += math.sqrt(0.5 * (gx * gx + gy * gy))
        for x, left in ((0, 0), (width - 1, width - 2)):
            gx = np.float64(here[left + 1]) - np.float64(here[left])
            gy = step * (np.float64(below[x]) - np.float64(above[x]))
            total += math.sqrt(0.5 * (gx * gx + gy * gy))
    return total


@kernel
def sobel_sum(image: Gray) -> float:
    """Return sum sqrt(Sx^2 + Sy^2) with the border pixels repeated outside the image."""
    height, width = image.shape
    s, d = np.empty(width + 2), np.empty(width + 2)
    total = 0.0
    for y in range(height):
        sobel_rows(image, y, True, s, d)
        for x in range(width):
            sx = s[x + 2] - s[x]
            sy = d[x] + 2.0 * d[x + 1] + d[x + 2]
            total += math.sqrt(sx * sx + sy * sy)
    return total


FAMILY = Family("gradient", METRICS, prepare, compute)

"""What the guards share: windows, blocks, and what lies outside a range."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab.metrics._jit import kernel

if TYPE_CHECKING:
    from fusionlab.metrics.base import Floats


@dataclass(frozen=True)
class Range:
    """The least and the largest that the sources allow."""

    low: Floats
    high: Floats


def ratio(part: float, whole: float) -> float:
    """Return part / whole; nan for 0 / 0, infinite if only whole is 0."""
    if whole == 0:
        return float("nan") if part == 0 else float("inf")
    return part / whole


def windowed(low: Floats, high: Floats, side: int) -> Range:
    """Return the extremes over side x side windows, which end at the border."""
    window = np.ones((side, side), np.uint8)
    return Range(np.asarray(cv2.erode(low, window)), np.asarray(cv2.dilate(high, window)))


def block_means(x: Floats, side: int) -> Floats:
    """Return the means of the side x side blocks; those at the right and lower end are smaller."""
    rows, columns = (np.arange(0, n, side) for n in x.shape)
    sums = np.add.reduceat(np.add.reduceat(x, rows, axis=0), columns, axis=1)
    counts = np.diff(rows, append=x.shape[0])[:, None] * np.diff(columns, append=x.shape[1])
    return np.asarray(sums / counts)


@kernel
def outside(image: Floats, low: Floats, high: Floats) -> float:
    """Return the sum of what the image exceeds [low, high] by."""
    total = 0.0
    for y in range(image.shape[0]):
        p, a, b = image[y], low[y], high[y]
        for x in range(p.size):
            total += max(p[x] - b[x], 0.0) + max(a[x] - p[x], 0.0)
    return total

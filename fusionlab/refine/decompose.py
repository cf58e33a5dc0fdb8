r"""Decompose a label and its sources into layers, and each layer into what the sources explain.

Laplacian pyramids give the details :math:`D_l` of F and of every source :math:`S_k`. On every
level, with means :math:`\langle\cdot\rangle` over 5 x 5 windows:

.. math:: T = \sum_k w_k D_k, \quad w_k = \left\langle
          \frac{\langle D_k^2 \rangle^2}{\sum_j \langle D_j^2 \rangle^2} \right\rangle, \quad
          g = \frac{\langle D_F T \rangle}{\langle T^2 \rangle}

T is the detail that the sources offer, that of the stronger one; g, the gain, says how much of it
the label has: 1 all, 0 nothing, above 1 more than there is.

.. math:: R = D_F - \sum_k a_k D_k, \quad
          a = \arg\min_a \left\langle \Big(D_F - \sum_k a_k D_k\Big)^2 \right\rangle

R is alien: structure in the label that is in no source. The pyramid is linear and the same for all
images, so that a mixture of sources stays a mixture on every level; windows make it local.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING

import cv2
import numpy as np
from numpy.typing import NDArray

from fusionlab.baselines import laplacian
from fusionlab.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.colour import Plane

Layer = NDArray[np.float32]

MAX_LEVELS, SMALLEST_BASE = 5, 8
RADIUS = 2

# Keep quotients finite in flat windows, on the scale of a squared grey level.
_TINY, _RIDGE, _SHARE = np.float32(1e-3), np.float32(0.1), np.float32(0.01)


@dataclass(frozen=True)
class Detail:
    """One level of detail of a label; every plane (H_l, W_l).

    Attributes
    ----------
    sought : T, what the sources offer, in grey levels.
    energy : its mean square over the window.
    gain : g, how much of it the label has.
    alien : R, what of the label is in no source, in grey levels.
    alien_energy : its mean square over the window.
    """

    sought: Layer
    energy: Layer
    gain: Layer
    alien: Layer
    alien_energy: Layer


@dataclass(frozen=True)
class Layers:
    """A label taken apart.

    Attributes
    ----------
    label : its luminance, (H, W), 0..255.
    details : the finest level first.
    low, high : least and largest tone of the sources, at half size.
    range : largest minus smallest level of the label in the window around each pixel, (H, W).
    """

    label: Plane
    details: list[Detail]
    low: Layer
    high: Layer
    range: Layer


def decompose(fused: Plane, sources: Sequence[Plane]) -> Layers:
    """Take a label apart against its sources: planes (H, W) of one size, 0..255, K >= 2 sources.

    Raises
    ------
    ImageError
        When there are fewer than two sources, or one is not of the label's size.
    """
    _check(fused, sources)
    levels = depth(fused.shape)
    *label, _ = laplacian.decompose(_single(fused), levels)
    apart = [laplacian.decompose(_single(source), levels) for source in sources]
    shades = [tones(source) for source in sources]
    details = [
        compare(mine, [planes[level] for planes in apart]) for level, mine in enumerate(label)
    ]
    low, high = reduce(np.minimum, shades), reduce(np.maximum, shades)
    return Layers(fused, details, low, high, _range(fused))


def compare(mine: Layer, theirs: Sequence[Layer]) -> Detail:
    """Compare one level of the label with that of the sources."""
    energies = [mean(d * d) for d in theirs]
    sought = _strongest(theirs, energies)
    energy = np.maximum(mean(sought * sought), 0)
    gain: Layer = np.asarray((mean(mine * sought) + _RIDGE) / (energy + _RIDGE))
    alien = mine - _explained(mine, theirs, energies)
    return Detail(sought, energy, mean(gain), alien, np.maximum(mean(alien * alien), 0))


def mean(plane: Layer, radius: int = RADIUS) -> Layer:
    """Return the means over the (2 radius + 1)^2 windows, mirrored at the border."""
    side = 2 * radius + 1
    return np.asarray(cv2.boxFilter(plane, -1, (side, side), borderType=cv2.BORDER_REFLECT))


def tones(plane: Plane) -> Layer:
    """Return a (H, W) plane at half size, without its finest detail."""
    return np.asarray(cv2.pyrDown(_single(plane)))


def beyond(plane: Plane, layers: Layers, tolerance: float) -> Layer:
    """Return what the tones of a plane exceed those of the sources by, at half size; signed."""
    shades = tones(plane)
    above = np.maximum(shades - layers.high - tolerance, 0)
    return np.asarray(above - np.maximum(layers.low - shades - tolerance, 0))


def depth(shape: tuple[int, ...]) -> int:
    """Return how many levels of detail an image has: none when it is too small to be halved."""
    levels = 0
    while levels < MAX_LEVELS and min(shape) >> (levels + 1) >= SMALLEST_BASE:
        levels += 1
    return levels


def _single(plane: Plane) -> Layer:
    return np.ascontiguousarray(plane, dtype=np.float32)


def _strongest(theirs: Sequence[Layer], energies: Sequence[Layer]) -> Layer:
    squares = [np.square(np.maximum(e, _TINY)) for e in energies]
    total: Layer = reduce(np.add, squares)
    shares: list[Layer] = [np.asarray(s / total) for s in squares]
    parts = [mean(s) * d for s, d in zip(shares, theirs, strict=True)]
    return reduce(np.add, parts)


def _explained(mine: Layer, theirs: Sequence[Layer], energies: Sequence[Layer]) -> Layer:
    """Return what the best local mixture of the sources' details makes of the label's."""
    ridge = _SHARE * reduce(np.add, energies) + _RIDGE
    count = len(theirs)
    gram = [[energies[k] + ridge if j == k else ridge for j in range(count)] for k in range(count)]
    for k in range(count):
        for j in range(k):
            gram[k][j] = gram[j][k] = mean(theirs[j] * theirs[k])
    shares = _solved(gram, [mean(mine * d) for d in theirs])
    return reduce(np.add, [mean(a) * d for a, d in zip(shares, theirs, strict=True)])


def _solved(gram: list[list[Layer]], right: list[Layer]) -> list[Layer]:
    """Solve the normal equations of all places at once, by elimination; positive definite."""
    gram, right = [list(row) for row in gram], list(right)
    count = len(right)
    for k in range(count):
        for j in range(k + 1, count):
            factor = gram[j][k] / gram[k][k]
            for i in range(k + 1, count):
                gram[j][i] = gram[j][i] - factor * gram[k][i]
            right[j] = right[j] - factor * right[k]
    for k in reversed(range(count)):
        for i in range(k + 1, count):
            right[k] = right[k] - gram[k][i] * right[i]
        right[k] = right[k] / gram[k][k]
    return right


def _range(fused: Plane) -> Layer:
    window = np.ones((2 * RADIUS + 1, 2 * RADIUS + 1), np.uint8)
    plane = _single(fused)
    return np.asarray(cv2.dilate(plane, window) - cv2.erode(plane, window))


def _check(fused: Plane, sources: Sequence[Plane]) -> None:
    if len(sources) < 2:
        raise ImageError(
            "sources", f"refiner: got {len(sources)} source(s), expected two or more. Add one."
        )
    for position, source in enumerate(sources, start=1):
        if source.shape != fused.shape:
            raise ImageError(
                "size",
                f"refiner, source {position}: got size {source.shape}, expected that of the label, "
                f"{fused.shape}. Align them first: ingest does.",
            )

r"""Infrared and visible fusion by rolling guidance, visual saliency and weighted least squares.

.. math:: B^0_k = I_k, \quad B^l_k = \mathrm{rolling}_{\sigma_l}(B^{l-1}_k), \quad
          D^l_k = B^{l-1}_k - B^l_k, \quad F = \sum_k W_k B^n_k + \sum_l D^l_F

.. math:: W_k = \frac{1}{K} + \frac{V_k - \bar V}{K - 1}, \quad
          V_k(x) = \frac{1}{255\,N} \sum_y |I_k(x) - I_k(y)|

.. math:: D^l_F = \frac{M^l + \lambda \omega^l D^l_v}{1 + \lambda \omega^l}, \quad
          M^l = D^l_{k^*},\; k^* = \arg\max_k g_{\sigma} * |D^l_k|, \quad
          \omega^l = \frac{1}{\mathrm{box}_3(|D^l_1|) + \epsilon}

:math:`D_v`: the largest detail of the second and further sources. Where the first source, the
infrared, has no detail, those of the visible image are kept as they are: its noise does not enter.
The order of the sources matters for that. Sources and result: float64 (H, W) in 0..255. Ma, Zhou,
Wang and Zong, "Infrared and visible image fusion based on visual saliency map and weighted least
square optimization", Infrared Physics & Technology 82, 2017. The paper stretches V over 0..1, where
the noise of a flat image then decides. The rolling guidance (Zhang, Shen, Xu and Jia, ECCV 2014) is
done with the guided filter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionlab.baselines.rules import box, gaussian, guided_filter, max_abs, winners

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusionlab.colour import Plane

    Single = NDArray[np.float32]

SIGMAS = (1.2, 2.4, 4.8, 9.6)
RANGE = 0.05
TURNS = 2
ACTIVITY_SIGMA = 2.0
WINDOW = 3
LAMBDA, EPSILON = 0.01, 1e-4


def wls(luminances: Sequence[Plane]) -> Plane:
    """Fuse two or more (H, W) planes, the infrared first."""
    scaled = [(y / 255.0).astype(np.float32) for y in luminances]
    pyramids = [decompose(y) for y in scaled]
    *details, bases = zip(*pyramids, strict=True)
    maps = np.stack([saliency(y) for y in luminances])
    weights = 1 / len(maps) + (maps - maps.mean(axis=0)) / (len(maps) - 1)
    base = (weights * np.stack(bases)).sum(axis=0)
    return np.asarray(255.0 * (base + sum(map(_fused_detail, details))))


def decompose(plane: Single) -> list[Single]:
    """Return [D^1, ..., D^n, B^n] of a (H, W) plane in 0..1; they sum to the plane."""
    layers = []
    for sigma in SIGMAS:
        base = rolling_guidance(plane, sigma)
        layers.append(plane - base)
        plane = base
    return [*layers, plane]


def rolling_guidance(plane: Single, sigma: float) -> Single:
    """Remove what is smaller than about `sigma` pixels from a (H, W) plane; edges stay sharp."""
    guide = gaussian(plane, sigma)
    for _ in range(TURNS):
        guide = guided_filter(guide, plane, round(2 * sigma), RANGE**2)
    return guide


def saliency(plane: Plane) -> Plane:
    """Return how far each pixel of a (H, W) plane in 0..255 is from the mean other one, in 0..1."""
    levels = np.rint(plane).astype(np.uint8)
    counts = np.bincount(levels.ravel(), minlength=256)
    values = np.arange(256.0)
    distance = np.abs(values[:, None] - values) @ counts / (255.0 * plane.size)
    return np.asarray(distance[levels])


def _fused_detail(details: Sequence[Single]) -> Plane:
    stack = np.stack(details)
    activity = np.stack([gaussian(np.abs(d), ACTIVITY_SIGMA) for d in details])
    strongest = (winners(activity) * stack).sum(axis=0)
    pull = LAMBDA / (box(np.abs(details[0]), WINDOW) + EPSILON)
    return np.asarray((strongest + pull * max_abs(details[1:])) / (1 + pull))

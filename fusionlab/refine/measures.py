r"""Measures of damage by probes, and what sound labels reach in them.

With the local strength :math:`|x|_s` of a plane x on a scale s (the root of the local mean square
of its fine or of its coarse structure) and the contrast of two planes

.. math:: c_s(x, y) = \frac{|x|_s - |y|_s}{|x|_s + |y|_s + \epsilon}, \quad
          d_s(x, y) = \frac{|x - y|_s}{|x|_s + |y|_s + \epsilon}

- ``detail``: :math:`\max_k c_{fine}(S_k, R_k)`, structure of a source that the label does not tell;
- ``target``: :math:`\max_k c_{coarse}(S_k, R_k)`;
- ``noise``: :math:`d_{fine}(F, A(R_1, R_2))`, structure that the assembler cannot rebuild;
- ``halo``: :math:`\min_k d_{coarse}(R_k, S_k)`, structure that neither source has.

Even of a sound label a probe does not tell everything. So a place counts as damaged only beyond
what sound labels hardly reach: the map rises from 0 at the lower to 1 at the upper limit, quantiles
of the measure over the labels that the probes were trained on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusionlab.refine.parts import Layer, Parts

    Limits = Mapping[str, tuple[float, float]]

#: Kinds of damage that probes measure.
MEASURED = ("detail", "target", "noise", "halo")

#: Shares of the pixels of sound labels that are below the lower and the upper limit.
QUANTILES = (0.99, 0.999)

_FINE, _FINE_WINDOW = 2.0, 3.0
_COARSE, _COARSE_WINDOW = (4.0, 16.0), 8.0
_LEAST = 4.0  # epsilon, in gray levels: fainter structure counts little
_APART = 0.05  # the upper limit is at least so much above the lower one


def measure(parts: Parts) -> dict[str, Layer]:
    """Return kind -> (H, W), the higher, the less is the label like a sound one there."""
    label, rebuilt = finer(parts.label), finer(parts.rebuilt)
    pairs = [(finer(s), finer(r)) for s, r in zip(parts.sources, parts.told, strict=True)]
    wide = [(_coarse(s), _coarse(r)) for s, r in zip(parts.sources, parts.told, strict=True)]
    return {
        "detail": np.maximum(*(_contrast(s, r, _FINE_WINDOW) for s, r in pairs)),
        "target": np.maximum(*(_contrast(s, r, _COARSE_WINDOW) for s, r in wide)),
        "noise": _difference(label, rebuilt, _FINE_WINDOW),
        "halo": np.minimum(*(_difference(r, s, _COARSE_WINDOW) for s, r in wide)),
    }


def limits_of(sound: Iterable[Parts]) -> dict[str, tuple[float, float]]:
    """Return kind -> lower and upper limit, of sound labels that all count the same."""
    reached: dict[str, list[Layer]] = {kind: [] for kind in MEASURED}
    for parts in sound:
        for kind, found in measure(parts).items():
            reached[kind].append(np.quantile(found, np.linspace(0, 1, 1001), method="lower"))
    limits = {}
    for kind, curves in reached.items():
        low, high = (float(q) for q in np.quantile(np.concatenate(curves), QUANTILES))
        limits[kind] = low, max(high, low + _APART)
    return limits


def maps_of(parts: Parts, limits: Limits) -> dict[str, Layer]:
    """Return kind -> (H, W), 0 (sound) .. 1 (certainly damaged)."""
    maps = {}
    for kind, found in measure(parts).items():
        low, high = limits[kind]
        maps[kind] = np.clip((found - np.float32(low)) / np.float32(high - low), 0, 1)
    return maps


def finer(plane: Layer, sigma: float = _FINE) -> Layer:
    """Return what of a plane is finer than a Gaussian of `sigma` pixels."""
    return np.asarray(plane - _smooth(plane, sigma))


def _coarse(plane: Layer) -> Layer:
    return np.asarray(_smooth(plane, _COARSE[0]) - _smooth(plane, _COARSE[1]))


def _contrast(x: Layer, y: Layer, window: float) -> Layer:
    a, b = _strength(x, window), _strength(y, window)
    return np.asarray((a - b) / (a + b + np.float32(_LEAST)))


def _difference(x: Layer, y: Layer, window: float) -> Layer:
    total = _strength(x, window) + _strength(y, window) + np.float32(_LEAST)
    return np.asarray(_strength(x - y, window) / total)


def _strength(plane: Layer, window: float) -> Layer:
    return np.asarray(np.sqrt(np.maximum(_smooth(plane * plane, window), 0)))


def _smooth(plane: Layer, sigma: float) -> Layer:
    return np.asarray(cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REFLECT))

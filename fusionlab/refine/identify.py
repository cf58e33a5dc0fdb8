r"""Identify what a label lost or spoiled, training-free, from the local statistics of its layers.

.. math:: \text{lost} = 1 - \mathrm{ramp}(g / b), \quad
          \text{exaggerated} = \mathrm{ramp}(g / c), \quad
          \text{alien} = \mathrm{ramp}\Big(\frac{\langle R^2 \rangle}
          {\langle R^2 \rangle + \langle T^2 \rangle}\Big)

on every level, where it is strong enough to count (`fusionlab.refine.limits`). b and c are the
median gain of the level, held to at most and at least 1 (b only from the third level on): a label
whose contrast is low or high as a whole is that by choice. Tones, the image at half size, that
leave the range of the sources' tones are damage in tasks whose sources differ in sharpness only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab.refine.damage import Damage
from fusionlab.refine.decompose import beyond, mean
from fusionlab.refine.limits import Limits, at

if TYPE_CHECKING:
    from fusionlab.refine.decompose import Detail, Layer, Layers

#: Levels whose loss is one of fine detail, and whose alien structure is noise; a coarser loss is
#: one of a target, coarser alien structure a halo.
FINE = 2

#: Median gains below this are not taken for a choice of contrast.
_LEAST_CONTRAST = 0.3

_FLAT = 1.5  # range, in grey levels, of a window that is cut off
_CUT_OFF = (0.05, 0.2)  # share of such windows nearby
_NEARBY = 5
_SURE = 3.0  # grey levels beyond the sources' range where a tone is certainly wrong


@dataclass(frozen=True)
class Deviation:
    """How one level of detail deviates; every plane (H_l, W_l).

    Attributes
    ----------
    lost, exaggerated, alien : 0 (sound) .. 1 (certainly damaged).
    lowest, highest : gains that a label of this contrast should have.
    """

    lost: Layer
    exaggerated: Layer
    alien: Layer
    lowest: float
    highest: float


@dataclass(frozen=True)
class Findings:
    """What was identified.

    Attributes
    ----------
    levels : the finest first.
    damage : the same as one map a kind.
    """

    levels: list[Deviation]
    damage: Damage


def identify(layers: Layers, limits: Limits) -> Findings:
    """Find the damage of a label that was taken apart."""
    levels = [deviation(detail, level, limits) for level, detail in enumerate(layers.details)]
    off = beyond(layers.label, layers, limits.tolerance) if limits.tone else None
    return Findings(levels, _damage(layers, levels, off))


def deviation(detail: Detail, level: int, limits: Limits) -> Deviation:
    """Judge one level of detail."""
    strong = limits.energy**2
    counts = ramp(detail.energy, (strong / 2, strong * 2))
    lowest, highest = _contrast(detail, strong)
    if level < FINE:
        lowest = 1.0
    lost = (1 - ramp(detail.gain / lowest, limits.lost)) * counts
    exaggerated = ramp(detail.gain / highest, limits.exaggerated) * counts
    least = at(limits.alien_levels, level)
    share = detail.alien_energy / (detail.alien_energy + detail.energy + 1e-3)
    alien = ramp(np.sqrt(detail.alien_energy), (least, 2 * least)) * ramp(share, limits.alien)
    return Deviation(_opened(lost, at(limits.opening, level)), exaggerated, alien, lowest, highest)


def ramp(values: Layer, ends: tuple[float, float]) -> Layer:
    """Return 0 up to the first end, 1 from the second on, linear between."""
    return np.asarray(np.clip((values - ends[0]) / (ends[1] - ends[0]), 0, 1), dtype=np.float32)


def _contrast(detail: Detail, strong: float) -> tuple[float, float]:
    """Return the gains that a label of this contrast should have at least, and at most."""
    gains = detail.gain[detail.energy > strong]
    median = float(np.median(gains)) if gains.size else 1.0
    return min(1.0, max(_LEAST_CONTRAST, median)), max(1.0, median)


def _opened(lost: Layer, radius: int) -> Layer:
    """Leave out what is thinner than 2 radius + 1 pixels."""
    if radius == 0:
        return lost
    eroded = cv2.erode(lost, np.ones((2 * radius + 1, 2 * radius + 1), np.uint8))
    grown = cv2.dilate(eroded, np.ones((2 * radius + 3, 2 * radius + 3), np.uint8))
    return np.asarray(np.minimum(lost, grown))


def _damage(layers: Layers, levels: list[Deviation], off: Layer | None) -> Damage:
    size = layers.label.shape
    fine = _worst(size, [v.lost for v in levels[:FINE]])
    coarse = _worst(size, [v.lost for v in levels[FINE:]])
    noise = _worst(size, [v.alien for v in levels[:FINE]])
    halo = _worst(size, [v.exaggerated for v in levels] + [v.alien for v in levels[FINE:]])
    if off is not None:
        # Tones are off as well where detail is lost: that is no halo.
        wrong = _worst(size, [ramp(np.abs(off), (0.0, _SURE))])
        halo = np.maximum(halo, wrong * (1 - np.maximum(np.maximum(fine, coarse), noise)))
    cut_off = mean((layers.range <= _FLAT).astype(np.float32), _NEARBY)
    clipping = ramp(cut_off, _CUT_OFF) * np.maximum(fine, coarse)
    sound = 1 - clipping
    return Damage(
        {
            "detail": fine * sound,
            "target": coarse * sound,
            "noise": noise,
            "halo": halo,
            "clipping": clipping,
        }
    )


def _worst(size: tuple[int, ...], maps: list[Layer]) -> Layer:
    """Return the largest of maps of several levels, place by place, (H, W)."""
    worst = np.zeros(size, np.float32)
    for found in maps:
        if found.shape == size:
            worst = np.maximum(worst, found)
        elif found.any():
            full = cv2.resize(found, size[::-1], interpolation=cv2.INTER_LINEAR)
            worst = np.maximum(worst, np.asarray(full))
    return worst

"""Structural similarity of an exposure fusion with all of its K exposures.

    MEF-SSIM = (prod_j q_j^b_j)^(1 / sum b),   q = mean (2 s_rf + C) / (s_r^2 + s_f^2 + C)

over 11 x 11 windows at three scales (2 x 2 means between them); s are moments under a Gaussian of
sigma 1.5, C = (0.03 255)^2. Negative q count as 0 in the product. The wanted patch r of a window is

    r = max_k e_k  z / ||z||,   z = sum_k w_k (x_k - m_k) / e_k,   e_k = ||x_k - m_k|| + 0.001
    w_k ~ (e_k / 11)^p + eps,   p = min(tan(pi R / 2), 10)
    R = ||sum_k (x_k - m_k)|| / sum_k ||x_k - m_k||

with plain patch means m_k and norms. (Ma, Zeng, Wang 2015.)

As r = sum_k g_k (x_k - m_k), its moments follow from those of the exposures: s_r^2 from the
covariances of all pairs, once a scene; s_rf = sum_k g_k s_kf, once a candidate. Box sums are exact
for 8-bit images at every scale, so flat patches are recognised as such.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fusionlab.metrics._jit import kernel
from fusionlab.metrics._pyramid import halved
from fusionlab.metrics._similarity import CENTRE, GAUSSIAN
from fusionlab.metrics._window import (
    BLOCK,
    STRIDE,
    TILE,
    moments_block,
    scratch,
    smooth,
    unrolled,
)
from fusionlab.metrics.base import Family, Floats, Gray, Metric, Scene, Wanted

SIDE = GAUSSIAN.size
COUNT = SIDE * SIDE
ONES = np.ones(SIDE)
K = 0.03
C = (K * 255.0) ** 2
FLOOR = 0.001
STEEPEST = 10.0
EXPONENTS = (0.0448, 0.2856, 0.3001)
EPS = float(np.finfo(np.float64).eps)
MA = "Ma, Zeng, Wang 2015"

METRICS = (
    Metric(
        name="MEF_SSIM",
        title="Structural similarity of an exposure fusion with all exposures, three scales",
        formula="(q1^.0448 q2^.2856 q3^.3001)^(1/.6305), q = mean (2 s_rf + C)/(s_r^2 + s_f^2 + C)",
        source=MA,
        range=(0.0, 1.0),
        min_side=44,
        constants={"K": K, "L": 255.0, "sigma": 1.5}
        | {f"b{j}": b for j, b in enumerate(EXPONENTS, 1)},
    ),
    Metric(
        name="MEF_SSIM_1s",
        title="Structural similarity of an exposure fusion with all exposures, finest scale",
        formula="mean (2 s_rf + C)/(s_r^2 + s_f^2 + C)",
        source=MA,
        range=(-1.0, 1.0),
        min_side=SIDE,
        constants={"K": K, "L": 255.0, "sigma": 1.5},
    ),
)


@dataclass(frozen=True)
class Pair:
    """Two exposures at one scale, their local means (less CENTRE) and gains g in r."""

    a: Floats
    b: Floats
    mean_a: Floats
    gain_a: Floats
    mean_b: Floats
    gain_b: Floats


@dataclass(frozen=True)
class Level:
    """One scale: the exposures two by two, and s_r^2 + C."""

    pairs: tuple[Pair, ...]
    power: Floats

    def quality(self, fused: Floats) -> float:
        """Return q."""
        cross = np.zeros(self.power.shape)
        total = 0.0
        for p in self.pairs:
            maps = p.mean_a, p.gain_a, p.mean_b, p.gain_b
            total = patch_quality(
                fused, p.a, p.b, *maps, self.power, cross, GAUSSIAN, unrolled(GAUSSIAN)
            )
        return total / self.power.size


def prepare(scene: Scene, wanted: Wanted) -> tuple[Level, ...]:
    """Work out the wanted patches at every scale."""
    images = [np.asarray(x, dtype=np.float64) for x in scene.shots or scene.sources]
    levels = [_level(images)]
    if "MEF_SSIM" in wanted:
        for _ in EXPONENTS[1:]:
            images = [halved(x) for x in images]
            levels.append(_level(images))
    return tuple(levels)


def compute(state: tuple[Level, ...], fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones of MEF_SSIM and MEF_SSIM_1s."""
    image = np.asarray(fused, dtype=np.float64)
    finest, *coarser = state
    qualities = [finest.quality(image)]
    for level in coarser:
        image = halved(image)
        qualities.append(level.quality(image))
    values = {"MEF_SSIM_1s": qualities[0]}
    if "MEF_SSIM" in wanted:
        powers = [b / sum(EXPONENTS) for b in EXPONENTS]
        factors = [max(q, 0.0) ** b for q, b in zip(qualities, powers, strict=True)]
        values["MEF_SSIM"] = math.prod(factors)
    return {name: values[name] for name in wanted}


def _level(images: list[Floats]) -> Level:
    centred = [x - CENTRE for x in images]
    means = [smooth(x, GAUSSIAN, 1) for x in centred]
    gains, power = _wanted_patch(centred, means)
    if len(images) % 2:
        images, means = [*images, images[-1]], [*means, means[-1]]
        gains = [*gains, np.zeros_like(gains[-1])]
    pairs = tuple(
        Pair(images[i], images[i + 1], means[i], gains[i], means[i + 1], gains[i + 1])
        for i in range(0, len(images), 2)
    )
    return Level(pairs, power + C)


def _wanted_patch(images: list[Floats], means: list[Floats]) -> tuple[list[Floats], Floats]:
    """Return each exposure's g, and s_r^2, from the exposures and their Gaussian means."""
    sums = [smooth(x, ONES, 1) for x in images]
    norms = [np.sqrt(_covariance(x, x, s, s)) for x, s in zip(images, sums, strict=True)]
    energies = [n + FLOOR for n in norms]
    strongest = np.maximum.reduce(energies)
    exponent = _exponent(images, sums, norms)
    weights = [(e / SIDE) ** exponent + EPS for e in energies]
    total = _total(weights)
    parts = [w / (total * e) for w, e in zip(weights, energies, strict=True)]
    square, power = np.zeros_like(strongest), np.zeros_like(strongest)
    for k, x in enumerate(images):
        for m in range(k + 1):
            both = (1 if m == k else 2) * parts[k] * parts[m]
            square += both * _covariance(x, images[m], sums[k], sums[m])
            local = smooth(x * images[m], GAUSSIAN, 1) - means[k] * means[m]
            power += both * local
    flat = square <= 0
    scale = np.where(flat, 0.0, strongest / np.sqrt(np.where(flat, 1.0, square)))
    return [scale * p for p in parts], np.maximum(scale * scale * power, 0.0)


def _covariance(x: Floats, y: Floats, sum_x: Floats, sum_y: Floats) -> Floats:
    """Return sum (x - mean)(y - mean) over each patch; at least 0 for x = y."""
    total = (COUNT * smooth(x * y, ONES, 1) - sum_x * sum_y) / COUNT
    return np.maximum(total, 0.0) if x is y else total


def _exponent(images: list[Floats], sums: list[Floats], norms: list[Floats]) -> Floats:
    """Return p; patches that are flat in every exposure count as consistent, R = 1."""
    mixed, mixed_sum, apart = _total(images), _total(sums), _total(norms)
    together = np.sqrt(_covariance(mixed, mixed, mixed_sum, mixed_sum))
    ratio = np.where(apart > 0, together / np.where(apart > 0, apart, 1.0), 1.0)
    # where R = 1 up to rounding the tangent has either sign
    return np.minimum(np.tan(np.pi / 2 * np.minimum(ratio, 1.0 - EPS)), STEEPEST)


def _total(maps: list[Floats]) -> Floats:
    return np.asarray(np.add.reduce(maps))


@kernel
def patch_quality(
    f: Floats,
    a: Floats,
    b: Floats,
    mean_a: Floats,
    gain_a: Floats,
    mean_b: Floats,
    gain_b: Floats,
    power: Floats,
    cross: Floats,
    taps: Floats,
    count: tuple[int, ...],
) -> float:
    """Add the pair's share of s_rf to `cross`; return the sum of quality over all windows."""
    height, width = power.shape
    line, buffer, block = scratch(count)
    centre = np.full(3, CENTRE)
    total = 0.0
    for left in range(0, width, TILE):
        w = min(TILE, width - left)
        for top in range(0, height, BLOCK):
            rows = min(BLOCK, height - top)
            moments_block(f, a, b, centre, top, left, rows, w, taps, count, line, buffer, block)
            for j in range(rows):
                y, row, out = top + j, block[j * STRIDE :], cross[top + j, left:]
                add_covariance(row, row[2 * TILE :], mean_a[y, left:], gain_a[y, left:], out, w)
                add_covariance(row, row[3 * TILE :], mean_b[y, left:], gain_b[y, left:], out, w)
                total += quality_row(row, out, power[y, left:], w)
    return total


@kernel
def add_covariance(
    row: Floats, product: Floats, mean: Floats, gain: Floats, cross: Floats, width: int
) -> None:
    """Add gain s_kf to one row of `cross`."""
    for x in range(width):
        cross[x] += gain[x] * (product[x] - row[x] * mean[x])


@kernel
def quality_row(row: Floats, cross: Floats, power: Floats, width: int) -> float:
    """Return the sum of quality over one row of windows."""
    total = 0.0
    for x in range(width):
        s_ff = max(row[TILE + x] - row[x] * row[x], 0.0)
        total += (2.0 * cross[x] + C) / (power[x] + s_ff)
    return total


FAMILY = Family("mef_ssim", METRICS, prepare, compute)

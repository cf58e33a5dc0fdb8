"""Structural similarity to the source that matters locally: QS, QW (Piella), QY (Yang).

    S_X = (2 mu_X mu_F + C1) (2 s_XF + C2) / ((mu_X^2 + mu_F^2 + C1) (s_XX + s_FF + C2))
    share = s_AA / (s_AA + s_BB)
    q   = share S_A + (1 - share) S_B
    QS  = mean of q
    QW  = sum(c q) / sum(c),                                   c = max(s_AA, s_BB)
    QY  = mean of q where S_AB >= 0.75, of max(S_A, S_B) elsewhere

Windows are Gaussian with sigma 1.5, `valid`: 11 x 11, C1 = 2.55^2 and C2 = 7.65^2 for QS and QW;
7 x 7, C1 = C2 = 2e-16 for QY. Variances below 1e-9 are rounding and count as 0. Where both sources
are flat, QS and QW take both variances as 1/2 (and so c); the share that QY needs is undefined: a
window that would need it is left out of the mean, and QY is nan if none is left. (Piella and
Heijmans 2003; Yang, Zhang, Wang, Liu 2008; constants as by Liu et al. 2012.)
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fusionlab.metrics._jit import inlined, kernel
from fusionlab.metrics._window import (
    BLOCK,
    STRIDE,
    TILE,
    gaussian,
    moments_block,
    scratch,
    smooth,
    unrolled,
)
from fusionlab.metrics.base import Family, Floats, Gray, Metric, Scene, Wanted

CENTRE = 128.0
FLAT = 1e-9
ALIKE = 0.75
PIELLA = gaussian(11, 1.5), (2.55**2, 7.65**2)
YANG = gaussian(7, 1.5), (2e-16, 2e-16)

METRICS = (
    Metric(
        name="QS",
        title="Similarity to the sources, shared out by their local variances",
        formula="mean of share S_A + (1 - share) S_B, Gaussian 11 x 11 sigma 1.5, L = 255",
        source="Piella, Heijmans 2003; as by Liu et al. 2012",
        range=(-1.0, 1.0),
        min_side=11,
        constants={"K1": 0.01, "K2": 0.03, "L": 255.0, "sigma": 1.5},
    ),
    Metric(
        name="QW",
        title="Similarity to the sources, weighted by the larger local variance",
        formula="mean of share S_A + (1 - share) S_B, weighted by max(s_AA, s_BB)",
        source="Piella, Heijmans 2003; as by Liu et al. 2012",
        range=(-1.0, 1.0),
        min_side=11,
        constants={"K1": 0.01, "K2": 0.03, "L": 255.0, "sigma": 1.5},
    ),
    Metric(
        name="QY",
        title="Similarity to both sources where they agree, to the better one elsewhere",
        formula="mean of share S_A + (1 - share) S_B where S_AB >= 0.75, else max(S_A, S_B)",
        source="Yang, Zhang, Wang, Liu 2008; as by Liu et al. 2012",
        nan_when="every window is flat in both sources",
        range=(-1.0, 1.0),
        min_side=7,
        constants={"C": 2e-16, "threshold": ALIKE, "sigma": 1.5},
    ),
)


@dataclass(frozen=True)
class Mixture:
    """Two images less CENTRE, their local means and variances, and how to mix their similarities.

    share : of a, 0..1; below 0 where the larger similarity is taken.
    weight : of each window in the weighted sum.
    """

    a: Floats
    b: Floats
    mean_a: Floats
    var_a: Floats
    mean_b: Floats
    var_b: Floats
    share: Floats
    weight: Floats
    taps: Floats
    constants: Floats

    def sums(self, fused: Floats) -> tuple[float, float]:
        """Return the sum of q over all windows, plain and weighted."""
        maps = self.mean_a, self.var_a, self.mean_b, self.var_b, self.share, self.weight
        plain, weighted = mixed_similarity(
            fused, self.a, self.b, *maps, self.constants, self.taps, unrolled(self.taps)
        )
        return float(plain), float(weighted)

    def map(self, fused: Floats) -> Floats:
        """Return q, window by window, of a fused image less CENTRE."""
        maps = self.mean_a, self.var_a, self.mean_b, self.var_b, self.share
        taps = self.taps
        return np.asarray(
            mixed_map(fused, self.a, self.b, *maps, self.constants, taps, unrolled(taps))
        )


@dataclass(frozen=True)
class State:
    """What the wanted metrics need of the sources."""

    piella: Mixture | None
    yang: Mixture | None


def prepare(scene: Scene, wanted: Wanted) -> State:
    """Compute local means, variances, shares and weights of the sources."""
    return State(
        _mixture(scene, *PIELLA, yang=False) if wanted & {"QS", "QW"} else None,
        _mixture(scene, *YANG, yang=True) if "QY" in wanted else None,
    )


def compute(state: State, fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones of QS, QW and QY."""
    f = _centred(fused)
    values: dict[str, float] = {}
    if state.piella is not None:
        plain, weighted = state.piella.sums(f)
        weight = state.piella.weight
        values |= {"QS": plain / weight.size, "QW": weighted / float(weight.sum())}
    if state.yang is not None:
        left = float(state.yang.weight.sum())
        values["QY"] = state.yang.sums(f)[1] / left if left else float("nan")
    return {name: values[name] for name in wanted}


def _centred(image: Gray) -> Floats:
    return np.subtract(image, CENTRE, dtype=np.float64)


def _mixture(scene: Scene, taps: Floats, constants: tuple[float, float], *, yang: bool) -> Mixture:
    a, b = _centred(scene.a), _centred(scene.b)
    (mean_a, var_a), (mean_b, var_b) = _statistics(a, taps), _statistics(b, taps)
    limits = np.array([*constants, FLAT])
    flat = (var_a == 0) & (var_b == 0)
    half_a, half_b = np.where(flat, 0.5, var_a), np.where(flat, 0.5, var_b)
    share, weight = half_a / (half_a + half_b), np.maximum(half_a, half_b)
    if yang:
        covariance = smooth(a * b, taps, 1) - mean_a * mean_b
        maps = mean_a, var_a, mean_b, var_b
        alike = source_similarity(*maps, covariance, limits) >= ALIKE
        share, weight = np.where(alike, share, -1.0), np.where(alike & flat, 0.0, 1.0)
    return Mixture(a, b, mean_a, var_a, mean_b, var_b, share, weight, taps, limits)


def _statistics(x: Floats, taps: Floats) -> tuple[Floats, Floats]:
    mean = smooth(x, taps, 1)
    variance = smooth(x * x, taps, 1) - mean * mean
    variance[variance < FLAT] = 0.0
    return mean, variance


@inlined
def similarity(
    mean_x: float, var_x: float, mean_f: float, var_f: float, cov: float, limits: Floats
) -> float:
    """Return S of one window from its moments; means are less CENTRE."""
    c1, c2 = limits[0], limits[1]
    mx, mf = mean_x + CENTRE, mean_f + CENTRE
    # what has no variance has no covariance
    cov = cov if var_x > 0.0 and var_f > 0.0 else 0.0
    top = (2.0 * mx * mf + c1) * (2.0 * cov + c2)
    bottom = (mx * mx + mf * mf + c1) * (var_x + var_f + c2)
    return top / bottom  # type: ignore[no-any-return]


@kernel
def source_similarity(
    mean_a: Floats, var_a: Floats, mean_b: Floats, var_b: Floats, cov: Floats, limits: Floats
) -> Floats:
    """Return S of the sources with each other, window by window."""
    out = np.empty(cov.shape)
    for y in range(cov.shape[0]):
        for x in range(cov.shape[1]):
            out[y, x] = similarity(
                mean_a[y, x], var_a[y, x], mean_b[y, x], var_b[y, x], cov[y, x], limits
            )
    return out


@kernel
def similarity_row(
    row: Floats, mean_x: Floats, var_x: Floats, cross: int, width: int, limits: Floats, out: Floats
) -> None:
    """Fill `out` with S of one row of windows; map `cross` of `row` is h * (F X)."""
    for x in range(width):
        mu = row[x]
        var = row[TILE + x] - mu * mu
        var = var if var >= limits[2] else 0.0
        cov = row[cross * TILE + x] - mu * mean_x[x]
        out[x] = similarity(mean_x[x], var_x[x], mu, var, cov, limits)


@kernel
def mixed_similarity(
    f: Floats,
    a: Floats,
    b: Floats,
    mean_a: Floats,
    var_a: Floats,
    mean_b: Floats,
    var_b: Floats,
    share: Floats,
    weight: Floats,
    limits: Floats,
    taps: Floats,
    count: tuple[int, ...],
) -> tuple[float, float]:
    """Return the sum of q over all windows, plain and weighted; f, a and b are less CENTRE."""
    height, width = mean_a.shape
    line, buffer, block = scratch(count)
    centre = np.zeros(3)
    s_a, s_b = np.empty(TILE), np.empty(TILE)
    plain = weighted = 0.0
    for left in range(0, width, TILE):
        w = min(TILE, width - left)
        for top in range(0, height, BLOCK):
            rows = min(BLOCK, height - top)
            moments_block(f, a, b, centre, top, left, rows, w, taps, count, line, buffer, block)
            for j in range(rows):
                y, row = top + j, block[j * STRIDE :]
                similarity_row(row, mean_a[y, left:], var_a[y, left:], 2, w, limits, s_a)
                similarity_row(row, mean_b[y, left:], var_b[y, left:], 3, w, limits, s_b)
                parts, weights = share[y, left:], weight[y, left:]
                for x in range(w):
                    part = parts[x]
                    mixed = part * s_a[x] + (1.0 - part) * s_b[x]
                    q = mixed if part >= 0.0 else max(s_a[x], s_b[x])
                    plain += q
                    weighted += weights[x] * q
    return plain, weighted


@kernel
def mixed_map(
    f: Floats,
    a: Floats,
    b: Floats,
    mean_a: Floats,
    var_a: Floats,
    mean_b: Floats,
    var_b: Floats,
    share: Floats,
    limits: Floats,
    taps: Floats,
    count: tuple[int, ...],
) -> Floats:
    """Return q window by window; f, a and b are less CENTRE."""
    height, width = mean_a.shape
    line, buffer, block = scratch(count)
    centre = np.zeros(3)
    s_a, s_b = np.empty(TILE), np.empty(TILE)
    out = np.empty((height, width))
    for left in range(0, width, TILE):
        w = min(TILE, width - left)
        for top in range(0, height, BLOCK):
            rows = min(BLOCK, height - top)
            moments_block(f, a, b, centre, top, left, rows, w, taps, count, line, buffer, block)
            for j in range(rows):
                y, row = top + j, block[j * STRIDE :]
                similarity_row(row, mean_a[y, left:], var_a[y, left:], 2, w, limits, s_a)
                similarity_row(row, mean_b[y, left:], var_b[y, left:], 3, w, limits, s_b)
                parts, found = share[y, left:], out[y, left:]
                for x in range(w):
                    mixed = parts[x] * s_a[x] + (1.0 - parts[x]) * s_b[x]
                    found[x] = mixed if parts[x] >= 0.0 else max(s_a[x], s_b[x])
    return out


FAMILY = Family("locality", METRICS, prepare, compute)

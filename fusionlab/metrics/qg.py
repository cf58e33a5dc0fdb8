"""Xydeas and Petrovic's edge transfer as Liu et al. compute it, QG.

    g = sqrt(Sx^2 + Sy^2),  alpha = atan(Sy / Sx)                        Sobel, zeros outside
    G = min(gF, gX) / max(gF, gX),   D = | |alpha_X - alpha_F| - pi/2 | / (pi/2)
    Q_X = 1 / (1 + exp(-10 (G - 0.5)))  *  1 / (1 + exp(-20 (D - 0.75)))
    QG = mean of (Q_A g_A + Q_B g_B) / (g_A + g_B)

It differs from Qabf in its constants, in the angle, which is wrapped, and in the mean over pixels,
where flat ones count as much as edges. A zero is taken as 0.00001: Sx and g of the sources always,
g of F wherever it is the larger one or is divided by the g of B, but not where it is divided by
that of A. So QG is not exactly symmetric. (Xydeas and Petrovic 2000; Liu et al. 2012.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fusionlab.metrics._jit import inlined, kernel
from fusionlab.metrics._sobel import sobel_rows
from fusionlab.metrics._steps import atan_ratio, exp_bounded
from fusionlab.metrics.base import Family, Floats, Gray, Metric, Scene, Wanted

ZERO = 0.00001

METRICS = (
    Metric(
        name="QG",
        title="Edge information transferred from the sources, as in Liu's comparison",
        formula="mean of (Q_A g_A + Q_B g_B) / (g_A + g_B), Q = sigmoid(G) sigmoid(D)",
        source="Xydeas, Petrovic 2000; as by Liu et al. 2012",
        range=(0.0, 1.0),
        symmetric=False,
        constants={"k_g": -10.0, "s_g": 0.5, "k_a": -20.0, "s_a": 0.75, "zero": ZERO},
    ),
)


@dataclass(frozen=True)
class State:
    """Gradient strength and orientation of both sources, all (H, W)."""

    g_a: Floats
    alpha_a: Floats
    g_b: Floats
    alpha_b: Floats

    def map(self, fused: Gray) -> Floats:
        """Return what QG is the mean of, pixel by pixel, (H, W)."""
        return np.asarray(transfer_map(fused, self.g_a, self.alpha_a, self.g_b, self.alpha_b))


def prepare(scene: Scene, _wanted: Wanted) -> State:
    """Compute the gradients of the sources."""
    return State(*source_edges(scene.a), *source_edges(scene.b))


def compute(state: State, fused: Gray, _wanted: Wanted) -> dict[str, float]:
    """Return QG."""
    kept = mean_transfer(fused, state.g_a, state.alpha_a, state.g_b, state.alpha_b)
    return {"QG": float(kept) / fused.size}


@kernel
def oriented_row(s: Floats, d: Floats, g: Floats, alpha: Floats) -> None:
    """Fill one row of strength and orientation from the column sums and differences."""
    for x in range(g.size):
        sx = s[x + 2] - s[x]
        sy = d[x] + 2.0 * d[x + 1] + d[x + 2]
        g[x] = math.sqrt(sx * sx + sy * sy)
        alpha[x] = atan_ratio(sy, sx if sx != 0.0 else ZERO)


@kernel
def source_edges(image: Gray) -> tuple[Floats, Floats]:
    """Return gradient strength and orientation of an image, both (H, W)."""
    height, width = image.shape
    g, alpha = np.empty((height, width)), np.empty((height, width))
    s, d = np.empty(width + 2), np.empty(width + 2)
    for y in range(height):
        sobel_rows(image, y, False, s, d)
        oriented_row(s, d, g[y], alpha[y])
    return g, alpha


@inlined
def transfer(g_f: float, alpha_f: float, g_x: float, alpha_x: float) -> float:
    """Return Q_X of one pixel; a g_f of 0 is only met where it is to stay 0."""
    some_x = g_x if g_x > 0.0 else ZERO
    some_f = g_f if g_f > 0.0 else ZERO
    above = g_x > g_f
    strength = (g_f if above else some_x) / (some_x if above else some_f)
    orientation = abs(abs(alpha_x - alpha_f) * (2.0 / math.pi) - 1.0)
    e_g = exp_bounded(-10.0 * (strength - 0.5))
    e_a = exp_bounded(-20.0 * (orientation - 0.75))
    return 1.0 / ((1.0 + e_g) * (1.0 + e_a))


@kernel
def mean_transfer(fused: Gray, g_a: Floats, alpha_a: Floats, g_b: Floats, alpha_b: Floats) -> float:
    """Return the sum over pixels of (Q_A g_A + Q_B g_B) / (g_A + g_B)."""
    height, width = fused.shape
    s, d = np.empty(width + 2), np.empty(width + 2)
    g, alpha = np.empty(width), np.empty(width)
    total = 0.0
    for y in range(height):
        sobel_rows(fused, y, False, s, d)
        oriented_row(s, d, g, alpha)
        ga, aa, gb, ab = g_a[y], alpha_a[y], g_b[y], alpha_b[y]
        for x in range(width):
            q_a = transfer(g[x], alpha[x], ga[x], aa[x])
            q_b = transfer(g[x] if g[x] > 0.0 else ZERO, alpha[x], gb[x], ab[x])
            w_a = ga[x] if ga[x] > 0.0 else ZERO
            w_b = gb[x] if gb[x] > 0.0 else ZERO
            total += (q_a * w_a + q_b * w_b) / (w_a + w_b)
    return total


@kernel
def transfer_map(fused: Gray, g_a: Floats, alpha_a: Floats, g_b: Floats, alpha_b: Floats) -> Floats:
    """Return (Q_A g_A + Q_B g_B) / (g_A + g_B), (H, W)."""
    height, width = fused.shape
    s, d = np.empty(width + 2), np.empty(width + 2)
    g, alpha = np.empty(width), np.empty(width)
    out = np.empty((height, width))
    for y in range(height):
        sobel_rows(fused, y, False, s, d)
        oriented_row(s, d, g, alpha)
        ga, aa, gb, ab, row = g_a[y], alpha_a[y], g_b[y], alpha_b[y], out[y]
        for x in range(width):
            q_a = transfer(g[x], alpha[x], ga[x], aa[x])
            q_b = transfer(g[x] if g[x] > 0.0 else ZERO, alpha[x], gb[x], ab[x])
            w_a = ga[x] if ga[x] > 0.0 else ZERO
            w_b = gb[x] if gb[x] > 0.0 else ZERO
            row[x] = (q_a * w_a + q_b * w_b) / (w_a + w_b)
    return out


FAMILY = Family("qg", METRICS, prepare, compute)

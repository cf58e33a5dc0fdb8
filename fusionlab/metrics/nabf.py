"""Fusion artifacts: the modified Nabf of Shreyamsha Kumar.

    g = sqrt(sh^2 + sv^2),  alpha = atan(sh / sv) (0 where g = 0)     Sobel / 8, mirrored border
    G = min(gF, gX) / max(gF, gX);  0 where either is 0
    D = | |alpha_X - alpha_F| - pi/2 | / (pi/2)
    Q_X = sqrt(0.9999 / (1 + exp(-19 (G - 0.5)))  *  0.9995 / (1 + exp(-22 (D - 0.5))))
    w_X = g_X^1.5 where g_X >= 2, else 0.001
    Nabf = sum over gF > max(gA, gB) of (1 - Q_A) w_A + (1 - Q_B) w_B,  over sum(w_A + w_B)

Edges that are stronger in the fused image than in both sources count as artifacts, as far as the
sources do not explain them. The threshold 2 belongs to the 0..255 scale. (Shreyamsha Kumar 2013.)

The mirror does not repeat the border pixel: row -1 is row 1. The orientation counts from the
vertical: that shows only where a flat source, of orientation 0, meets an edge in the fused image.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fusionlab.metrics._jit import inlined, kernel
from fusionlab.metrics._steps import atan_ratio, exp_bounded
from fusionlab.metrics.base import Family, Floats, Gray, Metric, Scene, Wanted

STRENGTH = (0.9999, -19.0, 0.5)
ORIENTATION = (0.9995, -22.0, 0.5)
GAMMA = math.sqrt(STRENGTH[0] * ORIENTATION[0])
SOBEL_SUM = 8.0
THRESHOLD = 2.0
POWER = 1.5
FLOOR = 0.001

METRICS = (
    Metric(
        name="Nabf",
        title="Fusion artifacts: edges that the sources do not explain",
        formula="sum over gF > max(gA,gB) of (1-Q_A) w_A + (1-Q_B) w_B, over sum(w_A + w_B)",
        source="Shreyamsha Kumar 2013",
        direction="lower",
        range=(0.0, 1.0),
        constants={
            "N_g": STRENGTH[0],
            "k_g": STRENGTH[1],
            "s_g": STRENGTH[2],
            "N_a": ORIENTATION[0],
            "k_a": ORIENTATION[1],
            "s_a": ORIENTATION[2],
            "T_d": THRESHOLD,
            "L": POWER,
            "w_min": FLOOR,
        },
    ),
)


@dataclass(frozen=True)
class Edges:
    """Gradient strength, orientation and weight of one source, all (H, W)."""

    g: Floats
    alpha: Floats
    weight: Floats


@dataclass(frozen=True)
class State:
    """Edges of both sources, and the sum of all weights."""

    a: Edges
    b: Edges
    total: float


def prepare(scene: Scene, _wanted: Wanted) -> State:
    """Compute the edges of the sources."""
    a, b = _edges(scene.a), _edges(scene.b)
    return State(a, b, float(a.weight.sum() + b.weight.sum()))


def compute(state: State, fused: Gray, _wanted: Wanted) -> dict[str, float]:
    """Return Nabf."""
    a, b = state.a, state.b
    lost = artifacts(fused, a.g, a.alpha, a.weight, b.g, b.alpha, b.weight)
    return {"Nabf": float(lost) / state.total}


def _edges(image: Gray) -> Edges:
    g, alpha = mirrored_edges(image)
    weight = np.where(g >= THRESHOLD, g * np.sqrt(g), FLOOR)
    return Edges(g, alpha, weight)


@kernel
def mirrored_edge_row(image: Gray, y: int, s: Floats, d: Floats, g: Floats, alpha: Floats) -> None:
    """Fill strength and orientation of row y; s and d, each (W + 2,), are scratch."""
    height, width = image.shape
    above = image[y - 1 if y > 0 else 1]
    here = image[y]
    below = image[y + 1 if y < height - 1 else height - 2]
    for x in range(width):
        p, q = np.float64(above[x]), np.float64(below[x])
        s[x + 1] = p + 2.0 * np.float64(here[x]) + q
        d[x + 1] = q - p
    s[0], d[0] = s[2], d[2]
    s[width + 1], d[width + 1] = s[width - 1], d[width - 1]
    for x in range(width):
        sx = s[x + 2] - s[x]
        sy = d[x] + 2.0 * d[x + 1] + d[x + 2]
        g[x] = math.sqrt(sx * sx + sy * sy) / SOBEL_SUM
        # atan_ratio gives pi/2 at zero gradient, where 0 is wanted; the sign of pi/2 cancels in D
        alpha[x] = atan_ratio(sx, sy) if g[x] > 0.0 else 0.0


@kernel
def mirrored_edges(image: Gray) -> tuple[Floats, Floats]:
    """Return gradient strength and orientation of an image, both (H, W)."""
    height, width = image.shape
    g, alpha = np.empty((height, width)), np.empty((height, width))
    s, d = np.empty(width + 2), np.empty(width + 2)
    for y in range(height):
        mirrored_edge_row(image, y, s, d, g[y], alpha[y])
    return g, alpha


@inlined
def unexplained(g_f: float, alpha_f: float, g_x: float, alpha_x: float) -> float:
    """Return 1 - Q_X of one pixel with g_f > g_x."""
    strength = g_x / (g_f if g_f > 0.0 else 1.0)
    orientation = abs(abs(alpha_x - alpha_f) * (2.0 / math.pi) - 1.0)
    e_g = exp_bounded(-19.0 * (strength - 0.5))
    e_a = exp_bounded(-22.0 * (orientation - 0.5))
    return 1.0 - GAMMA / math.sqrt((1.0 + e_g) * (1.0 + e_a))


@kernel
def artifacts(
    fused: Gray,
    g_a: Floats,
    alpha_a: Floats,
    w_a: Floats,
    g_b: Floats,
    alpha_b: Floats,
    w_b: Floats,
) -> float:
    """Return the sum of (1 - Q_A) w_A + (1 - Q_B) w_B over the pixels of artifacts."""
    height, width = fused.shape
    s, d = np.empty(width + 2), np.empty(width + 2)
    g, alpha = np.empty(width), np.empty(width)
    total = 0.0
    for y in range(height):
        mirrored_edge_row(fused, y, s, d, g, alpha)
        ga, aa, wa = g_a[y], alpha_a[y], w_a[y]
        gb, ab, wb = g_b[y], alpha_b[y], w_b[y]
        for x in range(width):
            lost = wa[x] * unexplained(g[x], alpha[x], min(ga[x], g[x]), aa[x])
            lost += wb[x] * unexplained(g[x], alpha[x], min(gb[x], g[x]), ab[x])
            total += lost if g[x] > max(ga[x], gb[x]) else 0.0
    return total


FAMILY = Family("nabf", METRICS, prepare, compute)

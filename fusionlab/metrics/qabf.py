"""Xydeas and Petrovic's edge transfer, Qabf.

    g = sqrt(Sx^2 + Sy^2),  alpha = atan(Sy / Sx) (pi/2 where Sx = 0)        Sobel, zeros outside
    G = min(gF, gX) / max(gF, gX);  gF where both are equal
    D = 1 - |alpha_X - alpha_F| / (pi / 2)
    Q_X = 0.9994 / (1 + exp(-15 (G - 0.5)))  *  0.9879 / (1 + exp(-22 (D - 0.8)))
    Qabf = sum(Q_A g_A + Q_B g_B) / sum(g_A + g_B)

Sx is left minus right and Sy below minus above: the other sign would show wherever only one of two
Sx is 0. The angle difference is not wrapped, and equal gradients give G = gF: every public code
does so, and the published numbers depend on it. (Xydeas and Petrovic 2000.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fusionlab.metrics._jit import inlined, kernel
from fusionlab.metrics._sobel import sobel_rows
from fusionlab.metrics._steps import HALF_PI, atan_ratio, exp_bounded
from fusionlab.metrics.base import Family, Floats, Gray, Metric, Scene, Wanted

STRENGTH = (0.9994, -15.0, 0.5)
ORIENTATION = (0.9879, -22.0, 0.8)
GAMMA = STRENGTH[0] * ORIENTATION[0]

METRICS = (
    Metric(
        name="Qabf",
        title="Edge information transferred from the sources",
        formula="sum(Q_A g_A + Q_B g_B) / sum(g_A + g_B), Q = sigmoid(G) sigmoid(D)",
        source="Xydeas, Petrovic 2000",
        range=(0.0, 1.0),
        min_side=3,
        nan_when="both sources are black: no gradient at all",
        constants={
            "Gamma_g": 0.9994,
            "kappa_g": -15.0,
            "sigma_g": 0.5,
            "Gamma_a": 0.9879,
            "kappa_a": -22.0,
            "sigma_a": 0.8,
        },
    ),
)


@dataclass(frozen=True)
class State:
    """Gradient strength and orientation of both sources, and the sum of both strengths."""

    g_a: Floats
    alpha_a: Floats
    g_b: Floats
    alpha_b: Floats
    total: float


def prepare(scene: Scene, _wanted: Wanted) -> State:
    """Compute the gradients of the sources."""
    (g_a, alpha_a), (g_b, alpha_b) = edges(scene.a), edges(scene.b)
    return State(g_a, alpha_a, g_b, alpha_b, float(g_a.sum() + g_b.sum()))


def compute(state: State, fused: Gray, _wanted: Wanted) -> dict[str, float]:
    """Return Qabf; nan if neither source has any gradient."""
    if state.total == 0:
        return {"Qabf": float("nan")}
    kept = transferred(fused, state.g_a, state.alpha_a, state.g_b, state.alpha_b)
    return {"Qabf": float(kept) / state.total}


@inlined
def preserved(g_f: float, alpha_f: float, g_x: float, alpha_x: float) -> float:
    """Return Q_X of one pixel without its factor 0.9994 * 0.9879."""
    small, large = min(g_f, g_x), max(g_f, g_x)
    ratio = small / (large if large > 0.0 else 1.0)
    # beyond 3 the sigmoid is 1 to the last bit
    strength = min(g_f, 3.0) if g_f == g_x else ratio
    orientation = 1.0 - abs(alpha_x - alpha_f) * (1.0 / HALF_PI)
    e_g = exp_bounded(-15.0 * (strength - 0.5))
    e_a = exp_bounded(-22.0 * (orientation - 0.8))
    return 1.0 / ((1.0 + e_g) * (1.0 + e_a))


@kernel
def edges(image: Gray) -> tuple[Floats, Floats]:
    """Return gradient strength and orientation of an image, both (H, W)."""
    height, width = image.shape
    g, alpha = np.empty((height, width)), np.empty((height, width))
    s, d = np.empty(width + 2), np.empty(width + 2)
    for y in range(height):
        sobel_rows(image, y, False, s, d)
        edge_row(s, d, g[y], alpha[y])
    return g, alpha


@kernel
def edge_row(s: Floats, d: Floats, g: Floats, alpha: Floats) -> None:
    """Fill one row of strength and orientation from the column sums and differences."""
    for x in range(g.size):
        sx = s[x] - s[x + 2]
        sy = d[x] + 2.0 * d[x + 1] + d[x + 2]
        g[x] = math.sqrt(sx * sx + sy * sy)
        alpha[x] = atan_ratio(sy, sx)


@kernel
def transferred(fused: Gray, g_a: Floats, alpha_a: Floats, g_b: Floats, alpha_b: Floats) -> float:
    """Return sum(Q_A g_A + Q_B g_B)."""
    height, width = fused.shape
    s, d = np.empty(width + 2), np.empty(width + 2)
    g, alpha = np.empty(width), np.empty(width)
    total = 0.0
    for y in range(height):
        sobel_rows(fused, y, False, s, d)
        edge_row(s, d, g, alpha)
        ga, aa, gb, ab = g_a[y], alpha_a[y], g_b[y], alpha_b[y]
        for x in range(width):
            total += ga[x] * preserved(g[x], alpha[x], ga[x], aa[x])
            total += gb[x] * preserved(g[x], alpha[x], gb[x], ab[x])
    return GAMMA * total


FAMILY = Family("qabf", METRICS, prepare, compute)

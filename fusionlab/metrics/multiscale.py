"""Multi-scale structural similarity.

    MS-SSIM(x, y) = ssim_5^w_5 prod_{j=1..4} cs_j^w_j
    cs   = (2 s_xy + C2) / (s_x^2 + s_y^2 + C2)
    ssim = cs (2 mu_x mu_y + C1) / (mu_x^2 + mu_y^2 + C1)

with means over the windows of level j (Gaussian 11 x 11, sigma 1.5, `valid`), negative ones held at
0. From level to level images are averaged over 2 x 2 pixels; an odd border is extended by itself.
(Wang, Simoncelli, Bovik 2003.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from fusionlab.metrics._pyramid import halved
from fusionlab.metrics._similarity import K1, K2, Windowed, windowed
from fusionlab.metrics.base import Family, Gray, Metric, Scene, Wanted

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
WHITE = 255.0
SOURCE = "Wang, Simoncelli, Bovik 2003"
CONSTANTS = {"K1": K1, "K2": K2, "L": WHITE, "sigma": 1.5} | {
    f"w{j}": w for j, w in enumerate(WEIGHTS, 1)
}

METRICS = (
    Metric(
        name="MS_SSIM",
        title="Multi-scale structural similarity to the sources, mean of both",
        formula="(msssim(F,A) + msssim(F,B)) / 2, 5 levels, Gaussian 11 x 11 sigma 1.5, L = 255",
        source=SOURCE,
        range=(0.0, 1.0),
        min_side=176,
        constants=CONSTANTS,
    ),
    Metric(
        name="MS_SSIM_ref",
        title="Multi-scale structural similarity to the reference",
        formula="msssim(F,T), 5 levels, Gaussian 11 x 11 sigma 1.5, L = 255",
        source=SOURCE,
        range=(0.0, 1.0),
        arity="reference",
        min_side=176,
        constants=CONSTANTS,
    ),
)


@dataclass(frozen=True)
class State:
    """Both sources, and the reference twice, at five levels; empty where not wanted."""

    sources: tuple[Windowed, ...]
    reference: tuple[Windowed, ...]


def prepare(scene: Scene, wanted: Wanted) -> State:
    """Build the pyramids and their local moments."""
    return State(
        _levels(scene.a, scene.b) if "MS_SSIM" in wanted else (),
        _levels(scene.truth, scene.truth) if "MS_SSIM_ref" in wanted else (),
    )


def compute(state: State, fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones of MS_SSIM and MS_SSIM_ref."""
    pyramid = [fused]
    for _ in WEIGHTS[1:]:
        pyramid.append(halved(pyramid[-1]))
    values = {}
    if "MS_SSIM" in wanted:
        values["MS_SSIM"] = sum(_similarity(state.sources, pyramid)) / 2
    if "MS_SSIM_ref" in wanted:
        values["MS_SSIM_ref"] = _similarity(state.reference, pyramid)[0]
    return values


def _levels(a: Gray, b: Gray) -> tuple[Windowed, ...]:
    levels = [windowed(a, b)]
    for _ in WEIGHTS[1:]:
        a, b = halved(a), halved(b)
        levels.append(windowed(a, b))
    return tuple(levels)


def _similarity(levels: tuple[Windowed, ...], pyramid: list[Gray]) -> tuple[float, float]:
    *lower, (top, coarsest) = zip(levels, pyramid, strict=True)
    means = [level.contrast_structure(image, WHITE) for level, image in lower]
    means.append(top.similarity(coarsest, WHITE))
    a, b = (_product(of_one) for of_one in zip(*means, strict=True))
    return a, b


def _product(means: tuple[float, ...]) -> float:
    factors: list[float] = [max(m, 0.0) ** w for m, w in zip(means, WEIGHTS, strict=True)]
    return math.prod(factors)


FAMILY = Family("multiscale", METRICS, prepare, compute)

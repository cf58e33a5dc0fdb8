"""Visual information fidelity for fusion.

    VIFF = sum_s p_s (sum [C + lg(1 + g^2 s11 / (sv + S))]) / (sum [C + lg(1 + s11 / S)])

over the pixels of scales s = 1, 3 and 4, with p = (1, 0, 0.15, 1) / 2.15, S = 0.005 255^2, C = 1e-7
and decimal logarithms lg. The statistics are those of VIF: local variances s11 of a source and s22
of F, their covariance s12, g = s12 / (s11 + eps), sv = s22 - g s12. Each pixel looks at one source,
the one with the smaller gain g (b where both are equal). (Han, Cai, Cao, Xu 2013.)

With r = 1 / (s11 + eps), u = g s12 and q = s22 + S, a pixel's numerator is the logarithm of
(q - eps r u) / (q - u), and one does for a product of 16 pixels. Images are centred on their mean
first; variances below eps count as none. That matters in saturated areas, where codes that skip it
differ by 10 %.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fusionlab.metrics._fidelity import (
    EPS,
    centre_of,
    centred,
    pyramid,
    statistics,
    widened,
)
from fusionlab.metrics._jit import kernel
from fusionlab.metrics._window import BLOCK, STRIDE, TILE, moments_block, scratch, unrolled
from fusionlab.metrics.base import INF, Family, Floats, Gray, Metric, Scene, Wanted

NOISE = 0.005 * 255.0**2
C = 1e-7
NATURAL_C = C * math.log(10.0)
"""C for sums of natural logarithms."""

SHARES = (1.0 / 2.15, 0.0, 0.15 / 2.15, 1.0 / 2.15)
HAN = "Han, Cai, Cao, Xu 2013"
CONSTANTS = {"sigma_n^2": NOISE, "eps": EPS, "C": C} | {
    f"p{s}": share for s, share in enumerate(SHARES, 1)
}

# not symmetric: where both gains are equal, as where both are 0, b is looked at
METRICS = (
    Metric(
        name="VIFF",
        title="Visual information fidelity for fusion",
        formula="sum over scales of p_s num/den, each pixel of the source with the smaller gain",
        source=HAN,
        range=(0.0, INF),
        min_side=41,
        symmetric=False,
        constants=CONSTANTS,
    ),
    Metric(
        name="VIFFd",
        title="Distance of the visual information fidelity for fusion from 1",
        formula="|1 - VIFF|",
        source=f"{HAN}; made two-sided by this project",
        direction="lower",
        range=(0.0, INF),
        min_side=41,
        symmetric=False,
        constants=CONSTANTS,
    ),
    Metric(
        name="VIFFcap",
        title="Visual information fidelity for fusion, at most 1",
        formula="min(VIFF, 1)",
        source=f"{HAN}; capped by this project",
        range=(0.0, 1.0),
        min_side=41,
        symmetric=False,
        constants=CONSTANTS,
    ),
)


@dataclass(frozen=True)
class Reference:
    """One source at one scale: centred image, local means, 1 / (s11 + eps), log(1 + s11 / S)."""

    image: Floats
    mean: Floats
    inverse: Floats
    whole: Floats


@dataclass(frozen=True)
class State:
    """Both sources at the scales with a share; None at the others."""

    a: tuple[Reference | None, ...]
    b: tuple[Reference | None, ...]


def prepare(scene: Scene, _wanted: Wanted) -> State:
    """Build the pyramids of both sources and their local statistics."""
    return State(_references(scene.a), _references(scene.b))


def compute(state: State, fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones of VIFF, VIFFd and VIFFcap."""
    value = 0.0
    levels = pyramid(centred(fused, centre_of(fused)))
    for (level, taps), a, b, share in zip(levels, state.a, state.b, SHARES, strict=True):
        if a is not None and b is not None:
            image, window = widened(level, taps)
            images = image, a.image, b.image
            maps = a.mean, a.inverse, a.whole, b.mean, b.inverse, b.whole
            gained, whole = selected_information(*images, *maps, window, unrolled(window))
            floor = NATURAL_C * a.mean.size
            value += share * (gained + floor) / (whole + floor)
    values = {"VIFF": value, "VIFFd": abs(1.0 - value), "VIFFcap": min(value, 1.0)}
    return {name: values[name] for name in wanted}


def _references(source: Gray) -> tuple[Reference | None, ...]:
    found: list[Reference | None] = []
    for (level, taps), share in zip(
        pyramid(centred(source, centre_of(source))), SHARES, strict=True
    ):
        if share:
            mean, variance, inverse = statistics(level, taps)
            whole = np.log1p(variance / NOISE)
            found.append(Reference(widened(level, taps)[0], mean, inverse, whole))
        else:
            found.append(None)
    return tuple(found)


@kernel
def selected_information(
    f: Floats,
    a: Floats,
    b: Floats,
    mean_a: Floats,
    inv_a: Floats,
    whole_a: Floats,
    mean_b: Floats,
    inv_b: Floats,
    whole_b: Floats,
    taps: Floats,
    count: tuple[int, ...],
) -> tuple[float, float]:
    """Return the sums of numerators and of denominators at one scale."""
    height, width = mean_a.shape
    line, buffer, block = scratch(count)
    centre = np.zeros(3)
    product = np.ones(2 * TILE)
    gained = whole = 0.0
    for left in range(0, width, TILE):
        w = min(TILE, width - left)
        for top in range(0, height, BLOCK):
            rows = min(BLOCK, height - top)
            moments_block(f, a, b, centre, top, left, rows, w, taps, count, line, buffer, block)
            for j in range(rows):
                y = top + j
                whole += multiply_selected(
                    block[j * STRIDE :],
                    mean_a[y, left:],
                    inv_a[y, left:],
                    whole_a[y, left:],
                    mean_b[y, left:],
                    inv_b[y, left:],
                    whole_b[y, left:],
                    product,
                    w,
                )
            for x in range(w):
                gained += math.log(product[x] / product[TILE + x])
            product[:] = 1.0
    return gained, whole


@kernel
def multiply_selected(
    row: Floats,
    mean_a: Floats,
    inv_a: Floats,
    whole_a: Floats,
    mean_b: Floats,
    inv_b: Floats,
    whole_b: Floats,
    product: Floats,
    width: int,
) -> float:
    """Multiply each column's products of q - eps r u and of q - u by one row's.

    Return the sum of the row's denominators. Factors lie within S and S + 255^2 / 4: BLOCK = 16 of
    them neither over- nor underflow.
    """
    whole = 0.0
    for x in range(width):
        mu = row[x]
        s22 = max(row[TILE + x] - mu * mu, 0.0)
        a12 = row[2 * TILE + x] - mu * mean_a[x]
        b12 = row[3 * TILE + x] - mu * mean_b[x]
        # no gain from anticorrelation, nor where the fused image is flat
        a12 = a12 if a12 > 0.0 and s22 >= EPS else 0.0
        b12 = b12 if b12 > 0.0 and s22 >= EPS else 0.0
        gain_a, gain_b = inv_a[x] * a12, inv_b[x] * b12
        first = gain_a < gain_b
        u = gain_a * a12 if first else gain_b * b12
        inverse = inv_a[x] if first else inv_b[x]
        whole += whole_a[x] if first else whole_b[x]
        q = s22 + NOISE
        # sv = s22 - u is at least 0 in exact arithmetic: hold rounding to that
        product[x] *= q - EPS * inverse * u
        product[TILE + x] *= max(q - u, NOISE)
    return whole


FAMILY = Family("viff", METRICS, prepare, compute)

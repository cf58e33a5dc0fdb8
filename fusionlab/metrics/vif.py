"""Visual information fidelity in the pixel domain, summed over both sources.

    VIF = vifp(A, F) + vifp(B, F)
    vifp(X, F) = sum log(1 + g^2 s11 / (sv + 2)) / sum log(1 + s11 / 2)      scales 1..4, all pixels
    g = s12 / (s11 + eps),   sv = s22 - g s12

with the local variances s11 of X, s22 of F and covariance s12 under a Gaussian of n = 17, 9, 5, 3
taps and sigma n / 5 (`valid`); between scales both images are filtered by the next Gaussian and
every second row and column is kept. (Sheikh and Bovik 2006: its authors' pixel-domain "vifp".)

With r = 1 / (s11 + eps) (0 where s11 < eps), q = s22 + 2 and u = r s12^2, a pixel's term is
log((q - eps r u) / (q - u)): no division, and one logarithm for a product of 16 pixels. Images are
centred on their mean first, which changes nothing but the rounding; a constant image then has
variance 0 exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fusionlab.metrics._fidelity import (
    EPS,
    TAPS,
    centre_of,
    centred,
    pyramid,
    statistics,
    widened,
)
from fusionlab.metrics._jit import kernel
from fusionlab.metrics._window import (
    BLOCK,
    STRIDE,
    TILE,
    moments_block,
    scratch,
    smooth,
    unrolled,
)
from fusionlab.metrics.base import INF, Family, Floats, Gray, Metric, Scene, Wanted

NOISE = 2.0

METRICS = (
    Metric(
        name="VIF",
        title="Visual information fidelity, pixel domain, sum over both sources",
        formula="sum over A, B of sum log(1 + g^2 s11/(sv+2)) / sum log(1 + s11/2), 4 scales",
        source="Sheikh, Bovik 2006 (vifp)",
        range=(0.0, INF),
        min_side=41,
        constants={"sigma_n^2": NOISE, "eps": EPS},
    ),
)


@dataclass(frozen=True)
class Reference:
    """One source at one scale: image, local mean, r as above, and sum log(1 + s11 / 2)."""

    image: Gray
    mean: Floats
    inverse: Floats
    information: float


@dataclass(frozen=True)
class State:
    """Both sources at four scales, with the means that were taken off them."""

    a: tuple[Reference, ...]
    b: tuple[Reference, ...]
    centre: tuple[float, float]


def prepare(scene: Scene, _wanted: Wanted) -> State:
    """Build the pyramids of both sources and their local statistics."""
    centre = centre_of(scene.a), centre_of(scene.b)
    return State(_references(scene.a, centre[0]), _references(scene.b, centre[1]), centre)


def compute(state: State, fused: Gray, _wanted: Wanted) -> dict[str, float]:
    """Return VIF."""
    centre = np.array([centre_of(fused), *state.centre])
    image, level = fused, centred(fused, centre[0])
    gained = np.zeros(2)
    for scale, (a, b) in enumerate(zip(state.a, state.b, strict=True)):
        taps = TAPS[scale]
        if scale:
            level = smooth(level, taps, 2)
            image, taps = widened(level, taps)
            centre = np.zeros(3)
        images = image, a.image, b.image
        maps = a.mean, a.inverse, b.mean, b.inverse
        gained += information(*images, centre, *maps, taps, unrolled(taps))
    whole = (sum(r.information for r in refs) for refs in (state.a, state.b))
    return {"VIF": sum(_ratio(float(g), w) for g, w in zip(gained, whole, strict=True))}


def _ratio(gained: float, whole: float) -> float:
    if whole == 0:
        return 1.0 if gained == 0 else INF
    return gained / whole


def _references(source: Gray, centre: float) -> tuple[Reference, ...]:
    found = []
    for scale, (level, taps) in enumerate(pyramid(centred(source, centre))):
        mean, variance, inverse = statistics(level, taps)
        whole = float(np.log1p(variance / NOISE).sum())
        image = widened(level, taps)[0] if scale else source
        found.append(Reference(image, mean, inverse, whole))
    return tuple(found)


@kernel
def information(
    f: Gray,
    a: Gray,
    b: Gray,
    centre: Floats,
    mean_a: Floats,
    inv_a: Floats,
    mean_b: Floats,
    inv_b: Floats,
    taps: Floats,
    count: tuple[int, ...],
) -> tuple[float, float]:
    """Return sum log(1 + g^2 s11 / (sv + 2)) at one scale, against a and against b."""
    height, width = mean_a.shape
    line, buffer, block = scratch(count)
    product = np.ones(4 * TILE)
    gained_a = gained_b = 0.0
    for left in range(0, width, TILE):
        w = min(TILE, width - left)
        for top in range(0, height, BLOCK):
            rows = min(BLOCK, height - top)
            moments_block(f, a, b, centre, top, left, rows, w, taps, count, line, buffer, block)
            for j in range(rows):
                y = top + j
                multiply_terms(
                    block[j * STRIDE :],
                    mean_a[y, left:],
                    inv_a[y, left:],
                    mean_b[y, left:],
                    inv_b[y, left:],
                    product,
                    w,
                )
            for x in range(w):
                gained_a += math.log(product[x] / product[TILE + x])
                gained_b += math.log(product[2 * TILE + x] / product[3 * TILE + x])
            product[:] = 1.0
    return gained_a, gained_b


@kernel
def multiply_terms(
    row: Floats,
    mean_a: Floats,
    inv_a: Floats,
    mean_b: Floats,
    inv_b: Floats,
    product: Floats,
    width: int,
) -> None:
    """Multiply each column's products of q - eps r u and of q - u (for a, then for b) by one row's.

    Factors lie within 2 and 2 + 255^2 / 4, so BLOCK = 16 of them neither over- nor underflow.
    """
    for x in range(width):
        mu = row[x]
        s22 = max(row[TILE + x] - mu * mu, 0.0)
        a12 = row[2 * TILE + x] - mu * mean_a[x]
        b12 = row[3 * TILE + x] - mu * mean_b[x]
        # no gain from anticorrelation, nor where the fused image is flat
        a12 = a12 if a12 > 0.0 and s22 >= EPS else 0.0
        b12 = b12 if b12 > 0.0 and s22 >= EPS else 0.0
        q = s22 + NOISE
        ua, ub = inv_a[x] * a12 * a12, inv_b[x] * b12 * b12
        # sv = s22 - u is at least 0 in exact arithmetic: hold rounding to that
        product[x] *= q - EPS * inv_a[x] * ua
        product[TILE + x] *= max(q - ua, NOISE)
        product[2 * TILE + x] *= q - EPS * inv_b[x] * ub
        product[3 * TILE + x] *= max(q - ub, NOISE)


FAMILY = Family("vif", METRICS, prepare, compute)

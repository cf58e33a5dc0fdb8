"""Guards on where detail comes from: how much of it the sources explain, and from which place.

    d(X)  = X' - box_9 * X',   X' the means of 2 x 2 blocks (odd borders doubled)
    p     = sum_k c_k d(S_k),  the least-squares fit to d(F);   e = d(F) - p
    ALIEN = |e|^2 / |d(F)|^2
    GHOST = max over v of sum_x e(x) p(x - v) / (|p| |d(F)|),  v up to 6, not the nine around 0

Both take every source. ALIEN is near 1 if the fused image shows another scene, and is no less for
one that is shifted as a whole; GHOST is large if what the sources leave unexplained looks like what
they explain, v away (of the 2 x 2 means: 3 to 12 pixels of the image, a diagonal step included). A
share s of displaced structure gives about s / sqrt((1 - s)^2 + s^2). (Defined by this project.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np

from fusionlab.metrics._jit import kernel
from fusionlab.metrics._pyramid import halved
from fusionlab.metrics.base import Family, Floats, Gray, Metric, Scene, Wanted

NAN = float("nan")
BOX = 9
REACH = 6
NEAR = 1
SINGULAR = 1e-9
"""Sources whose details differ by less, relative, count as one."""
NOTHING = 1e-9
"""A detail of less energy a pixel is rounding."""
OURS = "this project"

METRICS = (
    Metric(
        name="ALIEN",
        title="Share of the detail that no linear mixture of the sources explains",
        formula="|d(F) - p|^2 / |d(F)|^2, p = sum c_k d(S_k) fitted, d(X) = X' - box9*X'",
        source=OURS,
        direction="lower",
        range=(0.0, 1.0),
        min_side=11,
        nan_when="the fused image has no detail",
        constants={"box": BOX},
    ),
    Metric(
        name="GHOST",
        title="Detail that the sources explain only when displaced",
        formula="max over v of sum e(x) p(x-v) / (|p| |d(F)|), p fit of d(F), e = d(F) - p",
        source=OURS,
        direction="lower",
        range=(0.0, 1.0),
        min_side=11,
        nan_when="the fused image has no detail",
        constants={"box": BOX, "reach": REACH, "near": NEAR},
    ),
)


@dataclass(frozen=True)
class State:
    """Details of the sources, and the inverse of their products."""

    details: tuple[Floats, ...]
    inverse: Floats


def prepare(scene: Scene, _wanted: Wanted) -> State:
    """Take the details of the sources."""
    details = tuple(_detail(x) for x in scene.shots or scene.sources)
    products = np.array([[_product(x, y) for y in details] for x in details])
    return State(details, np.linalg.pinv(products, rcond=SINGULAR, hermitian=True))


def compute(state: State, fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones of ALIEN and GHOST."""
    detail = _detail(fused)
    energy = _product(detail, detail)
    if energy <= NOTHING * detail.size:
        return dict.fromkeys(wanted, NAN)
    weights = state.inverse @ np.array([_product(x, detail) for x in state.details])
    fit = np.zeros_like(detail)
    for weight, x in zip(weights, state.details, strict=True):
        fit += weight * x
    rest = detail - fit
    values = {"ALIEN": min(_product(rest, rest) / energy, 1.0)}
    if "GHOST" in wanted:
        values["GHOST"] = _ghost(rest, fit, energy)
    return {name: values[name] for name in wanted}


def _detail(image: Gray) -> Floats:
    half = halved(image)
    return np.asarray(half - cv2.blur(half, (BOX, BOX), borderType=cv2.BORDER_REPLICATE))


def _product(x: Floats, y: Floats) -> float:
    return float(np.vdot(x, y))


def _ghost(rest: Floats, fit: Floats, energy: float) -> float:
    explained = _product(fit, fit)
    if explained <= NOTHING * fit.size:
        return 0.0
    largest = displaced(rest, np.pad(fit, REACH)).max()
    return max(float(largest) / math.sqrt(explained * energy), 0.0)


@kernel
def displaced(rest: Floats, fit: Floats) -> Floats:
    """Return sum_x rest(x) fit(x - v) for every v up to REACH; 0 for those up to NEAR.

    `fit` has REACH zeros around it.
    """
    height, width = rest.shape
    side = 2 * REACH + 1
    totals = np.zeros((side, side))
    for y in range(height):
        row = rest[y]
        for i in range(side):
            other = fit[y + i]
            for j in range(side):
                if abs(i - REACH) > NEAR or abs(j - REACH) > NEAR:
                    total = 0.0
                    for x in range(width):
                        total += row[x] * other[x + j]
                    totals[i, j] += total
    return totals


FAMILY = Family("explained", METRICS, prepare, compute)

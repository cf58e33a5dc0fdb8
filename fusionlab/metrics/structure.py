"""Structural similarity, in the forms that fusion tables use.

    ssim = (2 mu_x mu_y + C1) (2 s_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (s_x^2 + s_y^2 + C2))
    C1 = (0.01 L)^2,  C2 = (0.03 L)^2

averaged over the windows that lie wholly inside the image. The window is Gaussian (11 x 11,
sigma 1.5) with population moments, or uniform (7 x 7) with sample moments. On 8-bit images the
uniform window is evaluated in exact integers. (Wang, Bovik, Sheikh, Simoncelli 2004.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.metrics._box import box_sums, box_variance, uniform_similarity
from fusionlab.metrics._jit import kernel
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

if TYPE_CHECKING:
    from numpy.typing import NDArray

K1, K2 = 0.01, 0.03
GAUSSIAN = gaussian(11, 1.5)
UNIFORM = np.full(7, 1 / 7)
SAMPLE = 49 / 48
CENTRE = 128.0
"""Taken off all images first, so that less is lost in E[x^2] - mu^2."""

WANG = "Wang, Bovik, Sheikh, Simoncelli 2004"

METRICS = (
    Metric(
        name="SSIM",
        title="Structural similarity to the sources, mean of both",
        formula="(ssim(F,A) + ssim(F,B)) / 2, Gaussian 11 x 11 sigma 1.5, L = 255",
        source=WANG,
        range=(-1.0, 1.0),
        min_side=11,
        constants={"K1": K1, "K2": K2, "L": 255.0, "sigma": 1.5},
    ),
    Metric(
        name="SSIM_sum",
        title="Structural similarity to the sources, sum of both",
        formula="2 SSIM",
        source=f"{WANG}; summed as by VIFB",
        range=(-2.0, 2.0),
        min_side=11,
        constants={"K1": K1, "K2": K2, "L": 255.0, "sigma": 1.5},
    ),
    Metric(
        name="SSIM_cddfuse",
        title="Structural similarity as the CDDFuse evaluator runs it, sum of both",
        formula="ssim(F,A) + ssim(F,B), uniform 7 x 7, sample moments, L = 2 on 0..255 data",
        source=f"{WANG}; range taken from the float type by scikit-image 0.19",
        range=(-2.0, 2.0),
        min_side=7,
        constants={"K1": K1, "K2": K2, "L": 2.0},
    ),
    Metric(
        name="SSIM_u7_L255_sum",
        title="Structural similarity with the uniform window of scikit-image, sum of both",
        formula="ssim(F,A) + ssim(F,B), uniform 7 x 7, sample moments, L = 255",
        source=WANG,
        range=(-2.0, 2.0),
        min_side=7,
        constants={"K1": K1, "K2": K2, "L": 255.0},
    ),
    Metric(
        name="SSIM_ref",
        title="Structural similarity to the reference",
        formula="ssim(F,T), Gaussian 11 x 11 sigma 1.5, L = 255",
        source=WANG,
        range=(-1.0, 1.0),
        arity="reference",
        min_side=11,
        constants={"K1": K1, "K2": K2, "L": 255.0, "sigma": 1.5},
    ),
)

RANGES = {"SSIM_cddfuse": 2.0, "SSIM_u7_L255_sum": 255.0}


@dataclass(frozen=True)
class Windowed:
    """Two images with their local means (less CENTRE) and variances under one window."""

    a: Gray
    b: Gray
    mean_a: Floats
    var_a: Floats
    mean_b: Floats
    var_b: Floats
    taps: Floats
    factor: float

    def similarity(self, fused: Gray, white: float) -> tuple[float, float]:
        """Return the mean ssim of `fused` with a and with b for the range L = `white`."""
        constants = np.array([(K1 * white) ** 2, (K2 * white) ** 2, self.factor])
        a, b = windowed_similarity(
            fused,
            self.a,
            self.b,
            self.mean_a,
            self.var_a,
            self.mean_b,
            self.var_b,
            constants,
            self.taps,
            unrolled(self.taps),
        )
        return float(a), float(b)


@dataclass(frozen=True)
class Boxed:
    """Two 8-bit images with the exact sums of their 7 x 7 windows."""

    a: Gray
    b: Gray
    sum_a: NDArray[np.int32]
    var_a: NDArray[np.int32]
    sum_b: NDArray[np.int32]
    var_b: NDArray[np.int32]

    def similarity(self, fused: Gray, white: float) -> tuple[float, float]:
        """Return the mean ssim of `fused` with a and with b for the range L = `white`."""
        c1, c2 = (K1 * white) ** 2, (K2 * white) ** 2
        a, b = uniform_similarity(
            fused, self.a, self.b, self.sum_a, self.var_a, self.sum_b, self.var_b, c1, c2
        )
        return float(a), float(b)


@dataclass(frozen=True)
class State:
    """What the wanted metrics need of the sources and of the reference."""

    gaussian: Windowed | None
    uniform: Windowed | Boxed | None
    reference: Windowed | None


def prepare(scene: Scene, wanted: Wanted) -> State:
    """Compute local means and variances of the sources and of the reference."""
    uniform: Windowed | Boxed | None = None
    if wanted & RANGES.keys():
        if scene.a.dtype == np.uint8:
            uniform = _boxed(scene.a, scene.b)
        else:
            uniform = _windowed(scene.a, scene.b, UNIFORM, SAMPLE)
    return State(
        _windowed(scene.a, scene.b, GAUSSIAN, 1.0) if wanted & {"SSIM", "SSIM_sum"} else None,
        uniform,
        _windowed(scene.truth, scene.truth, GAUSSIAN, 1.0) if "SSIM_ref" in wanted else None,
    )


def compute(state: State, fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted members of the SSIM family."""
    values: dict[str, float] = {}
    if state.gaussian is not None:
        total = sum(state.gaussian.similarity(fused, 255.0))
        values |= {"SSIM": total / 2, "SSIM_sum": total}
    if state.uniform is not None:
        for name in wanted & RANGES.keys():
            values[name] = sum(state.uniform.similarity(fused, RANGES[name]))
    if state.reference is not None:
        values["SSIM_ref"] = state.reference.similarity(fused, 255.0)[0]
    return {name: values[name] for name in wanted}


def _windowed(a: Gray, b: Gray, taps: Floats, factor: float) -> Windowed:
    (mean_a, var_a), (mean_b, var_b) = _statistics(a, taps), _statistics(b, taps)
    return Windowed(a, b, mean_a, factor * var_a, mean_b, factor * var_b, taps, factor)


def _statistics(image: Gray, taps: Floats) -> tuple[Floats, Floats]:
    x = np.subtract(image, CENTRE, dtype=np.float64)
    mean = smooth(x, taps, 1)
    return mean, smooth(x * x, taps, 1) - mean * mean


def _boxed(a: Gray, b: Gray) -> Boxed:
    sum_a, sum_b = box_sums(a), box_sums(b)
    return Boxed(a, b, sum_a, box_variance(a, sum_a), sum_b, box_variance(b, sum_b))


@kernel
def windowed_similarity(
    f: Gray,
    a: Gray,
    b: Gray,
    mean_a: Floats,
    var_a: Floats,
    mean_b: Floats,
    var_b: Floats,
    constants: Floats,
    taps: Floats,
    count: tuple[int, ...],
) -> tuple[float, float]:
    """Return the mean ssim of f with a and with b; `constants` are C1, C2 and the factor of s."""
    height, width = mean_a.shape
    line, buffer, block = scratch(count)
    centre = np.full(3, CENTRE)
    total_a = total_b = 0.0
    for left in range(0, width, TILE):
        w = min(TILE, width - left)
        for top in range(0, height, BLOCK):
            rows = min(BLOCK, height - top)
            moments_block(f, a, b, centre, top, left, rows, w, taps, count, line, buffer, block)
            for j in range(rows):
                y, row = top + j, block[j * STRIDE :]
                total_a += similarity_row(
                    row, row[2 * TILE :], mean_a[y, left:], var_a[y, left:], constants, w
                )
                total_b += similarity_row(
                    row, row[3 * TILE :], mean_b[y, left:], var_b[y, left:], constants, w
                )
    return total_a / (height * width), total_b / (height * width)


@kernel
def similarity_row(
    row: Floats, cross: Floats, mean_x: Floats, var_x: Floats, constants: Floats, width: int
) -> float:
    """Return the sum of ssim over one row of windows."""
    c1, c2, factor = constants[0], constants[1], constants[2]
    total = 0.0
    for x in range(width):
        mu, mx = row[x], mean_x[x]
        s_f = factor * (row[TILE + x] - mu * mu)
        s_fx = factor * (cross[x] - mu * mx)
        mu += CENTRE
        mx += CENTRE
        top = (2.0 * mu * mx + c1) * (2.0 * s_fx + c2)
        total += top / ((mu * mu + mx * mx + c1) * (var_x[x] + s_f + c2))
    return total


FAMILY = Family("structure", METRICS, prepare, compute)

"""Metrics of first and second moments.

    SD   = sqrt(mean (F - mean F)^2)
    MSE  = (mean (A - F)^2 + mean (B - F)^2) / 2        PSNR = 10 log10(255^2 / MSE)
    CC   = (r(A, F) + r(B, F)) / 2                      r: Pearson's correlation
    SCD  = r(F - B, A) + r(F - A, B)

On 8-bit images everything follows from exact integer sums of x and x y. An image (or difference)
that is constant has no correlation: CC and SCD are nan then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from fusionlab.metrics._jit import kernel
from fusionlab.metrics.base import INF, Family, Gray, Metric, Scene, Wanted

NAN = float("nan")
PEAK = 255.0

METRICS = (
    Metric(
        name="SD",
        title="Standard deviation of the fused image",
        formula="sqrt(mean((F - mean F)^2))",
        source="Rao 1997",
        range=(0.0, 127.5),
        arity="fused",
    ),
    Metric(
        name="MSE",
        title="Mean squared error against the sources, mean of both",
        formula="(mean((A-F)^2) + mean((B-F)^2)) / 2",
        source="Jagalingam, Hegde 2015",
        direction="lower",
        range=(0.0, PEAK**2),
    ),
    Metric(
        name="MSE_01",
        title="Mean squared error against the sources, on the 0..1 scale",
        formula="MSE / 255^2",
        source="Jagalingam, Hegde 2015",
        direction="lower",
        range=(0.0, 1.0),
    ),
    Metric(
        name="PSNR",
        title="Peak signal-to-noise ratio against the sources, in dB",
        formula="10 log10(255^2 / MSE), MSE pooled over both sources first",
        source="Jagalingam, Hegde 2015",
        range=(0.0, INF),
        constants={"peak": PEAK},
    ),
    Metric(
        name="PSNR_maxF",
        title="PSNR with the maximum of the fused image as peak, in dB",
        formula="10 log10(max(F)^2 / MSE)",
        source="as run by the CDDFuse evaluator",
        range=(-INF, INF),
    ),
    Metric(
        name="CC",
        title="Correlation with the sources, mean of both",
        formula="(r(A,F) + r(B,F)) / 2",
        source="Deshmukh, Bhosale 2010",
        range=(-1.0, 1.0),
        nan_when="a source or the fused image is constant",
    ),
    Metric(
        name="SCD",
        title="Sum of the correlations of differences",
        formula="r(F-B, A) + r(F-A, B)",
        source="Aslantas, Bendes 2015",
        range=(-2.0, 2.0),
        nan_when="a source is constant, or the fused image differs from a source by a constant",
    ),
    Metric(
        name="SCD_zero",
        title="SCD in which a constant has correlation 0 with anything",
        formula="r(F-B, A) + r(F-A, B), r = 0 where one of both is constant",
        source="Aslantas, Bendes 2015; the rule for constants is ours",
        range=(-2.0, 2.0),
    ),
    Metric(
        name="PSNR_ref",
        title="Peak signal-to-noise ratio against the reference, in dB",
        formula="10 log10(255^2 / mean((T-F)^2))",
        source="textbook definition",
        range=(0.0, INF),
        arity="reference",
        constants={"peak": PEAK},
    ),
)


_SCD = ("SCD", "SCD_zero")


@dataclass(frozen=True)
class Moments:
    """The covariances of F, A and B times one common factor; Python integers when exact."""

    ff: float
    aa: float
    bb: float
    fa: float
    fb: float
    ab: float

    def cc(self) -> float:
        """(r(A, F) + r(B, F)) / 2."""
        return (_r(self.fa, self.ff, self.aa) + _r(self.fb, self.ff, self.bb)) / 2

    def scd(self) -> tuple[float, float]:
        """r(F - B, A) and r(F - A, B), by linearity of the covariance."""
        f_b = self.ff + self.bb - 2 * self.fb
        f_a = self.ff + self.aa - 2 * self.fa
        return _r(self.fa - self.ab, f_b, self.aa), _r(self.fb - self.ab, f_a, self.bb)


@dataclass(frozen=True)
class State:
    """Sources and reference, as far as wanted, with the covariances of the sources."""

    sources: tuple[Gray, ...]
    reference: Gray | None
    aa: float = 0
    bb: float = 0
    ab: float = 0


def prepare(scene: Scene, wanted: Wanted) -> State:
    """Compute the covariances of the sources."""
    reference = scene.truth if "PSNR_ref" in wanted else None
    if not wanted - {"SD", "PSNR_ref"}:
        return State((), reference)
    a, b = scene.a, scene.b
    if not wanted & {"CC", *_SCD}:
        return State((a, b), reference)
    return State((a, b), reference, covariance(a, a), covariance(b, b), covariance(a, b))


def compute(state: State, fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted metrics of this family."""
    values = {}
    if "SD" in wanted:
        values["SD"] = standard_deviation(fused)
    if wanted & {"CC", *_SCD}:
        a, b = state.sources
        m = Moments(
            covariance(fused, fused),
            state.aa,
            state.bb,
            covariance(fused, a),
            covariance(fused, b),
            state.ab,
        )
        values |= {"CC": m.cc(), "SCD": sum(m.scd())}
        values["SCD_zero"] = sum(0.0 if math.isnan(r) else r for r in m.scd())
    if wanted & {"MSE", "MSE_01", "PSNR", "PSNR_maxF"}:
        mse = sum(mean_square_difference(fused, x) for x in state.sources) / 2
        values |= {
            "MSE": mse,
            "MSE_01": mse / PEAK**2,
            "PSNR": decibels(PEAK, mse),
            "PSNR_maxF": decibels(float(fused.max()), mse),
        }
    if state.reference is not None:
        values["PSNR_ref"] = decibels(PEAK, mean_square_difference(fused, state.reference))
    return {name: values[name] for name in wanted}


def decibels(peak: float, mse: float) -> float:
    """Return 10 log10(peak^2 / mse); inf without error, -inf for a peak of 0."""
    if mse == 0:
        return INF
    return 10 * math.log10(peak**2 / mse) if peak > 0 else -INF


def standard_deviation(x: Gray) -> float:
    """Return the population standard deviation."""
    if x.dtype == np.uint8:
        return math.sqrt(covariance(x, x)) / x.size
    return float(np.std(x))


def covariance(x: Gray, y: Gray) -> float:
    """Return the covariance, for 8-bit images times N^2, which makes it an exact integer."""
    if x.dtype == np.uint8:
        sx, sy, sxy = (int(s) for s in integer_sums(x, y))
        return x.size * sxy - sx * sy
    return float(np.vdot(x - x.mean(), y - y.mean())) / x.size


def mean_square_difference(x: Gray, y: Gray) -> float:
    """Return mean (x - y)^2."""
    if x.dtype == np.uint8:
        return int(square_difference_sum(x, y)) / x.size
    d = x - y
    return float(np.vdot(d, d)) / x.size


def _r(cov: float, var_x: float, var_y: float) -> float:
    """Return Pearson's r of a covariance, or nan where a variance is zero up to rounding."""
    exact = isinstance(var_x, int)
    least = 0.0 if exact else 1e-18
    if var_x <= least or var_y <= least:
        return NAN
    return max(-1.0, min(1.0, cov / (math.sqrt(var_x) * math.sqrt(var_y))))


@kernel
def integer_sums(x: Gray, y: Gray) -> tuple[np.int64, np.int64, np.int64]:
    """Return sum x, sum y and sum x y, exactly."""
    sx = sy = sxy = np.int64(0)
    for i in range(x.shape[0]):
        xs, ys = x[i], y[i]
        rx = ry = rxy = np.int64(0)
        for j in range(x.shape[1]):
            u, v = np.int32(xs[j]), np.int32(ys[j])
            rx += u
            ry += v
            rxy += u * v
        sx += rx
        sy += ry
        sxy += rxy
    return sx, sy, sxy


@kernel
def square_difference_sum(x: Gray, y: Gray) -> np.int64:
    """Return sum (x - y)^2, exactly."""
    total = np.int64(0)
    for i in range(x.shape[0]):
        xs, ys = x[i], y[i]
        for j in range(x.shape[1]):
            d = np.int32(xs[j]) - np.int32(ys[j])
            total += d * d
    return total


FAMILY = Family("correlation", METRICS, prepare, compute)

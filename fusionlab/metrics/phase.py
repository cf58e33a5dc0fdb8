"""Zhao's comparison of phase congruency, QP.

    QP = P_PC P_M P_m,   P = mean over {PC_max > 0.1} of max(r_A, r_B, r_max)
    r_X = (s_XF + C) / (sqrt(|s_XX s_FF|) + C)  where PC_X > 0.1, else 0

The three maps of an image, see `_phase`: phase congruency PC, and the larger and the smaller moment
of its covariance, M and m. X_max takes all three from the source of larger PC. Maps of the sources
are 0 where PC_X <= 0.1; s are moments under a Gaussian 11 x 11 of sigma 1.5 with zeros outside the
image, and C = 0.0001. QP is nan where neither source has any feature. As defined, s_FF = 0 makes
r = 1: a fused image without features scores high, so that QP alone must not rank candidates.
(Zhao, Laganiere, Liu 2007; steps as by Liu et al. 2012.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.metrics._jit import kernel
from fusionlab.metrics._phase import congruency
from fusionlab.metrics._window import gaussian, smooth
from fusionlab.metrics.base import Family, Floats, Gray, Metric, Scene, Wanted

if TYPE_CHECKING:
    from numpy.typing import NDArray

THRESHOLD = 0.1
C = 0.0001
TAPS = gaussian(11, 1.5)

METRICS = (
    Metric(
        name="QP",
        title="Features of phase congruency kept from the sources",
        formula="product over PC, M, m of mean max(r(A,F), r(B,F), r(max,F)), Gaussian 11 x 11",
        source="Zhao, Laganiere, Liu 2007; as by Liu et al. 2012",
        nan_when="neither source has any feature",
        range=(-1.0, 1.0),
        min_side=11,
        constants={"threshold": THRESHOLD, "C": C, "sigma": 1.5},
    ),
)


@dataclass(frozen=True)
class Feature:
    """One map of a source, 0 outside its mask, with its local mean and variance."""

    values: Floats
    mean: Floats
    variance: Floats
    mask: NDArray[np.bool_]


@dataclass(frozen=True)
class State:
    """The maps of a, b and their maximum, for each of PC, M and m; pixels with a feature."""

    features: tuple[tuple[Feature, ...], ...]
    count: int


def prepare(scene: Scene, _wanted: Wanted) -> State:
    """Compute the phase congruency of the sources."""
    a, b = congruency(scene.a.astype(np.float64)), congruency(scene.b.astype(np.float64))
    first = a[0] > b[0]
    both = tuple(np.where(first, x, y) for x, y in zip(a, b, strict=True))
    masks = tuple(maps[0] > THRESHOLD for maps in (a, b, both))
    features = tuple(
        tuple(_feature(x, mask) for x, mask in zip(kind, masks, strict=True))
        for kind in zip(a, b, both, strict=True)
    )
    return State(features, int(masks[2].sum()))


def compute(state: State, fused: Gray, _wanted: Wanted) -> dict[str, float]:
    """Return QP."""
    if state.count == 0:
        return {"QP": float("nan")}
    product = 1.0
    for f, kind in zip(congruency(fused.astype(np.float64)), state.features, strict=True):
        mean, variance = _statistics(f)
        best = np.zeros(f.shape)
        best[kind[0].mask & kind[1].mask] = -np.inf
        for x in kind:
            covariance = _blurred(x.values * f) - x.mean * mean
            raise_correlation(covariance, x.variance, variance, x.mask, best)
        product *= float(best.sum()) / state.count
    return {"QP": product}


def _feature(x: Floats, mask: NDArray[np.bool_]) -> Feature:
    values = np.where(mask, x, 0.0)
    return Feature(values, *_statistics(values), mask)


def _statistics(x: Floats) -> tuple[Floats, Floats]:
    mean = _blurred(x)
    return mean, _blurred(x * x) - mean * mean


def _blurred(x: Floats) -> Floats:
    return smooth(np.pad(x, TAPS.size // 2), TAPS, 1)


@kernel
def raise_correlation(
    covariance: Floats, var_x: Floats, var_f: Floats, mask: NDArray[np.bool_], best: Floats
) -> None:
    """Raise `best` to r where the mask is set."""
    for y in range(best.shape[0]):
        for x in range(best.shape[1]):
            r = (covariance[y, x] + C) / (np.sqrt(abs(var_x[y, x] * var_f[y, x])) + C)
            if mask[y, x]:
                best[y, x] = max(best[y, x], r)


FAMILY = Family("phase", METRICS, prepare, compute)

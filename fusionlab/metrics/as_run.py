"""What some published tables hold under a metric's name, reproduced bugs and all.

    PSNR_tang = 10 log10(255^2 / MSE_01) = PSNR + 20 log10(255)      mixes two scales
    MI_tang   = MI_log2, with 254 and 255 one level in the joint histogram (uint8 + 1 saturates)
    Nabf_tang = Nabf with a taken for fused, b for a, and fused for b (arguments swapped)
    SF_vifb   = sqrt((sum dx^2 + sum dy^2) / (H W))
    RMSE_vifb = (sqrt(sum (A-F)^2) + sqrt(sum (B-F)^2)) / (2 H W)    the root comes too early
    PSNR_vifb = 10 log10(255^2 / RMSE_vifb)

They are for comparing with such tables, through the presets; never select by them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab.metrics import correlation, histogram, nabf
from fusionlab.metrics.base import INF, Family, Gray, Metric, Scene, Wanted
from fusionlab.metrics.gradient import difference_squares
from fusionlab.metrics.inputs import levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

WARNING = "reproduces a published bug; not for selection"
PEAK = 255.0
TOP_LEVEL = 254
LN2 = math.log(2.0)

_TANG = f"Linfeng Tang's evaluation toolbox, as run: {WARNING}"
_VIFB = f"VIFB (Zhang, Ye, Xiao 2020), as run: {WARNING}"

METRICS = (
    Metric(
        name="PSNR_tang",
        title=f"PSNR that mixes the 0..1 and 0..255 scales ({WARNING})",
        formula="10 log10(255^2 / MSE_01) = PSNR + 48.1308 dB",
        source=_TANG,
        range=(20.0 * math.log10(PEAK), INF),
        constants={"peak": PEAK},
    ),
    Metric(
        name="MI_tang",
        title=f"MI_log2 with two levels merged in the joint histogram ({WARNING})",
        formula="sum over X of H(F) + H(X) - H(min(F,254), min(X,254)), in bits",
        source=_TANG,
        range=(0.0, 18.0),
        constants={"top level of the joint histogram": TOP_LEVEL},
    ),
    Metric(
        name="Nabf_tang",
        title=f"Nabf with its arguments in the wrong order ({WARNING})",
        formula="Nabf of the fused image A and the sources B and F",
        source=_TANG,
        direction="lower",
        range=(0.0, 1.0),
        min_side=next(m.min_side for m in nabf.METRICS if m.name == "Nabf"),
        symmetric=False,
    ),
    Metric(
        name="SF_vifb",
        title=f"Spatial frequency with both sums over all pixels ({WARNING})",
        formula="sqrt((sum(dx^2) + sum(dy^2)) / (H W))",
        source=_VIFB,
        range=(0.0, PEAK * math.sqrt(2.0)),
        arity="fused",
    ),
    Metric(
        name="RMSE_vifb",
        title=f"Root mean squared error, with the root before the mean ({WARNING})",
        formula="(sqrt(sum((A-F)^2)) + sqrt(sum((B-F)^2))) / (2 H W)",
        source=_VIFB,
        direction="lower",
        range=(0.0, PEAK / 2),
    ),
    Metric(
        name="PSNR_vifb",
        title=f"PSNR of RMSE_vifb in place of the mean squared error ({WARNING})",
        formula="10 log10(255^2 / RMSE_vifb)",
        source=_VIFB,
        range=(10.0 * math.log10(2.0 * PEAK), INF),
        constants={"peak": PEAK},
    ),
)


@dataclass(frozen=True)
class State:
    """What the families that these metrics distort made of the sources; the sources themselves."""

    scene: Scene
    squares: correlation.State | None
    levels: tuple[NDArray[np.uint8], ...]
    counts: tuple[NDArray[np.int64], ...]


def prepare(scene: Scene, wanted: Wanted) -> State:
    """Do the source-only work of the wanted ones."""
    squares = None
    if wanted & {"PSNR_tang", "PSNR_vifb", "RMSE_vifb"}:
        squares = correlation.prepare(scene, frozenset({"MSE"}))
    found: tuple[NDArray[np.uint8], ...] = ()
    if "MI_tang" in wanted:
        found = levels(scene.a), levels(scene.b)
    return State(scene, squares, found, tuple(histogram.count(x) for x in found))


def compute(state: State, fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones."""
    values: dict[str, float] = {}
    if state.squares is not None:
        values |= _errors(state, fused)
    if "MI_tang" in wanted:
        values["MI_tang"] = _saturated_information(state, fused)
    if "SF_vifb" in wanted:
        values["SF_vifb"] = math.sqrt(sum(difference_squares(fused)) / fused.size)
    if "Nabf_tang" in wanted:
        name: Wanted = frozenset({"Nabf"})
        swapped: Any = nabf.prepare(Scene((state.scene.b, fused)), name)
        values["Nabf_tang"] = nabf.compute(swapped, state.scene.a, name)["Nabf"]
    return {name: values[name] for name in wanted}


def _errors(state: State, fused: Gray) -> dict[str, float]:
    assert state.squares is not None
    means = [correlation.mean_square_difference(fused, x) for x in state.squares.sources]
    rmse = sum(math.sqrt(mean / fused.size) for mean in means) / 2
    return {
        "PSNR_tang": correlation.decibels(PEAK, sum(means) / 2 / PEAK**2),
        "RMSE_vifb": rmse,
        "PSNR_vifb": correlation.decibels(PEAK, rmse),
    }


def _saturated_information(state: State, fused: Gray) -> float:
    """Return sum over X of H(F) + H(X) - H(saturated F, saturated X), in bits."""
    f = levels(fused)
    alone = histogram.entropy(histogram.count(f))
    cut = np.minimum(f, TOP_LEVEL)
    total = 0.0
    for x, counts in zip(state.levels, state.counts, strict=True):
        joint = histogram.joint_sum(cut, np.minimum(x, TOP_LEVEL), histogram.n_log_n_table())
        both = (math.log(f.size) - joint / f.size) / LN2
        total += max(alone + histogram.entropy(counts) - both, 0.0)
    return total


FAMILY = Family("as_run", METRICS, prepare, compute)

"""Structural similarity, in the forms that fusion tables use.

    ssim = (2 mu_x mu_y + C1) (2 s_xy + C2) / ((mu_x^2 + mu_y^2 + C1) (s_x^2 + s_y^2 + C2))
    C1 = (0.01 L)^2,  C2 = (0.03 L)^2

averaged over the windows that lie wholly inside the image, or inside it once its border pixels are
replicated ("padded": as many windows as pixels). The window is Gaussian (11 x 11, sigma 1.5) with
population moments, or uniform (7 x 7) with sample moments. On 8-bit images the uniform window is
evaluated in exact integers. (Wang, Bovik, Sheikh, Simoncelli 2004.)
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab.metrics._box import box_sums, box_variance, uniform_similarity
from fusionlab.metrics._similarity import GAUSSIAN, K1, K2, Windowed, windowed
from fusionlab.metrics.base import Family, Gray, Metric, Scene, Wanted

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNIFORM = np.full(7, 1 / 7)
SAMPLE = 49 / 48
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
        name="SSIM_repl_L255",
        title="Structural similarity with replicated borders, mean of both",
        formula="(ssim(F,A) + ssim(F,B)) / 2, Gaussian 11 x 11 sigma 1.5, L = 255, padded",
        source=f"{WANG}; as MATLAB's ssim of uint8 images",
        range=(-1.0, 1.0),
        constants={"K1": K1, "K2": K2, "L": 255.0, "sigma": 1.5},
    ),
    Metric(
        name="SSIM_tang",
        title="Structural similarity as the toolbox of Tang runs it, mean of both",
        formula="(ssim(F,A) + ssim(F,B)) / 2, Gaussian 11 x 11 sigma 1.5, L = 1 on 0..255, padded",
        source=f"{WANG}; as MATLAB's ssim of doubles on the 0..255 scale",
        range=(-1.0, 1.0),
        constants={"K1": K1, "K2": K2, "L": 1.0, "sigma": 1.5},
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
PADDED = {"SSIM_repl_L255": 255.0, "SSIM_tang": 1.0}


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
    padded: Windowed | None
    reference: Windowed | None


def prepare(scene: Scene, wanted: Wanted) -> State:
    """Compute local means and variances of the sources and of the reference."""
    uniform: Windowed | Boxed | None = None
    if wanted & RANGES.keys():
        if scene.a.dtype == np.uint8:
            uniform = _boxed(scene.a, scene.b)
        else:
            uniform = windowed(scene.a, scene.b, UNIFORM, SAMPLE)
    return State(
        windowed(scene.a, scene.b) if wanted & {"SSIM", "SSIM_sum"} else None,
        uniform,
        windowed(_padded(scene.a), _padded(scene.b)) if wanted & PADDED.keys() else None,
        windowed(scene.truth, scene.truth) if "SSIM_ref" in wanted else None,
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
    if state.padded is not None:
        padded = _padded(fused)
        for name in wanted & PADDED.keys():
            values[name] = sum(state.padded.similarity(padded, PADDED[name])) / 2
    if state.reference is not None:
        values["SSIM_ref"] = state.reference.similarity(fused, 255.0)[0]
    return {name: values[name] for name in wanted}


def _padded(image: Gray) -> Gray:
    padded: NDArray[Any] = np.pad(image, GAUSSIAN.size // 2, mode="edge")
    return padded


def _boxed(a: Gray, b: Gray) -> Boxed:
    sum_a, sum_b = box_sums(a), box_sums(b)
    return Boxed(a, b, sum_a, box_variance(a, sum_a), sum_b, box_variance(b, sum_b))


FAMILY = Family("structure", METRICS, prepare, compute)

"""Guards on what a candidate adds: noise, sharpening and halos beyond every source.

A guard is a limit, not a ranking: a candidate beyond it is broken whatever else it scores. All look
at the luminance of the fused image F and of every source S_k.

    n      = max_k |N * S_k|,  N = (1 -2 1)^T (1 -2 1), without the border
    NOISEX = sigma(F) - max_k sigma(S_k),  sigma = sqrt(pi/2) / 6 mean |N * .|  over the calm blocks
    SHARPX = sum (|N * F| - n) / sum n
    HALO   = mean of excess / height, where height >= 40; 0 if it is nowhere

Calm are, of the lit 8 x 8 blocks, the quarter with the smallest mean n, and those that equal them.
A block is lit if the mean of some source exceeds 5 there; if none is, all count. So neither texture
nor the black around a medical image is taken for noise or for its absence.

HALO compares details, x - box_31 * x (borders replicated): excess is what that of F exceeds, in the
7 x 7 window, 0 and the extremes of the sources' details by; height is max - min of all sources in
the 15 x 15 window (windows end at the border). So it sees over- and undershoot beside strong edges,
not a change of tone nor a loss of contrast. (N after Immerkaer 1996; the rest is this project's.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial, reduce
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab.metrics._guarding import Range, block_means, ratio, windowed
from fusionlab.metrics._jit import kernel
from fusionlab.metrics.base import INF, Family, Floats, Gray, Metric, Scene, Wanted

if TYPE_CHECKING:
    from numpy.typing import NDArray

SIGMA = math.sqrt(math.pi / 2.0) / 6.0
CALM_BLOCK, CALM_SHARE, LIT = 8, 0.25, 5.0
ENVELOPE = 7
BASE, NEAR, HEIGHT = 31, 15, 40.0
OURS = "this project"

METRICS = (
    Metric(
        name="NOISEX",
        title="Noise beyond that of the sources, in levels",
        formula="sigma(F) - max sigma(S), Immerkaer's sigma over the calmest quarter of the blocks",
        source=f"{OURS}, after Immerkaer 1996",
        direction="lower",
        range=(-INF, INF),
        min_side=3,
        constants={"block": CALM_BLOCK, "share": CALM_SHARE, "lit": LIT},
    ),
    Metric(
        name="SHARPX",
        title="Finest detail beyond the strongest of the sources, relative",
        formula="sum (|N*F| - n) / sum n, n the largest |N*S|, N the Laplacian of Immerkaer",
        source=f"{OURS}, after Immerkaer 1996",
        direction="lower",
        range=(-1.0, INF),
        min_side=3,
        nan_when="neither the sources nor the fused image have any detail",
    ),
    Metric(
        name="HALO",
        title="Over- and undershoot beside strong edges that no source has, relative",
        formula="mean excess / height of detail x - box31*x where the sources' height >= 40",
        source=OURS,
        direction="lower",
        range=(0.0, INF),
        constants={"base": BASE, "near": NEAR, "height": HEIGHT, "window": ENVELOPE},
    ),
)


@dataclass(frozen=True)
class Fine:
    """The strongest |N * S| of each pixel, its sum, the calm pixels, the sources' largest sigma."""

    largest: Floats
    total: float
    calm: NDArray[np.bool_]
    sigma: float


@dataclass(frozen=True)
class Edges:
    """Where strong edges are near: the range of detail, and 1 / height (0 elsewhere)."""

    detail: Range
    share: Floats
    count: int


@dataclass(frozen=True)
class State:
    """What the wanted guards need of the sources; None for what none of them needs."""

    fine: Fine | None
    edges: Edges | None


def prepare(scene: Scene, wanted: Wanted) -> State:
    """Work out what the sources allow."""
    sources = [np.asarray(x, dtype=np.float64) for x in scene.shots or scene.sources]
    return State(
        _fine(sources) if wanted & {"NOISEX", "SHARPX"} else None,
        _edges(sources) if "HALO" in wanted else None,
    )


def compute(state: State, fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones of NOISEX, SHARPX and HALO."""
    f = np.asarray(fused, dtype=np.float64)
    values: dict[str, float] = {}
    if state.fine is not None:
        whole, calm = fine_sums(f, state.fine.calm)
        sigma = SIGMA * calm / int(np.count_nonzero(state.fine.calm))
        values["NOISEX"] = sigma - state.fine.sigma
        values["SHARPX"] = ratio(whole - state.fine.total, state.fine.total)
    if state.edges is not None:
        values["HALO"] = _halo(f, state.edges)
    return {name: values[name] for name in wanted}


def _fine(sources: list[Floats]) -> Fine:
    maps = [fine_map(x) for x in sources]
    largest = reduce(np.maximum, maps)
    activity = block_means(largest, CALM_BLOCK)
    lit = reduce(np.maximum, [block_means(x[1:-1, 1:-1], CALM_BLOCK) for x in sources]) > LIT
    lit = lit if lit.any() else np.ones_like(lit)
    limit = np.quantile(activity[lit], CALM_SHARE, method="lower")
    blocks = lit & (activity <= limit)
    calm = np.repeat(np.repeat(blocks, CALM_BLOCK, axis=0), CALM_BLOCK, axis=1)
    calm = np.ascontiguousarray(calm[: largest.shape[0], : largest.shape[1]])
    sigma = max(SIGMA * float(x[calm].mean()) for x in maps)
    return Fine(largest, float(largest.sum()), calm, sigma)


def _detail(x: Floats) -> Floats:
    base = np.asarray(cv2.blur(x, (BASE, BASE), borderType=cv2.BORDER_REPLICATE))
    return np.asarray(np.subtract(x, base, out=base))


def _edges(sources: list[Floats]) -> Edges:
    near = windowed(reduce(np.minimum, sources), reduce(np.maximum, sources), NEAR)
    # In place: a new plane of this size costs more than what is done to it.
    height = np.subtract(near.high, near.low, out=near.high)
    strong = height >= HEIGHT
    share = np.divide(1.0, height, out=np.zeros_like(height), where=strong)
    details = [_detail(x) for x in sources]
    high = reduce(np.maximum, details)
    low = reduce(partial(np.minimum, out=details[0]), details)
    detail = windowed(np.minimum(low, 0.0, out=low), np.maximum(high, 0.0, out=high), ENVELOPE)
    return Edges(detail, share, int(np.count_nonzero(strong)))


def _halo(f: Floats, edges: Edges) -> float:
    if not edges.count:
        return 0.0
    return overshoot(_detail(f), edges.detail.low, edges.detail.high, edges.share) / edges.count


@kernel
def fine_map(image: Floats) -> Floats:
    """Return |N * image|, (H - 2, W - 2)."""
    height, width = image.shape
    out = np.empty((height - 2, width - 2))
    column = np.empty(width)
    for y in range(height - 2):
        above, here, below, row = image[y], image[y + 1], image[y + 2], out[y]
        for x in range(width):
            column[x] = above[x] - 2.0 * here[x] + below[x]
        for x in range(width - 2):
            row[x] = abs(column[x] - 2.0 * column[x + 1] + column[x + 2])
    return out


@kernel
def fine_sums(image: Floats, calm: NDArray[np.bool_]) -> tuple[float, float]:
    """Return the sum of |N * image| over all pixels, and over the calm ones."""
    height, width = image.shape
    column = np.empty(width)
    whole = part = 0.0
    for y in range(height - 2):
        above, here, below, chosen = image[y], image[y + 1], image[y + 2], calm[y]
        for x in range(width):
            column[x] = above[x] - 2.0 * here[x] + below[x]
        for x in range(width - 2):
            value = abs(column[x] - 2.0 * column[x + 1] + column[x + 2])
            whole += value
            part += value if chosen[x] else 0.0
    return whole, part


@kernel
def overshoot(detail: Floats, low: Floats, high: Floats, share: Floats) -> float:
    """Return the sum of share times what the detail exceeds [low, high] by."""
    total = 0.0
    for y in range(detail.shape[0]):
        p, a, b, w = detail[y], low[y], high[y], share[y]
        for x in range(p.size):
            total += w[x] * (max(p[x] - b[x], 0.0) + max(a[x] - p[x], 0.0))
    return total


FAMILY = Family("overdone", METRICS, prepare, compute)

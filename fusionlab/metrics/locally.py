"""Criteria that compare, pixel by pixel, with the source that has more to show there.

    SELS = mean ssim(F, X),                X = the source of larger local variance
    GERR = sum |grad F - G| / sum |grad G|,    G = the larger of grad A and grad B
    MS_GERR = mean of GERR at four scales,     G = the largest gradient of all sources

Unlike sums over both sources, neither is won by an image halfway between them, nor by a copy of
one; excess of detail costs as much as its loss. ssim and variances are those of SSIM (Gaussian
11 x 11, sigma 1.5); where both variances are equal, the mean of both ssim counts. Gradients are
Sobel vectors with replicated borders; of two equally long ones, the one further right, then further
down, is G. Scales are made by halving: 2 x 2 means. People's opinion of fused exposures follows the
coarser scales more closely than the finest one. (Defined by this project, after Wang 2004 and
Xydeas, Petrovic 2000.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from fusionlab.metrics._jit import inlined, kernel
from fusionlab.metrics._pyramid import halved
from fusionlab.metrics._similarity import CENTRE, K1, K2, Windowed, windowed
from fusionlab.metrics._sobel import sobel_rows
from fusionlab.metrics._window import BLOCK, STRIDE, TILE, moments_block, scratch, unrolled
from fusionlab.metrics.base import INF, Family, Floats, Gray, Metric, Scene, Wanted

if TYPE_CHECKING:
    from collections.abc import Sequence

NAN = float("nan")
C1, C2 = (K1 * 255.0) ** 2, (K2 * 255.0) ** 2
EQUAL = 1e-8
"""Variances this near are equal: rounding must not choose a source."""

SCALES = 4

METRICS = (
    Metric(
        name="SELS",
        title="Structural similarity to the locally more varied source",
        formula="mean ssim(F, A or B by local variance), Gaussian 11 x 11 sigma 1.5, L = 255",
        source="this project, after Wang, Bovik, Sheikh, Simoncelli 2004",
        range=(-1.0, 1.0),
        min_side=11,
        constants={"K1": K1, "K2": K2, "L": 255.0, "sigma": 1.5, "equal": EQUAL},
    ),
    Metric(
        name="GERR",
        title="Relative error of the gradient against the larger source gradient",
        formula="sum |grad F - G| / sum |grad G|, G the larger of grad A, grad B; Sobel",
        source="this project, after Xydeas, Petrovic 2000",
        direction="lower",
        nan_when="neither the sources nor the fused image have a gradient",
        range=(0.0, INF),
    ),
    Metric(
        name="MS_GERR",
        title="Relative error of the gradient against the largest source gradient, at four scales",
        formula="mean of GERR over the images, halved 0, 1, 2 and 3 times; G over all sources",
        source="this project, after Xydeas, Petrovic 2000; Wang, Simoncelli, Bovik 2003",
        direction="lower",
        nan_when="at some scale neither the sources nor the fused image have a gradient",
        range=(0.0, INF),
        min_side=32,
        constants={"scales": float(SCALES)},
    ),
)


Gradient: TypeAlias = tuple[Floats, Floats]


@dataclass(frozen=True)
class State:
    """Local moments of the sources, the shares of a and b in each window; the gradient G.

    scaled : G of all sources, scale by scale from the finest.
    """

    sources: Windowed | None
    shares: tuple[Floats, Floats] | None
    gradient: Gradient | None
    scaled: tuple[Gradient, ...]


def prepare(scene: Scene, wanted: Wanted) -> State:
    """Choose a source for every window, and a gradient for every pixel."""
    a, b = (np.asarray(x, dtype=np.float64) for x in (scene.a, scene.b))
    sources = windowed(a, b) if "SELS" in wanted else None
    return State(
        sources,
        None if sources is None else _shares(sources.var_a - sources.var_b),
        _larger(_sobel(a), _sobel(b)) if "GERR" in wanted else None,
        _scaled(scene.shots or scene.sources) if "MS_GERR" in wanted else (),
    )


def compute(state: State, fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones of SELS, GERR and MS_GERR."""
    image = np.asarray(fused, dtype=np.float64)
    values = {}
    if state.sources is not None and state.shares is not None:
        values["SELS"] = _selected(image, state.sources, state.shares)
    if state.gradient is not None:
        values["GERR"] = _relative(*gradient_error(image, *state.gradient))
    if state.scaled:
        pairs = zip(_scales(image), state.scaled, strict=True)
        errors = [_relative(*gradient_error(f, *gradient)) for f, gradient in pairs]
        values["MS_GERR"] = sum(errors) / SCALES
    return {name: values[name] for name in wanted}


def _shares(difference: Floats) -> tuple[Floats, Floats]:
    of_a = np.where(np.abs(difference) <= EQUAL, 0.5, np.where(difference > 0, 1.0, 0.0))
    return of_a, 1.0 - of_a


def _scales(image: Gray) -> list[Floats]:
    """Return the image at `SCALES` scales, each half as large as the one before."""
    scales = [np.asarray(image, dtype=np.float64)]
    while len(scales) < SCALES:
        scales.append(halved(scales[-1]))
    return scales


def _scaled(sources: Sequence[Gray]) -> tuple[Gradient, ...]:
    """Return the largest gradient of all sources at every scale."""
    by_scale = zip(*(_scales(source) for source in sources), strict=True)
    return tuple(reduce(_larger, (_sobel(image) for image in images)) for images in by_scale)


def _sobel(image: Floats) -> Gradient:
    """Return horizontal and vertical Sobel derivatives, borders replicated."""
    x = np.pad(image, 1, mode="edge")
    smooth, steep = x[:-2] + 2 * x[1:-1] + x[2:], x[2:] - x[:-2]
    return smooth[:, 2:] - smooth[:, :-2], steep[:, :-2] + 2 * steep[:, 1:-1] + steep[:, 2:]


def _larger(a: Gradient, b: Gradient) -> Gradient:
    (ax, ay), (bx, by) = a, b
    aa, bb = ax * ax + ay * ay, bx * bx + by * by
    other = (bb > aa) | ((bb == aa) & ((bx > ax) | ((bx == ax) & (by > ay))))
    return np.where(other, bx, ax), np.where(other, by, ay)


def _relative(error: float, whole: float) -> float:
    """Return error / whole; nan where neither image nor sources have a gradient."""
    if whole == 0:
        return NAN if error == 0 else INF
    return error / whole


def _selected(fused: Floats, of: Windowed, shares: tuple[Floats, Floats]) -> float:
    maps = of.mean_a, of.var_a, of.mean_b, of.var_b, *shares
    return selected_similarity(fused, of.a, of.b, *maps, of.taps, unrolled(of.taps))


@kernel
def selected_similarity(
    f: Floats,
    a: Gray,
    b: Gray,
    mean_a: Floats,
    var_a: Floats,
    mean_b: Floats,
    var_b: Floats,
    share_a: Floats,
    share_b: Floats,
    taps: Floats,
    count: tuple[int, ...],
) -> float:
    """Return the mean of share_a ssim(f, a) + share_b ssim(f, b)."""
    height, width = mean_a.shape
    line, buffer, block = scratch(count)
    centre = np.full(3, CENTRE)
    total = 0.0
    for left in range(0, width, TILE):
        w = min(TILE, width - left)
        for top in range(0, height, BLOCK):
            rows = min(BLOCK, height - top)
            moments_block(f, a, b, centre, top, left, rows, w, taps, count, line, buffer, block)
            for j in range(rows):
                y, row = top + j, block[j * STRIDE :]
                total += shared_row(
                    row, row[2 * TILE :], mean_a[y, left:], var_a[y, left:], share_a[y, left:], w
                )
                total += shared_row(
                    row, row[3 * TILE :], mean_b[y, left:], var_b[y, left:], share_b[y, left:], w
                )
    return float(total / (height * width))


@inlined
def shared_row(
    row: Floats, cross: Floats, mean_x: Floats, var_x: Floats, share: Floats, width: int
) -> float:
    """Return the sum of share ssim over one row of windows."""
    total = 0.0
    for x in range(width):
        mu, mx = row[x], mean_x[x]
        s_ff = row[TILE + x] - mu * mu
        s_fx = cross[x] - mu * mx
        mu += CENTRE
        mx += CENTRE
        top = (2.0 * mu * mx + C1) * (2.0 * s_fx + C2)
        total += share[x] * top / ((mu * mu + mx * mx + C1) * (var_x[x] + s_ff + C2))
    return total


@kernel
def gradient_error(f: Floats, gx: Floats, gy: Floats) -> tuple[float, float]:
    """Return sum |grad f - g| and sum |g|."""
    height, width = f.shape
    s, d = np.empty(width + 2), np.empty(width + 2)
    error = whole = 0.0
    for y in range(height):
        sobel_rows(f, y, True, s, d)
        px, py = gx[y], gy[y]
        for x in range(width):
            ex = s[x + 2] - s[x] - px[x]
            ey = d[x] + 2.0 * d[x + 1] + d[x + 2] - py[x]
            error += math.sqrt(ex * ex + ey * ey)
            whole += math.sqrt(px[x] * px[x] + py[x] * py[x])
    return error, whole


FAMILY = Family("locally", METRICS, prepare, compute)

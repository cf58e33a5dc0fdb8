"""Windowed moments of a fused image with two sources, and separable filters.

    mu_F = h * F,   h * F^2,   h * (F A),   h * (F B)          h separable, `valid` (no padding)

The four maps are made block by block (BLOCK rows of TILE columns) in buffers that stay in the
cache; no map is ever stored whole. Rows are filtered as they come in, then columns out of the
buffer, whose rows lie STRIDE apart: no power of two, or all taps of a column would compete for one
cache set.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionlab.metrics._jit import kernel

if TYPE_CHECKING:
    from fusionlab.metrics.base import Floats, Gray

TILE = 128
BLOCK = 16
STRIDE = 4 * TILE + 8


def gaussian(n: int, sigma: float) -> Floats:
    """Return the (n,) normalised Gaussian taps centred on the middle one."""
    x = np.arange(n, dtype=np.float64) - n // 2
    taps = np.exp(-(x**2) / (2 * sigma**2))
    return np.asarray(taps / taps.sum())


def unrolled(taps: Floats) -> tuple[int, ...]:
    """Return a tuple as long as `taps`: its type tells the compiler how far to unroll the taps."""
    return (0,) * len(taps)


@kernel
def scratch(count: tuple[int, ...]) -> tuple[Floats, Floats, Floats]:
    """Return the buffers of `moments_block`: input row, row-filtered rows, finished rows."""
    n = len(count)
    return (
        np.empty(4 * (TILE + n - 1)),
        np.empty((BLOCK + n - 1) * STRIDE),
        np.empty(BLOCK * STRIDE),
    )


@kernel
def filter_row(
    source: Floats, out: Floats, width: int, taps: Floats, count: tuple[int, ...]
) -> None:
    """Set out[x] = sum_k taps[k] source[x + k]."""
    for x in range(width):
        total = taps[0] * source[x]
        for k in range(1, len(count)):
            total += taps[k] * source[x + k]
        out[x] = total


@kernel
def filter_column(
    source: Floats, out: Floats, width: int, taps: Floats, count: tuple[int, ...]
) -> None:
    """Set out[x] = sum_k taps[k] source[x + k STRIDE]."""
    for x in range(width):
        total = taps[0] * source[x]
        for k in range(1, len(count)):
            total += taps[k] * source[x + k * STRIDE]
        out[x] = total


@kernel
def products(f: Gray, a: Gray, b: Gray, centre: Floats, out: Floats, width: int, step: int) -> None:
    """Fill `out` with the rows F, F^2, F A and F B, each image less its entry of `centre`."""
    cf, ca, cb = centre[0], centre[1], centre[2]
    for x in range(width):
        v = np.float64(f[x]) - cf
        out[x] = v
        out[step + x] = v * v
        out[2 * step + x] = v * (np.float64(a[x]) - ca)
        out[3 * step + x] = v * (np.float64(b[x]) - cb)


@kernel
def moments_block(
    f: Gray,
    a: Gray,
    b: Gray,
    centre: Floats,
    top: int,
    left: int,
    rows: int,
    width: int,
    taps: Floats,
    count: tuple[int, ...],
    line: Floats,
    buffer: Floats,
    out: Floats,
) -> None:
    """Fill `out` with the four maps for `rows` rows from `top` and `width` columns from `left`.

    Map m of row j starts at out[j STRIDE + m TILE]. Blocks of one tile are asked for from top to
    bottom: the rows that two blocks share are kept.
    """
    n = len(count)
    step = TILE + n - 1
    first = 0
    if top > 0:
        buffer[: (n - 1) * STRIDE] = buffer[BLOCK * STRIDE : (BLOCK + n - 1) * STRIDE]
        first = n - 1
    for j in range(first, rows + n - 1):
        y = top + j
        products(f[y, left:], a[y, left:], b[y, left:], centre, line, width + n - 1, step)
        for m in range(4):
            filter_row(line[m * step :], buffer[j * STRIDE + m * TILE :], width, taps, count)
    for j in range(rows):
        for m in range(4):
            at = j * STRIDE + m * TILE
            filter_column(buffer[at:], out[at:], width, taps, count)


@kernel
def smooth(image: Floats, taps: Floats, step: int) -> Floats:
    """Return the `valid` separable filter of an image, every `step`-th row and column of it."""
    n = taps.size
    height, width = image.shape
    out = np.empty(((height - n) // step + 1, (width - n) // step + 1))
    column = np.empty(width)
    row = np.empty(width - n + 1)
    for y in range(out.shape[0]):
        column[:] = 0.0
        for k in range(n):
            weight, source = taps[k], image[y * step + k]
            for x in range(width):
                column[x] += weight * source[x]
        row[:] = 0.0
        for k in range(n):
            weight, shifted = taps[k], column[k:]
            for x in range(row.size):
                row[x] += weight * shifted[x]
        out[y] = row[::step]
    return out

"""Structural similarity of 8-bit images under a uniform 7 x 7 window, in exact integers.

With sums S over the n = 49 pixels of a window, mu = S_x / n and the sample covariance is
s_xy = (n S_xy - S_x S_y) / (n (n - 1)). Both denominators are multiplied out:

    ssim = (2 S_x S_y + n^2 C1) (2 V_xy + n (n-1) C2)
           / ((S_x^2 + S_y^2 + n^2 C1) (V_xx + V_yy + n (n-1) C2))

with integers V_xy = n S_xy - S_x S_y below 2^28, which fit 32 bits.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionlab.metrics._jit import inlined, kernel

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusionlab.metrics.base import Gray

    Ints = NDArray[np.int32]

SIDE = 7
COUNT = SIDE * SIDE


@kernel
def slide(f: Gray, a: Gray, b: Gray, y: int, sign: int, sums: Ints) -> None:
    """Add (sign 1) or take off (sign -1) row y in the column sums of F, F^2, F A and F B."""
    fs, as_, bs = f[y], a[y], b[y]
    width = fs.size
    weight = np.int32(sign)
    for x in range(width):
        v = np.int32(fs[x])
        w = weight * v
        sums[x] += w
        sums[width + x] += w * v
        sums[2 * width + x] += w * np.int32(as_[x])
        sums[3 * width + x] += w * np.int32(bs[x])


@kernel
def across(sums: Ints, out: Ints, width: int) -> None:
    """Set out[x] = sum of sums[x : x + 7]."""
    for x in range(width):
        s = sums[x] + sums[x + 1] + sums[x + 2] + sums[x + 3]
        out[x] = s + sums[x + 4] + sums[x + 5] + sums[x + 6]


@kernel
def box_sums(image: Gray) -> Ints:
    """Return the sum of every 7 x 7 window, (H - 6, W - 6)."""
    height, width = image.shape
    out = np.empty((height - SIDE + 1, width - SIDE + 1), np.int32)
    sums = np.zeros(width, np.int32)
    for y in range(height):
        new, old = image[y], image[max(y - SIDE, 0)]
        keep = np.int32(1) if y >= SIDE else np.int32(0)
        for x in range(width):
            sums[x] += np.int32(new[x]) - keep * np.int32(old[x])
        if y >= SIDE - 1:
            across(sums, out[y - SIDE + 1], out.shape[1])
    return out


@kernel
def box_variance(image: Gray, totals: Ints) -> Ints:
    """Return V = 49 sum x^2 - (sum x)^2 of every 7 x 7 window."""
    height, width = image.shape
    out = np.empty(totals.shape, np.int32)
    sums = np.zeros(width, np.int32)
    for y in range(height):
        new, old = image[y], image[max(y - SIDE, 0)]
        keep = np.int32(1) if y >= SIDE else np.int32(0)
        for x in range(width):
            u, v = np.int32(new[x]), np.int32(old[x])
            sums[x] += u * u - keep * v * v
        if y >= SIDE - 1:
            row = out[y - SIDE + 1]
            total = totals[y - SIDE + 1]
            across(sums, row, row.size)
            for x in range(row.size):
                row[x] = np.int32(COUNT) * row[x] - total[x] * total[x]
    return out


@kernel
def uniform_similarity(
    f: Gray,
    a: Gray,
    b: Gray,
    sum_a: Ints,
    var_a: Ints,
    sum_b: Ints,
    var_b: Ints,
    c1: float,
    c2: float,
) -> tuple[float, float]:
    """Return the mean ssim of f with a and of f with b."""
    height, width = f.shape
    columns = width - SIDE + 1
    sums = np.zeros(4 * width, np.int32)
    box = np.empty((4, columns), np.int32)
    k1, k2 = COUNT * COUNT * c1, COUNT * (COUNT - 1) * c2
    total_a = total_b = 0.0
    for y in range(height):
        slide(f, a, b, y, 1, sums)
        if y >= SIDE:
            slide(f, a, b, y - SIDE, -1, sums)
        top = y - SIDE + 1
        if top >= 0:
            for m in range(4):
                across(sums[m * width :], box[m], columns)
            total_a += box_row(box[0], box[1], box[2], sum_a[top], var_a[top], k1, k2)
            total_b += box_row(box[0], box[1], box[3], sum_b[top], var_b[top], k1, k2)
    count = columns * (height - SIDE + 1)
    return total_a / count, total_b / count


@inlined
def box_row(
    sum_f: Ints, sum_ff: Ints, sum_fx: Ints, sum_x: Ints, var_x: Ints, k1: float, k2: float
) -> float:
    """Return the sum of ssim over one row of windows."""
    n = np.int32(COUNT)
    total = 0.0
    for x in range(sum_f.size):
        sf, sx = sum_f[x], sum_x[x]
        product = sf * sx
        v_fx = n * sum_fx[x] - product
        v_ff = n * sum_ff[x] - sf * sf
        squares = sf * sf + sx * sx
        top = (np.float64(2 * product) + k1) * (np.float64(2 * v_fx) + k2)
        total += top / ((np.float64(squares) + k1) * (np.float64(v_ff + var_x[x]) + k2))
    return total

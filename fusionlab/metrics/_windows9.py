"""Mutual information of two 3 x 3 windows that are taken as distributions of their position.

    p = (x - min x) / sum(x - min x)         nine cells, column by column; 1/9 each if x is constant
    J = phi M + (1 - phi) p q                joint distribution
    score = 2 I / (H_p + H_q),               I = H_p + H_q - H_J;  0 where I = 0

M is the coupling of p and q whose positions agree most, F = min(P, Q), where the correlation r of
the nine values p and q is at least 0; else the one that agrees least, F = max(P + Q - 1, 0); P and
Q are the cumulated p and q. phi = r / (correlation of the positions under M); 0 where r = 0 or a
window is one single cell, that is, its position spreads less than 1e-6. J may be negative where
phi > 1: its entropy is -sum J log |J|.

M is positive in 17 cells at most, on a walk through the 9 x 9 from corner to corner. Elsewhere
J = (1 - phi) p q, whose share of the entropy follows from H_p + H_q and the sums over the walk: 17
logarithms do for 81. A row of windows is worked on at a time, cell by cell, so that everything but
the walk is vector code.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from fusionlab.metrics._jit import kernel
from fusionlab.metrics._log import log_positive

if TYPE_CHECKING:
    from fusionlab.metrics.base import Floats

CELLS = 9
STEPS = 17
TINY = 1e-300
NO_COVARIANCE = 1e-14
SINGLE = 1e-6
LOG, SUM, LOW, HIGH, ENTROPY, MEAN, SPREAD, SQUARES, ROWS = 9, 18, 27, 28, 29, 30, 31, 32, 33
"""Rows of a window table: 0.. p, LOG.. log p, SUM.. P, then one row each."""

MASS, PRODUCT, LOGS, CELL_MEAN, COVER, COVERED, PHI, TOTAL, WALK_ROWS = (
    *(0, 17, 34, 51, 52, 53, 54, 55),
    56,
)
"""Rows of a walk table: M, p q and log p + log q along the walk, then one row each."""


@kernel
def fill_windows(feature: Floats, y: int, table: Floats) -> None:
    """Fill `table`, (ROWS, W - 2), with the windows whose first row is y."""
    width = table.shape[1]
    low, high, total = table[LOW], table[HIGH], table[MEAN]
    low[:] = feature[y, :width]
    high[:] = low
    for k in range(CELLS):
        row = feature[y + k % 3, k // 3 :]
        for x in range(width):
            low[x] = min(low[x], row[x])
            high[x] = max(high[x], row[x])
    total[:] = 0.0
    for k in range(CELLS):
        row, p = feature[y + k % 3, k // 3 :], table[k]
        for x in range(width):
            p[x] = row[x] - low[x] if high[x] > low[x] else 1.0
            total[x] += p[x]
    for k in range(CELLS):
        p, logs = table[k], table[LOG + k]
        for x in range(width):
            p[x] /= total[x]
            logs[x] = log_positive(max(p[x], TINY))
    summarise(table)


@kernel
def summarise(table: Floats) -> None:
    """Fill the cumulated p, its entropy, the mean and spread of its position, and sum p^2."""
    width = table.shape[1]
    table[ENTROPY : SQUARES + 1] = 0.0
    entropy, mean = table[ENTROPY], table[MEAN]
    second, squares = table[SPREAD], table[SQUARES]
    for k in range(CELLS):
        p, logs, cumulated, before = table[k], table[LOG + k], table[SUM + k], table[SUM + k - 1]
        for x in range(width):
            cumulated[x] = p[x] + (before[x] if k else 0.0)
            entropy[x] -= p[x] * logs[x]
            mean[x] += k * p[x]
            second[x] += k * k * p[x]
            squares[x] += p[x] * p[x]
    for x in range(width):
        second[x] = math.sqrt(max(second[x] - mean[x] * mean[x], 0.0))


@kernel
def walk_windows(p: Floats, q: Floats, walk: Floats) -> None:
    """Fill `walk`, (WALK_ROWS, W - 2), for the windows p and q."""
    width = walk.shape[1]
    r = walk[PHI]
    r[:] = -1.0 / CELLS
    for k in range(CELLS):
        for x in range(width):
            r[x] += p[k, x] * q[k, x]
    for x in range(width):
        # of two constant windows r is rounding; it is set to 1 later
        forward = r[x] >= -NO_COVARIANCE
        i = j = 0
        last = bound = cover = covered = 0.0
        for step in range(STEPS):
            # walked backwards, the cumulated q is what its own sum lacks to 1
            to = j if forward else CELLS - 1 - j
            end = q[SUM + j, x] if forward else 1.0 - q[SUM + max(to, 1) - 1, x]
            end = end if j < CELLS - 1 else 2.0
            start = p[SUM + i, x] if i < CELLS - 1 else 2.0
            here = min(start, end, 1.0)
            mass, product = max(here - last, 0.0), p[i, x] * q[to, x]
            logs = p[LOG + i, x] + q[LOG + to, x]
            walk[MASS + step, x], walk[PRODUCT + step, x] = mass, product
            bound += mass * (i * to)
            cover += product
            covered += product * logs
            last = here
            down = start <= end and i < CELLS - 1
            i += 1 if down else 0
            j += 0 if down else 1
        walk[CELL_MEAN, x], walk[COVER, x], walk[COVERED, x] = bound, cover, covered


@kernel
def score_windows(p: Floats, q: Floats, walk: Floats, scores: Floats) -> None:
    """Set scores, (W - 2,), to 2 I / (H_p + H_q)."""
    width = walk.shape[1]
    phi, total = walk[PHI], walk[TOTAL]
    for x in range(width):
        var_p, var_q = p[SQUARES, x] - 1.0 / CELLS, q[SQUARES, x] - 1.0 / CELLS
        flat_p, flat_q = p[HIGH, x] == p[LOW, x], q[HIGH, x] == q[LOW, x]
        r = phi[x] / math.sqrt(var_p * var_q)
        if flat_p or flat_q:
            r = 1.0 if flat_p and flat_q else 0.0
        spread = p[SPREAD, x] * q[SPREAD, x]
        bound = walk[CELL_MEAN, x] - p[MEAN, x] * q[MEAN, x]
        single = min(p[SPREAD, x], q[SPREAD, x]) < SINGLE
        phi[x] = 0.0 if r == 0.0 or single else r * spread / bound
        rest = 1.0 - phi[x]
        marginal = p[ENTROPY, x] + q[ENTROPY, x]
        apart = log_positive(max(abs(rest), TINY)) * (1.0 - walk[COVER, x])
        total[x] = rest * (apart - marginal - walk[COVERED, x])
    for k in range(STEPS):
        mass, product = walk[MASS + k], walk[PRODUCT + k]
        for x in range(width):
            joint = phi[x] * mass[x] + (1.0 - phi[x]) * product[x]
            total[x] += joint * log_positive(max(abs(joint), TINY))
    for x in range(width):
        marginal = p[ENTROPY, x] + q[ENTROPY, x]
        information = marginal + total[x]
        scores[x] = 2.0 * information / marginal if marginal > 0.0 else 0.0

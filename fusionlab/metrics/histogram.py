"""Metrics of gray-level histograms.

    EN = -sum p log2 p                              256 levels
    MI = I(F, A) + I(F, B),  I = sum p_xy ln(p_xy / (p_x p_y))
    CE = (D(A, F) + D(B, F)) / 2,  D = sum p_x log2(p_x / p_f) where both are positive

Images that are not 8-bit are rounded half to even to the 256 levels first.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.metrics._jit import kernel
from fusionlab.metrics.base import INF, Family, Floats, Gray, Metric, Scene, Wanted
from fusionlab.metrics.inputs import levels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Levels = NDArray[np.uint8]
    Counts = NDArray[np.int64]

LN2 = float(np.log(2.0))

METRICS = (
    Metric(
        name="EN",
        title="Entropy of the fused image, in bits",
        formula="-sum_i p_i log2 p_i over the 256 gray levels of F",
        source="Roberts, van Aardt, Ahmed 2008",
        range=(0.0, 8.0),
        arity="fused",
    ),
    Metric(
        name="MI",
        title="Mutual information with both sources, summed, in nats",
        formula="I(F,A) + I(F,B), I(x,y) = sum p_xy ln(p_xy / (p_x p_y)), 256 x 256 levels",
        source="Qu, Zhang, Yan 2002 (in nats, as most public evaluators give it)",
        range=(0.0, 16.0 * LN2),
    ),
    Metric(
        name="MI_log2",
        title="Mutual information with both sources, summed, in bits",
        formula="MI / ln 2",
        source="Qu, Zhang, Yan 2002",
        range=(0.0, 16.0),
    ),
    Metric(
        name="CE",
        title="Cross entropy, mean over both sources, in bits",
        formula="(D(A,F) + D(B,F)) / 2, D(x,f) = sum p_x log2(p_x / p_f) where p_x > 0 and p_f > 0",
        source="Bulanon, Burks, Alchanatis 2009",
        direction="lower",
        range=(-INF, INF),
    ),
)


@dataclass(frozen=True)
class State:
    """Levels of a and b, and their histograms; empty if no wanted metric looks at the sources."""

    sources: tuple[Levels, ...]
    counts: tuple[Counts, ...]


def prepare(scene: Scene, wanted: Wanted) -> State:
    """Count the gray levels of the sources."""
    if wanted <= {"EN"}:
        return State((), ())
    sources = levels(scene.a), levels(scene.b)
    return State(sources, tuple(count(x) for x in sources))


def compute(state: State, fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones of EN, MI, MI_log2 and CE."""
    f = levels(fused)
    counts = count(f)
    values = {}
    if "EN" in wanted:
        values["EN"] = entropy(counts)
    if "CE" in wanted:
        values["CE"] = sum(cross_entropy(x, counts) for x in state.counts) / 2
    if wanted & {"MI", "MI_log2"}:
        values["MI"] = sum(
            mutual_information(f, counts, x, c)
            for x, c in zip(state.sources, state.counts, strict=True)
        )
        values["MI_log2"] = values["MI"] / LN2
    return {name: values[name] for name in wanted}


def entropy(counts: Counts) -> float:
    """Return -sum p log2 p of a histogram: 0 for one level, never -0."""
    p = counts[counts > 0] / counts.sum()
    return float(-(p * np.log2(p)).sum()) + 0.0


def cross_entropy(source: Counts, fused: Counts) -> float:
    """Return sum p_x log2(p_x / p_f) over the levels that both images have."""
    both = (source > 0) & (fused > 0)
    p, q = source[both] / source.sum(), fused[both] / fused.sum()
    return float((p * np.log2(p / q)).sum())


def mutual_information(f: Levels, f_counts: Counts, x: Levels, x_counts: Counts) -> float:
    """Return I(f, x) in nats.

    I = ln N + (sum n_fx ln n_fx - sum n_f ln n_f - sum n_x ln n_x) / N, over counts n of N pixels.
    """
    n = f.size
    joint = joint_sum(f, x, n_log_n_table())
    margins = _n_log_n(f_counts) + _n_log_n(x_counts)
    return max(float(np.log(n)) + (joint - margins) / n, 0.0)


def _n_log_n(counts: Counts) -> float:
    n = counts[counts > 0].astype(np.float64)
    return float((n * np.log(n)).sum())


def n_log_n_table() -> Floats:
    """Return n ln n for small n."""
    n = np.arange(1024, dtype=np.float64)
    n[0] = 1.0
    return np.asarray(n * np.log(n))


@kernel
def count(x: Levels) -> Counts:
    """Return the (256,) histogram of an (H, W) uint8 image."""
    # four tables, so that a run of equal pixels does not wait for its own counter
    table = np.zeros((4, 256), np.int64)
    flat = x.ravel()
    whole = flat.size - flat.size % 4
    for i in range(0, whole, 4):
        table[0, flat[i]] += 1
        table[1, flat[i + 1]] += 1
        table[2, flat[i + 2]] += 1
        table[3, flat[i + 3]] += 1
    for i in range(whole, flat.size):
        table[0, flat[i]] += 1
    return table.sum(axis=0)  # type: ignore[no-any-return]


@kernel
def joint_sum(x: Levels, y: Levels, table: Floats) -> float:
    """Return sum n ln n over the joint histogram of two images; `table` has it for small n."""
    counts = np.zeros(65536, np.int32)
    xs, ys = x.ravel(), y.ravel()
    for i in range(xs.size):
        counts[(np.int64(xs[i]) << 8) | np.int64(ys[i])] += 1
    total = 0.0
    for n in counts:
        if n >= table.size:
            total += n * np.log(np.float64(n))
        elif n > 1:
            total += table[n]
    return total


FAMILY = Family("histogram", METRICS, prepare, compute)

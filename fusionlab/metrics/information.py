"""Two normalised forms of the mutual information of fused image and sources.

    QMI   = 2 (I(F,A) / (H(F) + H(A)) + I(F,B) / (H(F) + H(B)))
    QNCIE = 1 + sum_i (e_i / 3) log256(e_i / 3)

e_i are the eigenvalues of the 3 x 3 matrix of nonlinear correlations of A, B and F: 1 on its
diagonal, else the mutual information with logarithms to base 256. Levels are those of the images
stretched to 0..255; that maps the levels of an 8-bit image one to one, so only others are
stretched. QMI is nan where fused image and a source are both constant. (Hossny, Nahavandi,
Creighton 2008; Wang, Shen, Zhang 2005; steps as by Liu et al. 2012.)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.metrics.base import Family, Gray, Metric, Scene, Wanted
from fusionlab.metrics.histogram import LN2, count, entropy, mutual_information

if TYPE_CHECKING:
    from fusionlab.metrics.histogram import Counts, Levels

BASE = 256.0

METRICS = (
    Metric(
        name="QMI",
        title="Mutual information with both sources, normalised by the entropies",
        formula="2 (I(F,A) / (H(F) + H(A)) + I(F,B) / (H(F) + H(B))), 256 levels",
        source="Hossny, Nahavandi, Creighton 2008; as by Liu et al. 2012",
        nan_when="the fused image and a source are both constant",
        range=(0.0, 2.0),
    ),
    Metric(
        name="QNCIE",
        title="Nonlinear correlation information entropy of sources and fused image",
        formula="1 + sum (e/3) log256(e/3), e: eigenvalues of the matrix of I in base 256",
        source="Wang, Shen, Zhang 2005; as by Liu et al. 2012",
        range=(1.0 - math.log(3.0) / math.log(BASE), 1.0),
        constants={"b": BASE},
    ),
)


@dataclass(frozen=True)
class Histogram:
    """Levels of an image, how often each occurs, and its entropy in nats."""

    image: Levels
    counts: Counts
    entropy: float

    def information(self, other: Histogram) -> float:
        """Return the mutual information in nats."""
        return mutual_information(self.image, self.counts, other.image, other.counts)


@dataclass(frozen=True)
class State:
    """Both sources, and their mutual information in nats."""

    a: Histogram
    b: Histogram
    shared: float


def prepare(scene: Scene, wanted: Wanted) -> State:
    """Count the levels of the sources, and of their pairs for QNCIE."""
    a, b = _histogram(scene.a), _histogram(scene.b)
    return State(a, b, a.information(b) if "QNCIE" in wanted else 0.0)


def compute(state: State, fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones of QMI and QNCIE."""
    f = _histogram(fused)
    with_a, with_b = f.information(state.a), f.information(state.b)
    values = {}
    if "QMI" in wanted:
        values["QMI"] = 2 * (_share(with_a, f, state.a) + _share(with_b, f, state.b))
    if "QNCIE" in wanted:
        values["QNCIE"] = _correlation_entropy(state.shared, with_a, with_b)
    return values


def stretched_levels(image: Gray) -> Levels:
    """Return an 8-bit image as it is, another one stretched to 0..255 and rounded half up."""
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    low, high = float(image.min()), float(image.max())
    if high == low:
        return np.zeros(image.shape, np.uint8)
    return np.floor((image - low) / (high - low) * 255.0 + 0.5).astype(np.uint8)


def _histogram(image: Gray) -> Histogram:
    found = stretched_levels(image)
    counts = count(found)
    return Histogram(found, counts, entropy(counts) * LN2)


def _share(information: float, f: Histogram, x: Histogram) -> float:
    whole = f.entropy + x.entropy
    return information / whole if whole > 0 else float("nan")


def _correlation_entropy(ab: float, af: float, bf: float) -> float:
    matrix = np.array([[0.0, ab, af], [ab, 0.0, bf], [af, bf, 0.0]]) / math.log(BASE) + np.eye(3)
    e = np.linalg.eigvalsh(matrix) / 3
    e = e[e > 0]
    return 1.0 + float((e * np.log(e)).sum()) / math.log(BASE)


FAMILY = Family("information", METRICS, prepare, compute)

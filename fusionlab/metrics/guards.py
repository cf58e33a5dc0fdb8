"""Guards on levels: copies, brightness and contrast that no source has, clipping.

A guard is a limit, not a ranking: a candidate beyond it is broken whatever else it scores. All look
at the luminance of the fused image F and of every source S_k.

    COPYD = min over t of mean max(|F - t| - 1/2, 0), over the largest mean |S_j - S_k|
    ENVX  = mean excess of F outside the extremes of all S_k in the 7 x 7 window
    TONEX = mean excess of the means of F in 16 x 16 blocks outside those of all S_k
    SDX   = SD(F) / max_k SD(S_k)
    CLIPX = share of pixels that are 0 or 255 in F, and more than 4 levels from it in every S_k

The trivial images t are the sources, their mean and their maximum, and of more than two sources the
mean and the maximum of the first two as well. COPYD is relative, for sources that differ little
leave a fused image little room; half a level is rounding. Windows end at the border; blocks there
are smaller. (Defined by this project.)
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import reduce

import numpy as np

from fusionlab.metrics._guarding import Range, block_means, outside, ratio, windowed
from fusionlab.metrics._jit import kernel
from fusionlab.metrics.base import INF, Family, Floats, Gray, Metric, Scene, Wanted

HALF = 0.5
ENVELOPE = 7
BLOCK = 16
MARGIN = 4.0
OURS = "this project"

METRICS = (
    Metric(
        name="COPYD",
        title="Distance from the nearest trivial image: a source, the mean, the maximum",
        formula="min over t of mean max(|F-t| - 1/2, 0), over the largest mean |S_j - S_k|",
        source=OURS,
        range=(0.0, INF),
        nan_when="all sources are equal",
        constants={"rounding": HALF},
    ),
    Metric(
        name="ENVX",
        title="Mean excess outside the local extremes of the sources, in levels",
        formula="mean max(F - high, low - F, 0), extremes of all sources in 7 x 7 windows",
        source=OURS,
        direction="lower",
        range=(0.0, 255.0),
        constants={"window": ENVELOPE},
    ),
    Metric(
        name="TONEX",
        title="Mean excess of local brightness outside that of the sources, in levels",
        formula="mean over 16 x 16 blocks of max(mF - max mS, min mS - mF, 0), m block means",
        source=OURS,
        direction="lower",
        range=(0.0, 255.0),
        constants={"block": BLOCK},
    ),
    Metric(
        name="SDX",
        title="Standard deviation relative to the largest of the sources",
        formula="SD(F) / max SD(S)",
        source=OURS,
        direction="lower",
        range=(0.0, INF),
        nan_when="all sources and the fused image are flat",
    ),
    Metric(
        name="CLIPX",
        title="Share of pixels clipped to black or white that no source has near there",
        formula="share of F = 0 < min S - 4 or F = 255 > max S + 4",
        source=OURS,
        direction="lower",
        range=(0.0, 1.0),
        constants={"margin": MARGIN},
    ),
)


@dataclass(frozen=True)
class Trivial:
    """Images that need no fusion, and how far the sources lie apart."""

    images: tuple[Floats, ...]
    apart: float


@dataclass(frozen=True)
class State:
    """What the wanted guards need of the sources; None for what none of them needs."""

    trivial: Trivial | None
    envelope: Range | None
    tone: Range | None
    deviation: float | None
    ends: Range | None


def prepare(scene: Scene, wanted: Wanted) -> State:
    """Work out what the sources allow."""
    sources = [np.asarray(x, dtype=np.float64) for x in scene.shots or scene.sources]
    low, high = reduce(np.minimum, sources), reduce(np.maximum, sources)
    return State(
        _trivial(sources) if "COPYD" in wanted else None,
        windowed(low, high, ENVELOPE) if "ENVX" in wanted else None,
        _tone(sources) if "TONEX" in wanted else None,
        max(float(x.std()) for x in sources) if "SDX" in wanted else None,
        Range(low, high) if "CLIPX" in wanted else None,
    )


def compute(state: State, fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones of COPYD, ENVX, TONEX, SDX and CLIPX."""
    f = np.asarray(fused, dtype=np.float64)
    values: dict[str, float] = {}
    if state.trivial is not None:
        values["COPYD"] = _copied(f, state.trivial)
    if state.envelope is not None:
        values["ENVX"] = outside(f, state.envelope.low, state.envelope.high) / f.size
    if state.tone is not None:
        means = block_means(f, BLOCK)
        values["TONEX"] = outside(means, state.tone.low, state.tone.high) / means.size
    if state.deviation is not None:
        values["SDX"] = ratio(float(f.std()), state.deviation)
    if state.ends is not None:
        values["CLIPX"] = clipped(f, state.ends.low, state.ends.high) / f.size
    return {name: values[name] for name in wanted}


def _trivial(sources: list[Floats]) -> Trivial:
    images = list(sources)
    for some in (sources, sources[:2]) if len(sources) > 2 else (sources,):
        images += [np.asarray(np.add.reduce(some) / len(some)), reduce(np.maximum, some)]
    apart = max(float(np.abs(x - y).mean()) for x, y in itertools.combinations(sources, 2))
    return Trivial(tuple(images), apart)


def _copied(f: Floats, trivial: Trivial) -> float:
    if trivial.apart == 0:
        return float("nan")
    return min(distance(f, t) for t in trivial.images) / f.size / trivial.apart


def _tone(sources: list[Floats]) -> Range:
    means = [block_means(x, BLOCK) for x in sources]
    return Range(reduce(np.minimum, means), reduce(np.maximum, means))


@kernel
def distance(f: Floats, t: Floats) -> float:
    """Return sum max(|f - t| - 1/2, 0)."""
    total = 0.0
    for y in range(f.shape[0]):
        p, q = f[y], t[y]
        for x in range(p.size):
            total += max(abs(p[x] - q[x]) - HALF, 0.0)
    return total


@kernel
def clipped(image: Floats, low: Floats, high: Floats) -> int:
    """Count the pixels at 0 or 255 that lie more than MARGIN levels inside in every source."""
    count = 0
    for y in range(image.shape[0]):
        p, a, b = image[y], low[y], high[y]
        for x in range(p.size):
            black = p[x] <= 0.0 and a[x] > MARGIN
            white = p[x] >= 255.0 and b[x] < 255.0 - MARGIN
            count += 1 if black or white else 0
    return count


FAMILY = Family("guards", METRICS, prepare, compute)

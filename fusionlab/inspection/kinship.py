"""Which candidates of a scene go together.

All fusion results of a scene are alike, for they show the same sources. What tells whether two
have one origin is what is left when everything that the sources explain is taken away: methods
differ in it, variants of one method share it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.cluster.hierarchy import fcluster, linkage
from scipy.spatial.distance import squareform

from fusionlab.inspection.fingerprint import copied_source, fingerprint, psnr

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from fusionlab.inspection.statistics import Floats, Statistics

    Levels: TypeAlias = NDArray[np.float32]

_SAME_NAME = 0.4  # correlation of residuals, for candidates whose names begin alike
_DUPLICATE = 0.95  # correlation of residuals without the common part, whatever the names
_DUPLICATE_DB = 40.0
_CONSENSUS = 6  # candidates from which on their median is a common part
_NOTHING = 0.01  # levels, RMS: an image that its sources explain so well has no residual
_APART = 2.0  # distance of what may not share a family; others are at most 1 - 0.4 apart


@dataclass(frozen=True, slots=True)
class Member:
    """One image of a scene, as kinship needs it."""

    statistics: Statistics
    digest: str
    file_format: str
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found out about one candidate: three columns of the index."""

    flags: tuple[str, ...]
    twin: str
    family: str


def inspect(sources: Mapping[str, Member], candidates: Mapping[str, Member]) -> dict[str, Finding]:
    """Judge the candidates of one scene, or those of it that show one region.

    Parameters
    ----------
    sources : modality -> source, cut to the candidates' region.
    candidates : method -> candidate, all of the sources' size.
    """
    shots = [source.statistics for source in sources.values()]
    kin = families(candidates, shots)
    found = {}
    for name, member in candidates.items():
        flags = fingerprint(
            member.statistics,
            shots,
            file_format=member.file_format,
            notes=member.notes,
        )
        copied = copied_source(member.statistics, shots)
        twin, family = kin[name]
        if twin:
            same = candidates[twin].digest == member.digest
            flags += ("identical" if same else "near_duplicate",)
        named = (
            f"source/{list(sources)[copied]}"
            if copied is not None
            else f"method/{twin}"
            if twin
            else ""
        )
        found[name] = Finding(flags, named, family)
    return found


def families(
    candidates: Mapping[str, Member], sources: Sequence[Statistics]
) -> dict[str, tuple[str, str]]:
    """Return, for each candidate, the candidate that it nearly equals and its family.

    Two candidates are kin when

    - their pixels are the same, or
    - they nearly are: PSNR at least 40 dB and residuals that correlate to 0.95, residuals against
      the sources and, from 6 candidates on, against the median candidate, or
    - their names begin alike (up to the first ``-``, ``_`` or blank) and their residuals against
      the sources correlate to 0.4.

    A family is a set of which every two are kin (complete linkage, so that no chain of likenesses
    joins what is unlike). It is called after its first member; who has no kin has no family. The
    result does not depend on the candidates' order.
    """
    names = sorted(candidates)
    if len(names) < 2:
        return dict.fromkeys(names, ("", ""))
    strict, loose = _correlations([candidates[name].statistics for name in names], sources)
    distance, twin_of = np.full(strict.shape, _APART), dict.fromkeys(names, "")
    best = dict.fromkeys(names, -1.0)
    for i, j in combinations(range(len(names)), 2):
        a, b = candidates[names[i]], candidates[names[j]]
        duplicate = _duplicate(a, b, float(strict[i, j]))
        if duplicate > 0 or (_stem(names[i]) == _stem(names[j]) and loose[i, j] >= _SAME_NAME):
            distance[i, j] = distance[j, i] = 1 - max(duplicate, float(loose[i, j]))
        for one, other in ((i, j), (j, i)):
            if duplicate > best[names[one]] and duplicate > 0:
                best[names[one]], twin_of[names[one]] = duplicate, names[other]
    return {name: (twin_of[name], family) for name, family in _cut(names, distance).items()}


def _duplicate(a: Member, b: Member, correlation: float) -> float:
    """Return how surely two candidates are one image: 2 for sure, 0 for not."""
    if a.digest == b.digest:
        return 2.0
    alike = correlation >= _DUPLICATE and psnr(a.statistics, b.statistics) >= _DUPLICATE_DB
    return correlation if alike else 0.0


def _stem(name: str) -> str:
    return re.split(r"[-_\s]", name, maxsplit=1)[0].casefold()


def _cut(names: list[str], distance: Floats) -> dict[str, str]:
    np.fill_diagonal(distance, 0.0)
    tree = linkage(squareform(np.maximum(distance, 0.0), checks=False), "complete")
    numbers = fcluster(tree, 1.0, "distance").tolist()
    first: dict[int, str] = {}
    for name, number in zip(names, numbers, strict=True):
        first.setdefault(number, name)
    alone = {number for number in numbers if numbers.count(number) == 1}
    pairs = zip(names, numbers, strict=True)
    return {name: "" if number in alone else first[number] for name, number in pairs}


def _correlations(
    candidates: Sequence[Statistics], sources: Sequence[Statistics]
) -> tuple[Floats, Floats]:
    """Return how the candidates' residuals correlate, without and with what is common to all."""
    levels = np.stack([c.intensity for c in candidates])
    left = _residuals(levels, _explained(sources))
    loose = _correlation(left)
    if len(candidates) < _CONSENSUS:
        return loose, loose
    common = np.median(left, axis=0)[:, None]
    return _correlation(_residuals(left, common)), loose


def _explained(sources: Sequence[Statistics]) -> Levels:
    """Return (N, K): what a fusion rule makes of each pixel of the sources at once.

    A constant, the channels of each source with their largest and smallest, and over the sources
    the largest and the smallest intensity.
    """
    intensities = [source.intensity for source in sources]
    columns = [np.ones_like(intensities[0])]
    for source in sources:
        channels = list(source.sample.T.astype(np.float32))
        columns += channels
        if len(channels) == 3:
            columns += [np.maximum.reduce(channels), np.minimum.reduce(channels)]
    columns += [np.maximum.reduce(intensities), np.minimum.reduce(intensities)]
    return np.column_stack(columns)


def _residuals(levels: Levels, explained: Levels) -> Levels:
    """Return (M, N): what linear regression on `explained` (N, K) leaves of `levels` (M, N)."""
    scaled = explained / np.maximum(np.linalg.norm(explained, axis=0), 1e-9)
    basis, strength, _ = np.linalg.svd(scaled, full_matrices=False)
    basis = basis[:, strength > 1e-4 * strength[0]]
    left: Levels = levels - (levels @ basis) @ basis.T
    return left


def _correlation(residuals: Levels) -> Floats:
    norms = np.linalg.norm(residuals, axis=1).astype(np.float64)
    norms[norms < _NOTHING * np.sqrt(residuals.shape[1])] = np.inf  # nothing left to compare
    correlation: Floats = (residuals @ residuals.T) / np.outer(norms, norms)
    return correlation

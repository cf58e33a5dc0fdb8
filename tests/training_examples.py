"""Curated labels made of noise, without a lab."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from fusionlab.training.curated import Curated, Example


def example(place: str, size: tuple[int, int] = (24, 31), **values: object) -> Example:
    """Return an example of noise that depends on its place alone."""
    rng = np.random.default_rng(list(place.encode()))
    planes = rng.integers(0, 65536, (3, *size), dtype=np.uint16)
    digests = tuple(f"{place}-{name}" for name in ("a", "b", "label"))
    common = {"task": place.partition("/")[0], "weight": 1.0, "method": "mean", "digests": digests}
    return Example(place, planes=planes, **(common | values))


def curated(examples: Iterable[Example]) -> Curated:
    return Curated(list(examples), "first", "p")


def of_tasks(**counts: int) -> Curated:
    """Return so many scenes of each task."""
    return curated(
        example(f"{t}/toy/s{i:02d}") for t, count in counts.items() for i in range(count)
    )

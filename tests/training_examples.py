"""Curated labels made of noise, without a lab."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

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


def validated(examples: Iterable[Example], count: int = 1) -> Curated:
    """Return examples, the last `count` of each task with more than that for validation."""
    found = sorted(examples, key=lambda example: example.place)
    by_task = {e.task: [one.place for one in found if one.task == e.task] for e in found}
    held = {place for places in by_task.values() for place in places[1:][-count:]}
    return curated(replace(e, split="validation" if e.place in held else "train") for e in found)


def of_tasks(**counts: int) -> Curated:
    """Return so many scenes of each task, one of them for validation."""
    return validated(
        example(f"{t}/toy/s{i:02d}") for t, count in counts.items() for i in range(count)
    )

"""Defects that are planted in a good fusion, each in grades from hardly seen to plain."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.demo.parts import blur, mix

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionlab.colour import Image, Plane

    Spoiled = Callable[[Plane, float, np.random.Generator], Plane]


@dataclass(frozen=True)
class Defect:
    """One kind of defect.

    Attributes
    ----------
    name, title : what it is called.
    grades : how strong it can be, the weakest first.
    share : part of the image that it covers, 0..1.
    apply : (values, grade, random numbers) to the spoiled values, float64 of one shape, not
        clipped; None for ``wrong``, which takes the other source.
    """

    name: str
    title: str
    grades: tuple[float, ...]
    share: float
    apply: Spoiled | None


def _blurred(f: Plane, sigma: float, _rng: np.random.Generator) -> Plane:
    return blur(f, sigma)


def _noisy(f: Plane, sigma: float, rng: np.random.Generator) -> Plane:
    noise = rng.normal(0.0, sigma, f.shape[:2])
    return f + (noise if f.ndim == 2 else noise[:, :, None])


def _ghosted(f: Plane, share: float, rng: np.random.Generator) -> Plane:
    shift = tuple(int(s) for s in rng.integers(2, 6, 2))
    return np.asarray((1.0 - share) * f + share * np.roll(f, shift, axis=(0, 1)))


def _sharpened(f: Plane, amount: float, _rng: np.random.Generator) -> Plane:
    return np.asarray(f + amount * (f - blur(f, 1.5)))


def _clipped(f: Plane, gain: float, _rng: np.random.Generator) -> Plane:
    return np.asarray(np.clip(f.mean() + gain * (f - f.mean()), 0.0, 255.0))


#: Name -> defect. ``wrong`` is a decision map that errs: patches come from the other source.
DEFECTS: dict[str, Defect] = {
    d.name: d
    for d in (
        Defect("blurred", "blurred region", (0.7, 1.0, 1.8), 0.3, _blurred),
        Defect("noisy", "noisy region", (1.5, 4.0, 9.0), 0.6, _noisy),
        Defect("ghosted", "ghost in a region", (0.1, 0.25, 0.5), 0.3, _ghosted),
        Defect("sharpened", "unsharp masking", (0.2, 0.6, 1.5), 1.0, _sharpened),
        Defect("clipped", "stretched and clipped", (1.05, 1.15, 1.4), 1.0, _clipped),
        Defect("wrong", "patches of the wrong source", (0.02, 0.06, 0.15), 0.0, None),
    )
}


def plant(
    base: Plane, defect: Defect, grade: int, sources: tuple[Image, Image], rng: np.random.Generator
) -> Plane:
    """Return `base` with a defect in some region of it.

    Parameters
    ----------
    base : (H, W) or (H, W, 3), 0..255.
    grade : position in the defect's grades.
    sources : what patches of the wrong source are taken from.
    """
    strength = defect.grades[grade]
    if defect.apply is None:
        source = sources[int(rng.integers(2))].astype(np.float64)
        other = source if source.ndim == base.ndim else _as_channels(source, base.ndim)
        return mix(blobs(base.shape[:2], strength, rng), other, base)
    spoiled = defect.apply(base, strength, rng)
    return mix(blobs(base.shape[:2], defect.share, rng), spoiled, base)


def blobs(size: tuple[int, int], share: float, rng: np.random.Generator) -> Plane:
    """Return a soft mask (H, W) in 0..1 that covers about `share` of the image, in a few blobs."""
    if share >= 1.0:
        return np.ones(size)
    field = blur(rng.normal(size=size), min(size) / 10)
    return blur((field > np.quantile(field, 1.0 - share)).astype(np.float64), 1.0)


def _as_channels(image: Plane, dimensions: int) -> Plane:
    """Bring a gray image to three channels, or a colour one to one."""
    if dimensions == 2:
        return np.asarray(image.mean(axis=2))
    return np.repeat(image[:, :, None], 3, axis=2)

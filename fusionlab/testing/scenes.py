"""The images that metrics are checked on: deterministic, small, with an odd side."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.uint8]


@dataclass(frozen=True)
class Case:
    """One triple, with a true fused image and exposures.

    Attributes
    ----------
    degenerate : whether something in it is flat or identical, where a metric may be nan.
    """

    name: str
    a: Image
    b: Image
    fused: Image
    truth: Image
    degenerate: bool = False


def cases(side: int) -> list[Case]:
    """Return textured, noisy, flat and identical triples of about `side` pixels, height and width.

    Both an odd and an even size are there, and one with the smallest side exactly.
    """
    odd = textures(side + 5, side + 8)
    even = textures(side + 1 + (side + 1) % 2, side + 2 + side % 2)
    least = textures(side, side)
    noise = random_images(side + 3, side + 4)
    a, b, fused, truth = odd
    level = np.full_like(a, 90)
    black = np.zeros_like(a)
    return [
        Case("textured, odd size", *odd),
        Case("textured, even size", *even),
        Case("of the smallest size", *least),
        Case("random", *noise),
        Case("all identical", a, a, a, a, degenerate=True),
        Case("fused equal to a", a, b, a, truth, degenerate=True),
        Case("fused equal to the truth", a, b, truth, truth, degenerate=True),
        Case("fused flat", a, b, level, truth, degenerate=True),
        Case("a flat", level, b, fused, truth, degenerate=True),
        Case("all flat", level, level, level, level, degenerate=True),
        Case("all black", black, black, black, black, degenerate=True),
    ]


def textures(height: int, width: int) -> tuple[Image, Image, Image, Image]:
    """Return a, b, a fusion with some noise, and a truth, all uint8."""
    rng = np.random.Generator(np.random.PCG64(height * 1000 + width))
    y, x = np.mgrid[:height, :width]
    noise = rng.normal(0, 4, (4, height, width))
    a = 120 + 70 * np.sin(x / 3.1) * np.cos(y / 5.3) + noise[0]
    b = 120 + 60 * np.cos(y / 2.7 + 1) + 40 * np.sin((x + y) / 7) + noise[1]
    weight = 0.5 + 0.4 * np.sin(x / 9 + y / 11)
    truth = weight * a + (1 - weight) * b
    return _round(a), _round(b), _round(truth + noise[2]), _round(truth)


def random_images(height: int, width: int) -> tuple[Image, Image, Image, Image]:
    """Return four independent images of uniform noise."""
    rng = np.random.Generator(np.random.PCG64(width * 1000 + height))
    found = rng.integers(0, 256, (4, height, width), dtype=np.uint8)
    return found[0], found[1], found[2], found[3]


def _round(image: NDArray[np.float64]) -> Image:
    return np.clip(np.rint(image), 0, 255).astype(np.uint8)

"""Patches of images: mirrored where the image is too small, flipped and turned as views."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

T = TypeVar("T", bound=np.generic)


def at_least(planes: NDArray[T], side: int) -> NDArray[T]:
    """Return planes (C, H, W) that are at least `side` high and wide.

    What is too small goes on below and to the right as its mirror image; other planes are returned
    as they are.
    """
    missing = [(0, max(0, side - n)) for n in planes.shape[1:]]
    if not any(more for _, more in missing):
        return planes
    return np.pad(planes, [(0, 0), *missing], mode="symmetric")


def turned(planes: NDArray[T], flip_y: bool, flip_x: bool, transpose: bool) -> NDArray[T]:
    """Return a view of planes (C, H, W): flipped, then height and width exchanged.

    The eight combinations are the eight symmetries of a square.
    """
    found = planes[:, :: -1 if flip_y else 1, :: -1 if flip_x else 1]
    return found.transpose(0, 2, 1) if transpose else found

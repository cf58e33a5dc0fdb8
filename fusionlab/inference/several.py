"""More than two sources: fused in pairs, pairs of pairs, and so on.

Neighbours are fused with each other, in a balanced tree: a source passes the network at most
``ceil(log2 N)`` times, where one after the other the first would pass it N - 1 times. Two sources
are the plain pair.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

Item = TypeVar("Item")


def in_pairs(items: Sequence[Item], join: Callable[[Item, Item], Item]) -> Item:
    """Join neighbours until one is left; of an odd number, the last waits for the next round."""
    left = list(items)
    while len(left) > 1:
        pairs = [join(left[i], left[i + 1]) for i in range(0, len(left) - 1, 2)]
        left = pairs + left[len(left) - len(left) % 2 :]
    return left[0]


def by_exposure(planes: Sequence[NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Return three and more shots from dark to bright, so that every pair is of under and over."""
    if len(planes) < 3:
        return list(planes)
    return sorted(planes, key=lambda plane: float(plane.mean(dtype="f8")))

"""What pairs of images look like: a second opinion on the task, and on which source is which.

Medians over a few scenes, on luminance reduced to 96 pixels:

::

    medical          the borders of both are black, and so is a quarter of the area and more
    multi-exposure   the order of the grey levels is the same, and one is brighter by far
    multi-focus      the order is the same, and so is the brightness
    infrared         the order of the grey levels has little in common

The bounds were read off 20 public data sets of all tasks, by the medians of each.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.stats import rankdata

from fusionlab.errors import ImageError
from fusionlab.images import decode, luminance

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from fusionlab.ingest.tree import FileTree

    Small = NDArray[np.float32]

#: So many scenes are looked at.
SAMPLES = 5

_SIDE = 96
_BLACK = 16.0
_DARK_BORDER, _DARK_AREA = 0.6, 0.25
_SAME_ORDER, _OTHER_ORDER = 0.7, 0.6
_BRIGHTER, _AS_BRIGHT = 25.0, 15.0
_COLOURED = 2.0  # mean distance of the channels from gray, in levels


@dataclass(frozen=True)
class Look:
    """One image, small.

    Attributes
    ----------
    luma : (h, w), 0..255, the longer side 96.
    colour : mean distance of its channels from their mean, in levels.
    """

    luma: Small
    colour: float


@dataclass
class Eye:
    """Looks at images of a tree, and keeps what cannot be read.

    Attributes
    ----------
    unreadable : path -> why.
    """

    tree: FileTree
    unreadable: dict[str, str] = field(default_factory=dict)

    def look(self, path: str) -> Look | None:
        """Decode one image; None where that fails, which is noted."""
        try:
            pixels = decode(self.tree.read(path)).pixels
        except ImageError as error:
            self.unreadable[path] = f"{error.reason}: {error.detail}"
            return None
        scale = _SIDE / max(pixels.shape[:2])
        size = [max(2, round(side * scale)) for side in pixels.shape[1::-1]]
        small = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        return Look(luminance(small).astype(np.float32), _colour(small))

    def pairs(self, paths: Iterable[tuple[str, str]]) -> list[tuple[Look, Look]]:
        """Look at pairs of images; those of which one cannot be read are left out."""
        seen = [(self.look(a), self.look(b)) for a, b in paths]
        return [(a, b) for a, b in seen if a is not None and b is not None]


def _colour(pixels: NDArray[np.uint8] | NDArray[np.uint16]) -> float:
    if pixels.ndim == 2:
        return 0.0
    levels = pixels.astype(np.float32) / (257.0 if pixels.dtype == np.uint16 else 1.0)
    return float(np.abs(levels - levels.mean(axis=2, keepdims=True)).mean())


@dataclass(frozen=True)
class Opinion:
    """What content says of two sources.

    Attributes
    ----------
    task : the likely one; empty where content does not tell.
    why : in words, with the numbers.
    brighter : by how many levels b is brighter than a.
    colours : how coloured a and b are.
    """

    task: str
    why: str
    brighter: float
    colours: tuple[float, float]

    @property
    def coloured(self) -> tuple[bool, bool]:
        """Return whether a and b are colour images."""
        first, second = (colour > _COLOURED for colour in self.colours)
        return first, second


def judge(pairs: Sequence[tuple[Look, Look]]) -> Opinion | None:
    """Return what some pairs of sources look like; None without a pair."""
    if not pairs:
        return None
    rows = np.array([_measured(a, b) for a, b in pairs])
    order, brighter, border, area = np.median(rows, axis=0)
    colours = tuple(float(np.median([pair[i].colour for pair in pairs])) for i in (0, 1))
    task, why = _task(float(order), float(brighter), float(border), float(area))
    return Opinion(task, why, float(brighter), (colours[0], colours[1]))


def _task(order: float, brighter: float, border: float, area: float) -> tuple[str, str]:
    if border > _DARK_BORDER and area > _DARK_AREA:
        return "mif", f"both lie on black ({area:.0%} of the area)"
    levels = f"grey levels agree to {order:.2f}"
    if order > _OTHER_ORDER and abs(brighter) > _BRIGHTER:
        return "mef", f"{levels}, and one source is brighter by {abs(brighter):.0f} levels"
    if order > _SAME_ORDER and abs(brighter) < _AS_BRIGHT:
        return "mff", f"{levels}, and both sources are as bright"
    if order < _OTHER_ORDER:
        return "ivf", f"{levels} only: the sources see different things"
    return "", f"{levels}, and one source is brighter by {abs(brighter):.0f} levels: not clear"


def _measured(a: Look, b: Look) -> tuple[float, float, float, float]:
    """Return agreement of order, difference of the means, dark share of border and area."""
    first, second = a.luma, _fitted(b.luma, a.luma)
    border = np.concatenate([_rim(first), _rim(second)])
    area = (first < _BLACK) & (second < _BLACK)
    return (
        correlation(rankdata(first), rankdata(second)),
        float(second.mean() - first.mean()),
        float((border < _BLACK).mean()),
        float(area.mean()),
    )


def likeness(a: Look, b: Look) -> float:
    """Return the correlation of two images, -1 to 1."""
    return correlation(a.luma, _fitted(b.luma, a.luma))


def correlation(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return Pearson's correlation of two arrays of one size; 0 where one is flat."""
    x, y = (np.asarray(v, float).ravel() - np.mean(v) for v in (a, b))
    scale = float(np.sqrt((x @ x) * (y @ y)))
    return float(x @ y) / scale if scale > 0 else 0.0


def _fitted(image: Small, other: Small) -> Small:
    if image.shape == other.shape:
        return image
    return np.asarray(cv2.resize(image, other.shape[::-1]), np.float32)


def _rim(image: Small) -> Small:
    return np.concatenate(
        [edge.ravel() for edge in (image[:2], image[-2:], image[:, :2], image[:, -2:])]
    )

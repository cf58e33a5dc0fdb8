r"""From images to what the network sees, and from what it gives to images.

.. math:: x = Y / 127.5 - 1

Y: luminance in 0..255, of 16-bit images in steps of 255/65535. Both ways go by bands of rows, so
that the float64 planes of the colour equations never stand in memory whole.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab import colour
from fusionlab.errors import ImageError, MethodError
from fusionlab.tasks import Task, get_task

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from numpy.typing import NDArray

    from fusionlab.images import Pixels

#: What stands for no task: colour from all sources, weighted by distance from gray. Where one
#: source alone has hues, as in most tasks, that is this source's chroma.
UNKNOWN = Task("", "unknown", "first source", "second source", "both")

_HALF = 127.5

#: Pixels of a band.
_BAND = 1 << 20


def task_of(key: str) -> Task:
    """Return the task named `key`, or `UNKNOWN` for the empty name.

    Raises
    ------
    UnknownNameError
        When there is no such task.
    """
    return get_task(key, "fuse") if key else UNKNOWN


def check_sources(sources: Sequence[NDArray[Any]], where: str) -> None:
    """Refuse fewer than two sources, what is no image, and images of different sizes.

    Raises
    ------
    ImageError
        With reason ``sources``, ``dtype``, ``shape``, ``empty`` or ``source_sizes_differ``.
    """
    if len(sources) < 2:
        raise ImageError(
            "sources", f"{where}: got {len(sources)} source(s), expected two or more. Add one."
        )
    for position, source in enumerate(sources, start=1):
        colour.check_image(source, f"{where}, source {position}")
        if source.shape[:2] != sources[0].shape[:2]:
            height, width = source.shape[:2]
            raise ImageError(
                "source_sizes_differ",
                f"{where}: source {position} is {height}x{width} (height x width), the first "
                f"is {sources[0].shape[0]}x{sources[0].shape[1]}; register or crop them first",
            )


def to_plane(image: Pixels) -> NDArray[np.float32]:
    """Return x, (H, W) in -1..1, of an image, gray (H, W) or RGB (H, W, 3)."""
    plane = np.empty(image.shape[:2], dtype=np.float32)
    for rows in _bands(plane):
        levels = colour.luminance(colour.to_levels(image[rows]))
        plane[rows] = levels / _HALF - 1
    return plane


def to_image(plane: NDArray[np.float32], task: Task, sources: Sequence[Pixels]) -> Pixels:
    """Return the fused image of a fused plane, with the chroma of its sources by the task's rule.

    Parameters
    ----------
    plane : (H, W), -1..1.
    sources : images of that size.

    Returns
    -------
    RGB (H, W, 3), or gray (H, W) where the rule finds no hue; uint16 if one of the sources is.

    Raises
    ------
    MethodError
        With reason ``method_failed``, where `plane` is not finite.
    """
    if not np.isfinite(plane).all():
        raise MethodError(
            "method_failed",
            "the model gives numbers that are not finite; train it again, or take an earlier "
            "checkpoint",
        )
    deep = any(source.dtype == np.uint16 for source in sources)
    painted = colour.chroma_sources(task, sources)
    shape = (*plane.shape, 3) if painted else plane.shape
    image: Pixels = np.empty(shape, dtype=np.uint16 if deep else np.uint8)
    for rows in _bands(plane):
        y = (plane[rows].astype(np.float64) + 1) * _HALF
        if painted:
            parts = [colour.to_levels(source[rows]) for source in painted]
            y = colour.to_rgb(y, colour.join_chroma(task, parts))
        image[rows] = colour.to_uint16(y) if deep else colour.to_uint8(y)
    return image


def _bands(plane: NDArray[Any]) -> Iterator[slice]:
    height, width = plane.shape
    rows = max(1, _BAND // width)
    return (slice(top, top + rows) for top in range(0, height, rows))

r"""Luminance and chroma of images, and the chroma that a fused image gets.

.. math:: Y = 0.299 R + 0.587 G + 0.114 B, \quad
          C_b = 128 + \frac{B - Y}{2 (1 - 0.114)}, \quad
          C_r = 128 + \frac{R - Y}{2 (1 - 0.299)}

Full-range BT.601, the definition behind OpenCV's ``YCrCb`` (whose constants are these, rounded).
Images are uint8, gray ``(H, W)`` or RGB ``(H, W, 3)``, or the same in float64 on the scale 0..255,
which is what 16-bit images become (`to_levels`); planes are float64 in 0..255, not rounded, so that
splitting and composing gives every pixel back exactly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from fusionlab.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.tasks import Task

Image = NDArray[np.uint8]
Plane = NDArray[np.float64]
Coloured = TypeVar("Coloured", bound=NDArray[Any])

RED, GREEN, BLUE = 0.299, 0.587, 0.114
NEUTRAL = 128.0


def check_image(image: NDArray[Any], where: str) -> None:
    """Refuse what is not a gray or RGB image of 8 or 16 bits.

    Parameters
    ----------
    image : the array to judge.
    where : what the array is, e.g. ``"baseline 'mean', source 2"``; opens the message.

    Raises
    ------
    ImageError
        With reason ``dtype``, ``shape`` or ``empty``.
    """
    if image.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            "dtype",
            f"{where}: got {image.dtype}, expected uint8 or uint16. Scale it to 0..255 and round.",
        )
    if not (image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)):
        raise ImageError(
            "shape",
            f"{where}: got shape {image.shape}, expected (H, W) or (H, W, 3). "
            "Drop the alpha channel, or take one page of a stack.",
        )
    if image.size == 0:
        raise ImageError(
            "empty", f"{where}: got shape {image.shape}, expected at least one pixel. Leave it out."
        )


def to_levels(image: NDArray[Any]) -> NDArray[Any]:
    """Return a 16-bit image as float64 on the scale 0..255, an 8-bit image as it is."""
    return image * (255.0 / 65535.0) if image.dtype == np.uint16 else image


def is_colour(image: NDArray[Any]) -> bool:
    """Tell whether any pixel of the image has a hue: RGB with equal channels is gray."""
    return image.ndim == 3 and bool((image != image[:, :, :1]).any())


def luminance(image: NDArray[Any]) -> Plane:
    """Return Y, float64 (H, W) in 0..255; a gray image is its own luminance."""
    if not is_colour(image):
        return (image if image.ndim == 2 else image[:, :, 0]).astype(np.float64)
    return np.asarray(image.astype(np.float64) @ np.array([RED, GREEN, BLUE]))


def chroma(image: NDArray[Any]) -> Plane:
    """Return (Cb, Cr), float64 (H, W, 2); all 128 for a gray image."""
    planes = np.full((*image.shape[:2], 2), NEUTRAL)
    if is_colour(image):
        y = luminance(image)
        planes[:, :, 0] += (image[:, :, 2] - y) * (0.5 / (1 - BLUE))
        planes[:, :, 1] += (image[:, :, 0] - y) * (0.5 / (1 - RED))
    return planes


def to_uint8(values: Plane) -> Image:
    """Round half to even and clip to 0..255."""
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def to_uint16(values: Plane) -> NDArray[np.uint16]:
    """Bring 0..255 to 0..65535, round half to even and clip."""
    return np.clip(np.rint(values * (65535.0 / 255.0)), 0, 65535).astype(np.uint16)


def compose(y: Plane, cbcr: Plane | None) -> Image:
    """Return the image of a luminance (H, W) and a chroma (H, W, 2); gray when that is None."""
    return to_uint8(y if cbcr is None else to_rgb(y, cbcr))


def to_rgb(y: Plane, cbcr: Plane) -> Plane:
    """Return red, green and blue (H, W, 3), not rounded, of luminance and chroma (H, W, 2)."""
    red = y + (cbcr[:, :, 1] - NEUTRAL) * (2 * (1 - RED))
    blue = y + (cbcr[:, :, 0] - NEUTRAL) * (2 * (1 - BLUE))
    green = (y - RED * red - BLUE * blue) / GREEN
    return np.stack([red, green, blue], axis=2)


def weighted_chroma(sources: Sequence[NDArray[Any]]) -> Plane:
    r"""Return :math:`\sum_k |C_k - 128| C_k / \sum_k |C_k - 128|` for Cb and for Cr.

    128 where no source has a hue. The usual rule of colour multi-exposure fusion (Prabhakar et
    al., DeepFuse, ICCV 2017).
    """
    offsets = np.stack([chroma(s) - NEUTRAL for s in sources])
    weights = np.abs(offsets)
    total = weights.sum(axis=0)
    mean = (weights * offsets).sum(axis=0) / np.where(total > 0, total, 1.0)
    return np.asarray(NEUTRAL + mean)


def merge_chroma(task: Task, sources: Sequence[NDArray[Any]]) -> Plane | None:
    """Return the chroma (H, W, 2) of the fused image by the task's rule, or None for gray.

    ``task.colour`` decides: ``"b"`` takes that of the second source, ``"first colour source"``
    that of the first source with a hue, ``"both"`` the mean of `weighted_chroma`. None when the
    source or sources that the rule looks at have no hue.
    """
    chosen = chroma_sources(task, sources)
    return join_chroma(task, chosen) if chosen else None


def chroma_sources(task: Task, sources: Sequence[Coloured]) -> list[Coloured]:
    """Return the sources whose chroma the fused image gets; none where it is gray."""
    eligible = sources[1:2] if task.colour == "b" else sources
    hued = [source for source in eligible if is_colour(source)]
    return hued if task.colour == "both" else hued[:1]


def join_chroma(task: Task, chosen: Sequence[NDArray[Any]]) -> Plane:
    """Return the chroma that `chroma_sources` give, or the same part of each of them."""
    return weighted_chroma(chosen) if task.colour == "both" else chroma(chosen[0])

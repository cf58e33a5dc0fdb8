"""From whatever array a caller has to the one form that metrics are defined on.

    Y = round_half_even(0.299 R + 0.587 G + 0.114 B)        in float32, for (H, W, 3)
    Y = 255 x / data_range                                  for other scales

The result is (H, W), C-contiguous, on the 0..255 scale: uint8 if every value is an integer, float64
otherwise. Anything that would give a plausible wrong number is refused.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab.errors import MetricInputError
from fusionlab.images import rgb_to_gray

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from fusionlab.metrics.base import Floats, Gray

_UNIT_WITH_OVERSHOOT = 2.0
"""Floats up to here are taken for a 0..1 image that a network or a filter has overshot."""

_SNAP = {"float16": 0.0, "float32": 1e-4, "float64": 1e-9}
"""How far from an integer a rescaled value may lie by the rounding of its type alone."""


def gray(image: ArrayLike, name: str = "image", data_range: float | None = None) -> Gray:
    """Bring `image` to the form that metrics are computed on.

    Parameters
    ----------
    image : (H, W) or (H, W, 3) RGB; uint8 (always 0..255), uint16, float16, float32 or float64.
    name : what messages call it.
    data_range : the value of full white in uint16 and float arrays; 65535 and 255 by default.

    Returns
    -------
    (H, W) C-contiguous array, uint8 where all values are integers, else float64, in 0..255.

    Raises
    ------
    MetricInputError
        For another shape or type, a mask, nan or inf, values outside 0..data_range, float images
        within 0..2 and uint16 ones within 0..255 although no data_range says so.
    """
    if np.ma.is_masked(image):
        raise MetricInputError(f"{name} is masked: metrics take whole images; crop or fill it")
    if data_range is not None and not (np.isfinite(data_range) and data_range > 0):
        raise MetricInputError(f"data_range is {data_range}; expected a positive number")
    x = np.asarray(image)
    _check_form(x, name)
    if x.dtype != np.uint8:
        x = _scale(x, name, data_range)
    if x.ndim == 3:
        x = rgb_to_gray(x)
    return _narrow(x)


def levels(image: Gray) -> NDArray[np.uint8]:
    """Return the 256 gray levels that histograms count: values rounded half to even."""
    if image.dtype == np.uint8:
        return image.astype(np.uint8, copy=False)
    return np.rint(image).astype(np.uint8)


def same_size(images: dict[str, Gray]) -> None:
    """Raise MetricInputError unless all images have the size of the first."""
    first, *others = images
    for name in others:
        if images[name].shape != images[first].shape:
            raise MetricInputError(
                f"{name} is {size(images[name])} but {first} is {size(images[first])}: "
                "the images of a scene must be registered and of one size"
            )


def size(image: Gray) -> str:
    """Return the size of an image for messages, height first."""
    return f"{image.shape[0]} x {image.shape[1]} pixels"


def _check_form(x: NDArray[Any], name: str) -> None:
    if x.dtype not in (np.uint8, np.uint16, np.float16, np.float32, np.float64):
        raise MetricInputError(
            f"{name} has type {x.dtype}; expected uint8, uint16 or float: convert it first"
        )
    if x.ndim not in (2, 3) or (x.ndim == 3 and x.shape[2] != 3):
        raise MetricInputError(f"{name} has shape {x.shape}; expected (H, W) or (H, W, 3) RGB")
    if x.size == 0:
        raise MetricInputError(f"{name} has shape {x.shape}: it holds no pixel")


def _scale(x: NDArray[Any], name: str, data_range: float | None) -> Floats:
    if data_range is None:
        white = 65535.0 if x.dtype == np.uint16 else 255.0
    else:
        white = float(data_range)
    lo, hi = float(x.min()), float(x.max())
    if not np.isfinite(lo + hi):
        raise MetricInputError(f"{name} holds nan or inf: repair or leave out this image")
    if data_range is None and lo < hi:
        _check_scale(x.dtype == np.uint16, lo, hi, name)
    if lo < 0 or hi > white:
        raise MetricInputError(
            f"{name} has values {lo:.6g}..{hi:.6g} outside 0..{white:g}: clip it or pass data_range"
        )
    y = x.astype(np.float64)
    if white == 255.0:
        return y
    y *= 255.0
    y /= white
    return _snap(y, _SNAP.get(x.dtype.name, 0.0))


def _check_scale(sixteen_bit: bool, lo: float, hi: float, name: str) -> None:
    """Refuse values that look like those of another scale than the one they would be taken for."""
    if sixteen_bit and hi <= 255:
        raise MetricInputError(
            f"{name} is uint16 within {lo:g}..{hi:g}, but uint16 is taken for 0..65535: "
            "pass data_range=255 (or 65535, if it is this dark)"
        )
    if not sixteen_bit and hi <= _UNIT_WITH_OVERSHOOT:
        raise MetricInputError(
            f"{name} is float within {lo:.3g}..{hi:.3g}, but metrics take 0..255: clip it to 0..1 "
            "and pass data_range=1 (or 255, if it is this dark)"
        )


def _snap(y: Floats, reach: float) -> Floats:
    """Undo the rounding of an 8-bit image that was stored on another scale."""
    nearest = np.rint(y)
    return nearest if np.abs(y - nearest).max() <= reach else y


def _narrow(x: NDArray[Any]) -> Gray:
    if x.dtype == np.uint8:
        return np.require(x, requirements=["C", "W", "A"])
    as_integer = x.astype(np.uint8)
    if np.array_equal(as_integer, x):
        return np.ascontiguousarray(as_integer)
    return np.ascontiguousarray(x, dtype=np.float64)

"""What fingerprints need to know of one image, measured once, in a few milliseconds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fusionlab.images import Pixels

Floats: TypeAlias = NDArray[np.float64]
Bytes: TypeAlias = NDArray[np.uint8]

#: Pixels of an image that descriptions keep, at even steps along its rows.
SAMPLES = 8192

#: Side of the thumbnails that colour and scenes are compared by.
CELLS = 32

_BLOCKS = 1536  # 8x8 blocks that the trace of JPEG is sought in
_PARTS, _BINS = 4, 512  # histogram of DCT coefficients: bins to a level, and bins in all
_NOISE = 0.75  # variance that rounding alone may give to the finest detail


@dataclass(frozen=True, slots=True, eq=False)
class Statistics:
    """One image in numbers; all levels are on the 8-bit scale.

    Attributes
    ----------
    shape : height and width.
    sample : (N, 1) or (N, 3), pixels at even steps along the rows, N at most `SAMPLES`.
    luma, intensity : (N,), luminance of the sample, and mean of its channels.
    levels : (256,), pixels by luminance.
    gaps : share of levels between the 2nd and 98th percentile that no pixel has, in the gray
        plane or the gappiest colour plane.
    bright, dark : share of pixels in which all channels are 255, or 0.
    spread : 99th percentile of the difference between the largest and smallest channel.
    luma_cells : (CELLS, CELLS), luminance of the thumbnail.
    chroma_cells : (CELLS, CELLS) complex, Cb + i Cr of the thumbnail, 0 for gray.
    detail : variances of the finest and of the next coarser detail.
    jpeg : 0..1, how well 8x8 DCT coefficients keep to multiples of a step; 1 for a known JPEG.
    """

    shape: tuple[int, int]
    sample: Bytes
    luma: NDArray[np.float32]
    intensity: NDArray[np.float32]
    levels: NDArray[np.int64]
    gaps: float
    bright: float
    dark: float
    spread: float
    luma_cells: Floats
    chroma_cells: NDArray[np.complex128]
    detail: tuple[float, float]
    jpeg: float


def measure(pixels: Pixels, *, jpeg: bool = False) -> Statistics:
    """Measure one image.

    Parameters
    ----------
    pixels : (H, W) or (H, W, 3) RGB, uint8 or uint16; 16 bit is cut to its upper 8.
    jpeg : the file is known to be one; its trace, which costs most, is not looked for.
    """
    image = _eight_bit(pixels)
    gray = gray_of(image)
    planes = [gray] if image.ndim == 2 else list(cv2.split(image))
    sample = np.ascontiguousarray(image.reshape(gray.size, -1)[_places(gray.size)])
    thumbnail = cv2.resize(image, (CELLS, CELLS), interpolation=cv2.INTER_AREA).astype(float)
    counts = [_levels(plane) for plane in planes]
    ends = np.array([[c[0], c[-1]] for c in counts]).min(axis=0) / gray.size
    return Statistics(
        (gray.shape[0], gray.shape[1]),
        sample,
        sample.astype(np.float32) @ _luma_weights(sample.shape[1]),
        sample.mean(axis=1, dtype=np.float32),
        counts[0] if image.ndim == 2 else _levels(gray),
        max(_gaps(c) for c in counts),
        float(ends[1]),
        float(ends[0]),
        _spread(sample),
        thumbnail @ _luma_weights(3) if image.ndim == 3 else thumbnail,
        _chroma(thumbnail),
        _detail(gray),
        1.0 if jpeg else _jpeg_trace(gray),
    )


def is_jpeg(file_format: str) -> bool:
    """Tell whether a file of a format, as Pillow names it, holds a JPEG."""
    return file_format in ("JPEG", "MPO")


def gray_of(pixels: Pixels) -> Bytes:
    """Return (H, W) uint8 for looking at an image; metrics see `fusionlab.images.luminance`.

    Rounded as OpenCV does it, in a tenth of the time.
    """
    image = _eight_bit(pixels)
    gray: Bytes = image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    return gray


def _eight_bit(pixels: Pixels) -> Bytes:
    if pixels.dtype == np.uint16:
        return (pixels >> 8).astype(np.uint8)
    return np.ascontiguousarray(pixels, dtype=np.uint8)


def _places(size: int) -> NDArray[np.int64]:
    kept = min(size, SAMPLES)
    return np.arange(kept, dtype=np.int64) * size // kept


def _luma_weights(channels: int) -> NDArray[np.float32]:
    weights = (0.299, 0.587, 0.114) if channels == 3 else (1.0,)
    return np.array(weights, dtype=np.float32)


def _levels(plane: Bytes) -> NDArray[np.int64]:
    counts: NDArray[np.float32] = cv2.calcHist([plane], [0], None, [256], [0, 256])
    return counts.ravel().astype(np.int64)


def _gaps(levels: NDArray[np.int64]) -> float:
    """Return the share of empty levels where most of the pixels are, 0 for narrow ranges."""
    inner = levels[1:-1]
    total = inner.cumsum()
    low, high = np.searchsorted(total, [0.02 * total[-1], 0.98 * total[-1]])
    middle = inner[low : high + 1]
    return (
        float((middle == 0).mean()) if len(middle) >= 32 and total[-1] >= 64 * len(middle) else 0.0
    )


def _spread(sample: Bytes) -> float:
    if sample.shape[1] == 1:
        return 0.0
    r, g, b = sample.T
    between = np.maximum(np.maximum(r, g), b) - np.minimum(np.minimum(r, g), b)
    total = np.bincount(between, minlength=256).cumsum()
    return float(np.searchsorted(total, 0.99 * total[-1]))


def _chroma(thumbnail: Floats) -> NDArray[np.complex128]:
    if thumbnail.ndim == 2:
        return np.zeros(thumbnail.shape, dtype=np.complex128)
    luma = thumbnail @ _luma_weights(3)
    chroma: NDArray[np.complex128] = (thumbnail[..., 2] - luma) * 0.564 + 1j * (
        thumbnail[..., 0] - luma
    ) * 0.713
    return chroma


def _detail(gray: Bytes) -> tuple[float, float]:
    """Return the variances of what a 3x3 mean removes, and of what a 5x5 mean removes further."""
    fine = cv2.blur(gray, (3, 3))
    coarse = cv2.blur(fine, (5, 5))
    return (
        float(cv2.norm(gray, fine) ** 2 / gray.size) + _NOISE,
        float(cv2.norm(fine, coarse) ** 2 / gray.size) + _NOISE,
    )


def _jpeg_trace(gray: Bytes) -> float:
    """Return how well DCT coefficients of 8x8 blocks keep to multiples of a step.

    For each of some frequencies, the best over steps q of ``mean(cos(2 pi c / q))`` over the
    coefficients c that are not near 0; then a high quantile over the frequencies, for fine
    qualities leave the lowest ones unquantised. Pixels that were never a JPEG give about 0.1.
    """
    blocks = sample_blocks(gray)
    if len(blocks) < 32:
        return 0.0
    places = np.minimum(np.abs(blocks @ _DCT) * _PARTS + 0.5, _BINS - 1).astype(np.int64)
    places += np.arange(places.shape[1]) * _BINS
    counts = np.bincount(places.ravel(), minlength=places.shape[1] * _BINS)
    histograms = counts.reshape(-1, _BINS)[:, :-1].astype(np.float64)
    far = histograms @ _FAR
    combs = np.where(far >= 24, histograms @ _WAVES / np.maximum(far, 1), -1.0).max(axis=1)
    known = combs[combs > -1]
    return float(np.quantile(known, 0.75)) if len(known) >= 4 else 0.0


def sample_blocks(gray: Bytes) -> NDArray[np.float32]:
    """Return up to `_BLOCKS` aligned 8x8 blocks as (n, 64)."""
    rows, columns = gray.shape[0] // 8, gray.shape[1] // 8
    grid = gray[: rows * 8, : columns * 8].reshape(rows, 8, columns, 8).swapaxes(1, 2)
    wanted = rows * columns
    step = max(1, -(-wanted // _BLOCKS))
    flat = np.arange(0, wanted, step)
    chosen: Bytes = grid[flat // max(columns, 1), flat % max(columns, 1)].reshape(-1, 64)
    return chosen.astype(np.float32)


def _dct_columns() -> NDArray[np.float32]:
    """Return (64, F): the orthonormal 8x8 DCT's functions for the frequencies that are tried."""
    x = (np.arange(8) + 0.5) * np.pi / 8
    waves = np.array([np.cos(k * x) * np.sqrt((1 if k == 0 else 2) / 8) for k in range(8)])
    wanted = [(u, v) for u in range(4) for v in range(4) if u + v]
    columns = [np.outer(waves[u], waves[v]).ravel() for u, v in wanted]
    return np.stack(columns, axis=1).astype(np.float32)


def _combs() -> tuple[Floats, Floats]:
    """Return (bins, steps): which coefficients are far from 0 for a step, and their waves."""
    values = np.arange(_BINS - 1)[:, None] / _PARTS
    steps = np.arange(2, 25)[None, :]
    far = (values > 0.6 * steps).astype(np.float64)
    return far, far * np.cos(2 * np.pi * values / steps)


_DCT = _dct_columns()
_FAR, _WAVES = _combs()

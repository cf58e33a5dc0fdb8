"""TIFFs of science: floating point, signed, 32 bit, planar, gray with alpha.

OpenCV reads interleaved floating point of every compression; tifffile reads the rest.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import tifffile

from fusionlab.errors import ImageError
from fusionlab.headers import BROKEN, Header, check_size

if TYPE_CHECKING:
    from numpy.typing import NDArray

_ORIENTATION = 274
_CHANNELS_LAST = 1
_GRAY_OR_RGB = (0, 1, 2)  # min-is-white, min-is-black, RGB


def read_tiff(data: bytes) -> tuple[NDArray[Any], Header]:
    """Decode the first image of a TIFF as it is, its orientation not undone.

    Returns
    -------
    pixels : (H, W), or (H, W, C) with C of 2, 3 or 4: gray or RGB, then alpha; of any real dtype.
    header : what tifffile, which knows more modes than Pillow, says of it.

    Raises
    ------
    ImageError
        With reason ``undecodable``, ``unsupported_mode`` or ``too_many_pixels``.
    """
    try:
        with tifffile.TiffFile(io.BytesIO(data)) as file:
            page, frames = file.pages[0], len(file.pages)
            _check(page)
            tag = page.tags.get(_ORIENTATION)
            orientation = tag.value if tag is not None and tag.value in range(1, 9) else 1
            pixels = _by_opencv(data, page, orientation)
            if pixels is None:
                pixels = _by_tifffile(page)
    except (*BROKEN, tifffile.TiffFileError, MemoryError) as broken:
        raise ImageError("undecodable", f"the TIFF is broken: {broken}") from None
    mode = f"{pixels.shape[2] if pixels.ndim == 3 else 1}x{pixels.dtype}"
    return pixels, Header("TIFF", mode, orientation, frames, scientific=True)


def _check(page: Any) -> None:
    check_size(page.imagewidth, page.imagelength)
    if not page.imagewidth or not page.imagelength:
        raise ImageError("undecodable", "the header is broken: the image has no pixels")
    channels, dtype = page.samplesperpixel, page.dtype
    extra = len(page.extrasamples)
    if dtype is None or dtype.kind not in "fiu" or channels - extra not in (1, 3) or extra > 1:
        raise ImageError(
            "unsupported_mode",
            f"{channels} samples of {dtype} a pixel; save it as gray or RGB",
        )
    if page.photometric not in _GRAY_OR_RGB or page.imagedepth != 1:
        raise ImageError(
            "unsupported_mode", f"photometric {page.photometric!s}; save it as gray or RGB"
        )
    if page.photometric == 0 and dtype.kind != "u":
        raise ImageError("unsupported_mode", f"white is the least {dtype}; save it the other way")


def _by_opencv(data: bytes, page: Any, orientation: int) -> NDArray[Any] | None:
    """Decode what OpenCV decodes as it is: interleaved float32 or float64, gray or RGB."""
    planar = page.planarconfig != _CHANNELS_LAST and page.samplesperpixel > 1
    if page.dtype not in (np.float32, np.float64) or planar or page.extrasamples:
        return None
    if orientation != 1:  # some versions of OpenCV turn such an image and some do not
        return None
    try:
        pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageError("undecodable", f"OpenCV cannot decode it: {error.err}") from None
    if pixels is None:
        raise ImageError("undecodable", "the pixels of the TIFF do not decode (truncated?)")
    if pixels.shape[:2] != (page.imagelength, page.imagewidth) or pixels.dtype != page.dtype:
        raise ImageError("undecodable", "the pixels of the TIFF are not those of its header")
    decoded: NDArray[Any] = pixels if pixels.ndim == 2 else pixels[..., ::-1]
    return decoded


def _by_tifffile(page: Any) -> NDArray[Any]:
    try:
        pixels: NDArray[Any] = page.asarray()
    except (ValueError, LookupError) as error:
        if "imagecodecs" in str(error):
            raise ImageError(
                "unsupported_mode",
                f"a TIFF of this kind with compression {page.compression!s}; save it uncompressed "
                "or deflated",
            ) from None
        raise
    channels = page.samplesperpixel
    if channels > 1 and page.planarconfig != _CHANNELS_LAST:
        pixels = np.moveaxis(pixels.reshape(channels, *pixels.shape[-2:]), 0, -1)
    if page.photometric == 0:
        pixels = np.iinfo(pixels.dtype).max - pixels
    height, width = page.imagelength, page.imagewidth
    return pixels.reshape(height, width) if channels == 1 else pixels.reshape(height, width, -1)

"""Pixels of the lab as pictures for a browser: WebP without loss, 8 bits a channel.

A picture in full size has the image's own pixels, so that a difference shown from two of them is
the difference; 16 bits are mapped linearly, ``round(255 p / 65535)``. A small one is for overviews.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from PIL import Image

from fusionlab.audit.links import picture_url

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fusionlab.images import Pixels

#: Longest side of a picture; WebP ends at 16383.
LONGEST = {"thumb": 400, "full": 8192}


def pictures_of(entry: Mapping[str, Any]) -> dict[str, str]:
    """Return size -> path of the pictures of one row of the index.

    An image that is small anyway has one picture for both.
    """
    small = max(entry["height"], entry["width"]) <= LONGEST["thumb"]
    sizes = {"thumb": "full" if small else "thumb", "full": "full"}
    return {size: picture_url(entry["digest"], name) for size, name in sizes.items()}


def to_8_bits(pixels: Pixels) -> NDArray[np.uint8]:
    """Return the image as uint8; one of 16 bits is scaled by 255/65535 and rounded."""
    if pixels.dtype == np.uint8:
        return pixels.astype(np.uint8, copy=False)
    return np.rint(pixels.astype(np.float64) * (255.0 / 65535.0)).astype(np.uint8)


def encode_picture(pixels: Pixels, size: str) -> bytes:
    """Encode (H, W) or (H, W, 3) RGB pixels as the picture called `size` of `LONGEST`."""
    image = _shrunk(to_8_bits(pixels), LONGEST[size])
    buffer = io.BytesIO()
    lossless = size == "full"
    Image.fromarray(image).save(
        buffer,
        "WEBP",
        lossless=lossless,
        method=0 if lossless else 2,
        quality=20 if lossless else 85,
    )
    return buffer.getvalue()


def _shrunk(image: NDArray[np.uint8], longest: int) -> NDArray[np.uint8]:
    height, width = image.shape[:2]
    scale = longest / max(height, width)
    if scale >= 1:
        return image
    size = max(1, round(width * scale)), max(1, round(height * scale))
    shrunk: NDArray[np.uint8] = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
    return shrunk

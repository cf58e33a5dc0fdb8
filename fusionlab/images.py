"""Bytes to arrays: decoding with limits, luminance, and the digest that identifies pixels.

An image is a C-contiguous array of shape (H, W) or (H, W, 3) in RGB order, ``uint8`` or
``uint16``. Its bit depth and colour are the file's; only what carries no information is removed
(an opaque alpha channel, colour channels that are all equal), and that is noted.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from fusionlab.errors import ImageError

if TYPE_CHECKING:
    from pathlib import Path

Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]

#: Formats that the decoder accepts, as Pillow names them.
FORMATS = frozenset({"BMP", "JPEG", "MPO", "PNG", "TIFF", "WEBP"})

#: File endings that a walk over a folder takes for images.
SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

#: More pixels than this in a header is taken for a decompression bomb.
MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485

_EXIF_ORIENTATION = 274
_TRUNCATING = ("CMYK", "YCbCr", "LAB", "HSV", "F", "I")


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """One decoded file.

    Attributes
    ----------
    pixels : (H, W) or (H, W, 3) RGB, uint8 or uint16, C-contiguous.
    file_format, file_mode : as Pillow names them, e.g. ``"PNG"`` and ``"RGB"``.
    notes : what was undone on the way in: ``equal_channels``, ``opaque_alpha``, ``palette``,
        ``exif_rotated``.
    """

    pixels: Pixels
    file_format: str
    file_mode: str
    notes: tuple[str, ...]


def decode(data: bytes) -> DecodedImage:
    """Decode one image file held in memory.

    Raises
    ------
    ImageError
        With reason ``empty_file``, ``undecodable``, ``unsupported_format``, ``unsupported_mode``,
        ``too_many_pixels`` or ``transparent``.
    """
    if not data:
        raise ImageError("empty_file", "the file has 0 bytes; copy it again")
    file_format, file_mode, orientation = _read_header(data)
    pixels = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    if pixels is None:
        raise ImageError(
            "undecodable",
            f"the header says {file_format} but the pixels do not decode (truncated?)",
        )
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            "unsupported_mode", f"pixels are {pixels.dtype}; expected 8 or 16 bit unsigned integers"
        )
    notes = ["palette"] if file_mode == "P" else []
    pixels = _to_gray_or_rgb(pixels, notes)
    if orientation != 1:
        pixels = _upright(pixels, orientation)
        notes.append("exif_rotated")
    upright: Pixels = np.ascontiguousarray(pixels)
    return DecodedImage(upright, file_format, file_mode, tuple(notes))


def read_image(path: Path) -> Pixels:
    """Read one image file.

    Raises
    ------
    ImageError
        When it cannot be read or decoded; the message names the file.
    """
    try:
        return decode(path.read_bytes()).pixels
    except OSError as error:
        raise ImageError("unreadable", f"{path}: cannot be read: {error.strerror}") from None
    except ImageError as error:
        raise ImageError(error.reason, f"{path}: {error.detail}") from None


def _read_header(data: bytes) -> tuple[str, str, int]:
    """Return (format, mode, EXIF orientation) without decoding the pixels."""
    try:
        with Image.open(io.BytesIO(data)) as header:
            size, file_format, mode = header.size, header.format or "?", header.mode
            orientation = int(header.getexif().get(_EXIF_ORIENTATION, 1))
    except UnidentifiedImageError:
        raise ImageError("undecodable", "the bytes are no image format known here") from None
    except Image.DecompressionBombError as bomb:
        raise ImageError("too_many_pixels", f"{bomb}") from None
    except (OSError, SyntaxError, ValueError, OverflowError) as broken:
        raise ImageError("undecodable", f"the header is broken: {broken}") from None
    if size[0] * size[1] > MAX_PIXELS:
        raise ImageError(
            "too_many_pixels",
            f"{size[0]} x {size[1]} pixels; at most {MAX_PIXELS:,} are accepted: crop or tile it",
        )
    if file_format not in FORMATS:
        raise ImageError(
            "unsupported_format",
            f"format {file_format}; expected one of {', '.join(sorted(FORMATS))}",
        )
    if mode in _TRUNCATING:
        raise ImageError("unsupported_mode", f"mode {mode}; save it as gray or RGB, 8 or 16 bit")
    return file_format, mode, orientation


def _to_gray_or_rgb(pixels: Pixels, notes: list[str]) -> Pixels:
    """Turn OpenCV's gray, BGR or BGRA array into (H, W) or (H, W, 3) RGB."""
    if pixels.ndim == 2:
        return pixels
    if pixels.shape[2] == 4:
        opaque = np.iinfo(pixels.dtype).max
        if (pixels[..., 3] != opaque).any():
            share = float((pixels[..., 3] != opaque).mean())
            raise ImageError(
                "transparent",
                f"{share:.1%} of the pixels are transparent; flatten or crop the image",
            )
        notes.append("opaque_alpha")
    b, g, r = pixels[..., 0], pixels[..., 1], pixels[..., 2]
    if np.array_equal(b, g) and np.array_equal(g, r):
        notes.append("equal_channels")
        return g
    rgb: Pixels = np.stack((r, g, b), axis=2)
    return rgb


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation (2..8), as the EXIF standard defines it."""
    if orientation in (5, 6, 7, 8):
        pixels = np.swapaxes(pixels, 0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def luminance(pixels: Pixels) -> NDArray[np.uint8] | NDArray[np.float64]:
    """Return the luminance that metrics see, on the 0..255 scale.

    ``Y = round_half_even(0.299 R + 0.587 G + 0.114 B)``, evaluated in float32 as OpenCV does,
    for 8-bit colour; the image itself for 8-bit gray; 16-bit images are scaled by 255/65535 and
    not rounded.

    Parameters
    ----------
    pixels : (H, W) or (H, W, 3) RGB, uint8 or uint16.

    Returns
    -------
    (H, W), uint8 for 8-bit input and float64 for 16-bit input, range 0..255.
    """
    if pixels.dtype == np.uint16:
        scaled = pixels.astype(np.float64) * (255.0 / 65535.0)
        return scaled if scaled.ndim == 2 else scaled @ np.array([0.299, 0.587, 0.114])
    if pixels.ndim == 2:
        return np.ascontiguousarray(pixels, dtype=np.uint8)
    gray: NDArray[np.float32] = cv2.cvtColor(pixels.astype(np.float32), cv2.COLOR_RGB2GRAY)
    return np.rint(gray).astype(np.uint8)


def digest(pixels: Pixels) -> str:
    """Return the SHA-256 (hex) of dtype, shape and C-order bytes: the identity of a pixel block."""
    head = f"{pixels.dtype.str}{pixels.shape}".encode()
    return hashlib.sha256(head + np.ascontiguousarray(pixels).tobytes()).hexdigest()


def encode_png(pixels: Pixels) -> bytes:
    """Encode (H, W) or (H, W, 3) RGB pixels as PNG, without loss."""
    bgr = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])
    done, buffer = cv2.imencode(".png", bgr)
    if not done:
        raise ImageError("unencodable", f"OpenCV cannot write {pixels.dtype} {pixels.shape} as PNG")
    return bytes(buffer)

"""Bytes to arrays: decoding with limits, luminance, and the digest that identifies pixels.

An image is a C-contiguous array of shape (H, W) or (H, W, 3) in RGB order, ``uint8`` or
``uint16``. Its bit depth and colour are the file's; only what carries no information is removed
(an opaque alpha channel, colour channels that are all equal), and that is noted.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

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

_ORIENTATION = 274
_PLANAR_CONFIGURATION = 284

#: Modes, as Pillow names them, whose pixels OpenCV would convert, or strip of their alpha.
_LOSSY_MODES = frozenset({"CMYK", "YCbCr", "LAB", "HSV", "F", "I", "PA"})

#: What Pillow raises on broken headers, and its warnings where the caller made them errors.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    struct.error,
    EOFError,
    zlib.error,
    UserWarning,
)


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """One decoded file.

    Attributes
    ----------
    pixels : (H, W) or (H, W, 3) RGB, uint8 or uint16, C-contiguous.
    file_format, file_mode : as Pillow names them, e.g. ``"PNG"`` and ``"RGB"``.
    notes : what was undone on the way in: ``equal_channels``, ``opaque_alpha``, ``palette``,
        ``exif_rotated``, ``first_frame`` (of several).
    """

    pixels: Pixels
    file_format: str
    file_mode: str
    notes: tuple[str, ...]


#: One of these is in every PNG that has EXIF.
_PNG_EXIF = (b"eXIf", b"Raw profile type")


@dataclass(frozen=True, slots=True)
class _Header:
    """What a file says of itself before its pixels are decoded."""

    file_format: str
    mode: str
    orientation: int
    frames: int


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
    header = _read_header(data)
    notes = ["palette"] if header.mode == "P" else []
    if header.frames > 1:
        notes.append("first_frame")
    pixels = _to_gray_or_rgb(_read_pixels(data, header.file_format), notes)
    if header.orientation != 1:
        notes.append("exif_rotated")
        if header.file_format != "TIFF":  # OpenCV turns those, and only those, itself
            pixels = _upright(pixels, header.orientation)
    return DecodedImage(_contiguous(pixels), header.file_format, header.mode, tuple(notes))


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


def _read_header(data: bytes) -> _Header:
    """Read and check the header, without decoding the pixels."""
    try:
        with Image.open(io.BytesIO(data)) as image:
            _check_header(image)
            frames = int(getattr(image, "n_frames", 1))
            # Pillow decodes all of a PNG to look for EXIF behind the pixels
            turned = image.format != "PNG" or any(mark in data for mark in _PNG_EXIF)
            orientation = _orientation(image) if turned else 1
            return _Header(image.format or "?", image.mode, orientation, frames)
    except UnidentifiedImageError:
        raise ImageError("undecodable", "the bytes are no image format known here") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as bomb:
        raise ImageError("too_many_pixels", f"{bomb}") from None
    except _BROKEN as broken:
        raise ImageError("undecodable", f"the header is broken: {broken}") from None


def _check_header(image: Image.Image) -> None:
    """Refuse what is too large, or what OpenCV would not decode as it is."""
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise ImageError(
            "too_many_pixels",
            f"{width} x {height} pixels; at most {MAX_PIXELS:,} are accepted: crop or tile it",
        )
    if image.format not in FORMATS:
        raise ImageError(
            "unsupported_format",
            f"format {image.format}; expected one of {', '.join(sorted(FORMATS))}",
        )
    tiff = image.format == "TIFF"
    if image.mode in _LOSSY_MODES or (tiff and image.mode == "LA"):
        raise ImageError(
            "unsupported_mode", f"mode {image.mode}; save it as gray or RGB, 8 or 16 bit"
        )
    if tiff and getattr(image, "tag_v2", {}).get(_PLANAR_CONFIGURATION, 1) != 1:
        raise ImageError("unsupported_mode", "a planar TIFF; save it with interleaved channels")
    if "transparency" in image.info and image.mode in ("1", "L", "I;16"):
        raise ImageError("transparent", "one gray level is declared transparent; flatten the image")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; 1, upright, where there is none that makes sense."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except _BROKEN:  # the EXIF block is broken; the pixels need not be
        return 1
    return orientation if orientation in range(1, 9) else 1


def _read_pixels(data: bytes, file_format: str) -> Pixels:
    """Decode the pixels as OpenCV does: (H, W), or (H, W, C) in BGR or BGRA order."""
    # Some versions of OpenCV fill what is missing of a JPEG with gray. In compressed data no
    # marker can occur, so that the last start of scan comes before the last end of image.
    cut = file_format in ("JPEG", "MPO") and data.rfind(b"\xff\xd9") < data.rfind(b"\xff\xda")
    try:
        pixels = None if cut else cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    except cv2.error as error:
        raise ImageError("undecodable", f"OpenCV cannot decode it: {error.err}") from None
    if pixels is None:
        raise ImageError(
            "undecodable",
            f"the header says {file_format} but the pixels do not decode (truncated?)",
        )
    if pixels.dtype not in (np.uint8, np.uint16):
        raise ImageError(
            "unsupported_mode", f"pixels are {pixels.dtype}; expected 8 or 16 bit unsigned integers"
        )
    decoded: Pixels = pixels
    return decoded


def _contiguous(pixels: Pixels) -> Pixels:
    return pixels if pixels.flags.c_contiguous else pixels.copy()


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
    if _has_equal_channels(pixels[::16, ::16]) and _has_equal_channels(pixels):
        notes.append("equal_channels")
        return pixels[..., 1]
    code = cv2.COLOR_BGR2RGB if pixels.shape[2] == 3 else cv2.COLOR_BGRA2RGB
    rgb: Pixels = cv2.cvtColor(pixels, code)
    return rgb


def _has_equal_channels(pixels: Pixels) -> bool:
    """Tell whether the first three channels are one."""
    b, g, r = cv2.split(pixels)[:3]
    return np.array_equal(b, g) and np.array_equal(g, r)


def _upright(pixels: Pixels, orientation: int) -> Pixels:
    """Undo an EXIF orientation (2..8), as the EXIF standard defines it."""
    if orientation in (5, 6, 7, 8):
        pixels = pixels.swapaxes(0, 1)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return pixels


def luminance(pixels: Pixels) -> NDArray[np.uint8] | NDArray[np.float64]:
    """Return the luminance that metrics see, on the 0..255 scale.

    The image itself for 8-bit gray, `rgb_to_gray` for 8-bit colour; 16-bit images are scaled by
    255/65535 first, and not rounded where they are gray.

    Parameters
    ----------
    pixels : (H, W) or (H, W, 3) RGB, uint8 or uint16.

    Returns
    -------
    (H, W), uint8 for 8-bit input and float64 for 16-bit input, range 0..255.
    """
    if pixels.dtype == np.uint16:
        scaled = pixels.astype(np.float64) * (255.0 / 65535.0)
        return scaled if scaled.ndim == 2 else rgb_to_gray(scaled).astype(np.float64)
    if pixels.ndim == 2:
        return np.ascontiguousarray(pixels, dtype=np.uint8)
    return rgb_to_gray(pixels).astype(np.uint8)


def rgb_to_gray(rgb: NDArray[Any]) -> NDArray[Any]:
    """Return ``round_half_even(0.299 R + 0.587 G + 0.114 B)``; equal channels give themselves.

    Evaluated in float32, one step after the other in this order: it decides the pixels that lie
    halfway between two levels, and no fused multiply-add of some processor may change them.

    Parameters
    ----------
    rgb : (H, W, 3), range 0..255.
    """
    r, g, b = (rgb[..., i].astype(np.float32) for i in range(3))
    if np.array_equal(r, g) and np.array_equal(g, b):
        return rgb[..., 0]
    r *= np.float32(0.299)
    g *= np.float32(0.587)
    b *= np.float32(0.114)
    r += g
    r += b
    return np.rint(r, out=r)


def digest(pixels: Pixels) -> str:
    """Return the SHA-256 (hex) of dtype, shape and C-order bytes: the identity of a pixel block."""
    found = hashlib.sha256(f"{pixels.dtype.str}{pixels.shape}".encode())
    found.update(np.ascontiguousarray(pixels).data)
    return found.hexdigest()


def encode_png(pixels: Pixels) -> bytes:
    """Encode (H, W) or (H, W, 3) RGB pixels as PNG, without loss."""
    bgr = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])
    done, buffer = cv2.imencode(".png", bgr)
    if not done:
        raise ImageError("unencodable", f"OpenCV cannot write {pixels.dtype} {pixels.shape} as PNG")
    return bytes(buffer)

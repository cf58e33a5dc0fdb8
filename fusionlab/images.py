"""Bytes to arrays: decoding with limits, luminance, and the digest that identifies pixels.

An image is a C-contiguous array of shape (H, W) or (H, W, 3) in RGB order, ``uint8`` or
``uint16``. Its bit depth and colour are the file's; only what carries no information is removed
(an opaque alpha channel, colour channels that are all equal), and that is noted.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from fusionlab.errors import ImageError
from fusionlab.headers import Header, read_header
from fusionlab.medical import is_medical, read_medical
from fusionlab.ranges import finite, undeclared
from fusionlab.tiffs import read_tiff

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fusionlab.ranges import Reading

Pixels: TypeAlias = NDArray[np.uint8] | NDArray[np.uint16]

#: File endings that a walk over a folder takes for images.
SUFFIXES = frozenset({".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp"})

#: Transparency around one opaque rectangle of at least this share of the area is a border.
_MOST = 0.5


@dataclass(frozen=True, slots=True)
class DecodedImage:
    """One decoded file.

    Attributes
    ----------
    pixels : (H, W) or (H, W, 3) RGB, uint8 or uint16, C-contiguous.
    file_format, file_mode : as Pillow names them, e.g. ``"PNG"`` and ``"RGB"``.
    notes : what was undone on the way in: ``equal_channels``, ``opaque_alpha``, ``palette``,
        ``exif_rotated``, ``first_frame`` (of several), ``transparent_border``, ``range:LOW..HIGH``,
        ``window:CENTRE/WIDTH``, ``clipped``.
    opaque_box : (y, x, height, width) of the opaque rectangle inside a transparent border.
    """

    pixels: Pixels
    file_format: str
    file_mode: str
    notes: tuple[str, ...]
    opaque_box: tuple[int, int, int, int] | None = None


def decode(data: bytes, reading: Reading | None = None) -> DecodedImage:
    """Decode one image file held in memory.

    Parameters
    ----------
    reading : the declared range or window of the values. 8-bit images are taken as they are,
        others are mapped to the whole range of uint16; without it, 16-bit images are taken as they
        are and others are refused.

    Raises
    ------
    ImageError
        With reason ``empty_file``, ``undecodable``, ``unsupported_format``, ``unsupported_mode``,
        ``too_many_pixels``, ``transparent``, ``needs_range``, ``out_of_range``, ``not_finite`` or
        ``needs_extra``.
    """
    if not data:
        raise ImageError("empty_file", "the file has 0 bytes; copy it again")
    notes: list[str] = []
    if is_medical(data):
        file_format, mode, shown = read_medical(data, reading, notes)
        return DecodedImage(_contiguous(shown), file_format, mode, tuple(notes))
    header = read_header(data)
    colours, alpha, header = _read_raw(data, header)
    if header.mode == "P":
        notes.append("palette")
    if header.frames > 1:
        notes.append("first_frame")
    box = None if alpha is None else _border(alpha, notes)
    pixels = _levels(_gray_if_equal(colours, notes), reading, notes)
    if header.orientation != 1:
        notes.append("exif_rotated")
    return DecodedImage(_contiguous(pixels), header.file_format, header.mode, tuple(notes), box)


def read_image(path: Path, reading: Reading | None = None) -> Pixels:
    """Read one image file; `reading` as for `decode`.

    Raises
    ------
    ImageError
        When it cannot be read or decoded; the message names the file.
    """
    try:
        return decode(path.read_bytes(), reading).pixels
    except OSError as error:
        raise ImageError("unreadable", f"{path}: cannot be read: {error.strerror}") from None
    except ImageError as error:
        raise ImageError(error.reason, f"{path}: {error.detail}") from None


def _read_raw(data: bytes, header: Header) -> tuple[NDArray[Any], NDArray[Any] | None, Header]:
    """Decode upright: (H, W) or (H, W, 3) RGB of any real dtype, and (H, W) alpha or None."""
    if header.scientific:
        pixels, header = read_tiff(data)
    else:
        pixels = _read_pixels(data, header.file_format)
    if header.orientation != 1 and (header.scientific or header.file_format != "TIFF"):
        pixels = _upright(pixels, header.orientation)  # OpenCV turns other TIFFs itself
    if pixels.ndim == 2:
        return pixels, None, header
    channels = pixels.shape[2]
    alpha = pixels[..., -1] if channels in (2, 4) else None
    if channels == 2:
        return pixels[..., 0], alpha, header
    if header.scientific:
        return pixels[..., :3], alpha, header
    code = cv2.COLOR_BGR2RGB if channels == 3 else cv2.COLOR_BGRA2RGB
    return cv2.cvtColor(pixels, code), alpha, header  # tens of times as fast as a reversed copy


def _read_pixels(data: bytes, file_format: str) -> NDArray[Any]:
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
    decoded: NDArray[Any] = pixels
    return decoded


def _contiguous(pixels: Pixels) -> Pixels:
    return pixels if pixels.flags.c_contiguous else pixels.copy()


def _border(alpha: NDArray[Any], notes: list[str]) -> tuple[int, int, int, int] | None:
    """Return the box inside a transparent border, None where all is opaque; refuse the rest."""
    opaque = alpha == (np.iinfo(alpha.dtype).max if alpha.dtype.kind in "iu" else 1.0)
    if opaque.all():
        notes.append("opaque_alpha")
        return None
    box = opaque_box(opaque)
    if box is None:
        raise ImageError(
            "transparent",
            f"{1 - opaque.mean():.1%} of the pixels are transparent; flatten or crop the image",
        )
    notes.append("transparent_border")
    return box


def opaque_box(opaque: NDArray[np.bool_]) -> tuple[int, int, int, int] | None:
    """Return the one opaque rectangle inside a transparent border, or None.

    Parameters
    ----------
    opaque : (H, W), where the image is wholly opaque.

    Returns
    -------
    (y, x, height, width), where all opaque pixels lie in one rectangle, all of it is opaque, and
    it covers at least half of the image; else None.
    """
    rows, columns = np.flatnonzero(opaque.any(1)), np.flatnonzero(opaque.any(0))
    if not len(rows):
        return None
    y, x = int(rows[0]), int(columns[0])
    height, width = int(rows[-1]) - y + 1, int(columns[-1]) - x + 1
    whole = bool(opaque[y : y + height, x : x + width].all())
    return (y, x, height, width) if whole and height * width >= _MOST * opaque.size else None


def _gray_if_equal(pixels: NDArray[Any], notes: list[str]) -> NDArray[Any]:
    """Turn three equal channels into one."""
    if pixels.ndim == 2:
        return pixels
    if _has_equal_channels(pixels[::16, ::16]) and _has_equal_channels(pixels):
        notes.append("equal_channels")
        return pixels[..., 1]
    return pixels


def _has_equal_channels(pixels: NDArray[Any]) -> bool:
    """Tell whether the three channels are one."""
    r, g, b = (np.ascontiguousarray(pixels[..., channel]) for channel in range(3))
    return np.array_equal(b, g) and np.array_equal(g, r)


def _levels(pixels: NDArray[Any], reading: Reading | None, notes: list[str]) -> Pixels:
    """Map what is not 8 bit by its declared range; without one, 16 bit is taken as it is."""
    if pixels.dtype == np.uint8:
        return pixels
    if reading is not None:
        return reading.apply(pixels, notes)
    if pixels.dtype == np.uint16:
        return pixels
    raise undeclared(finite(pixels))


def _upright(pixels: NDArray[Any], orientation: int) -> NDArray[Any]:
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


def join_digests(digests: Sequence[str]) -> str:
    """Return one digest for several, in their order."""
    return hashlib.sha256("".join(digests).encode()).hexdigest()


def encode_png(pixels: Pixels) -> bytes:
    """Encode (H, W) or (H, W, 3) RGB pixels as PNG, without loss."""
    bgr = pixels if pixels.ndim == 2 else np.ascontiguousarray(pixels[..., ::-1])
    done, buffer = cv2.imencode(".png", bgr)
    if not done:
        raise ImageError("unencodable", f"OpenCV cannot write {pixels.dtype} {pixels.shape} as PNG")
    return bytes(buffer)

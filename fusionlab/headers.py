"""What an image file says of itself, read and checked before its pixels are decoded."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import dataclass

from PIL import Image, UnidentifiedImageError

from fusionlab.errors import ImageError

#: Formats that the decoder accepts, as Pillow names them.
FORMATS = frozenset({"BMP", "JPEG", "MPO", "PNG", "TIFF", "WEBP"})

#: More pixels than this in a header is taken for a decompression bomb.
MAX_PIXELS = Image.MAX_IMAGE_PIXELS or 89_478_485

_ORIENTATION = 274
_PLANAR_CONFIGURATION = 284

#: Modes, as Pillow names them, whose pixels OpenCV would convert, or strip of their alpha.
_LOSSY_MODES = frozenset({"CMYK", "YCbCr", "LAB", "HSV", "F", "I", "PA"})

#: Modes of TIFF that neither Pillow nor OpenCV gives as they are.
_TIFF_MODES = frozenset({"F", "I", "LA"})

#: The first bytes of a TIFF: of either byte order, classic or of more than 4 GiB.
_TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
_PNG_FRAME = 12  # the length, the kind and the checksum of a chunk, 4 bytes each
_PNG_TEXTS = (b"tEXt", b"zTXt", b"iTXt")
_PNG_EXIF_TEXTS = (b"Raw profile type", b"XML:com.adobe.xmp")

#: What libraries raise on broken files, and their warnings where the caller made them errors.
BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    TypeError,
    LookupError,
    ArithmeticError,
    AttributeError,
    RuntimeError,
    struct.error,
    EOFError,
    zlib.error,
    UserWarning,
    RuntimeWarning,
)


@dataclass(frozen=True, slots=True)
class Header:
    """What a file says of itself.

    Attributes
    ----------
    file_format, mode : as Pillow names them.
    orientation : of EXIF, 1..8.
    frames : how many images the file holds.
    scientific : whether only `fusionlab.tiffs` reads its pixels as they are.
    """

    file_format: str
    mode: str
    orientation: int
    frames: int
    scientific: bool = False


def read_header(data: bytes) -> Header:
    """Read and check the header.

    Raises
    ------
    ImageError
        With reason ``undecodable``, ``unsupported_format``, ``unsupported_mode``,
        ``too_many_pixels`` or ``transparent``.
    """
    try:
        with Image.open(io.BytesIO(data)) as image:
            scientific = _is_scientific(image)
            _check(image, scientific)
            turned = image.format != "PNG" or _png_has_exif(data)  # Pillow would decode it to look
            orientation = _orientation(image) if turned else 1
            frames = int(getattr(image, "n_frames", 1))
            return Header(image.format or "?", image.mode, orientation, frames, scientific)
    except UnidentifiedImageError:
        if data.startswith(_TIFF_MAGIC):  # Pillow does not know floating point in colour
            return Header("TIFF", "", 1, 1, scientific=True)
        raise ImageError("undecodable", "the bytes are no image format known here") from None
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as bomb:
        raise ImageError("too_many_pixels", f"{bomb}") from None
    except BROKEN as broken:
        raise ImageError("undecodable", f"the header is broken: {broken}") from None


def check_size(width: int, height: int) -> None:
    """Refuse what is taken for a decompression bomb.

    Raises
    ------
    ImageError
        With reason ``too_many_pixels``.
    """
    if width * height > MAX_PIXELS:
        raise ImageError(
            "too_many_pixels",
            f"{width} x {height} pixels; at most {MAX_PIXELS:,} are accepted: crop or tile it",
        )


def _is_scientific(image: Image.Image) -> bool:
    if image.format != "TIFF":
        return False
    planar = getattr(image, "tag_v2", {}).get(_PLANAR_CONFIGURATION, 1) != 1
    return image.mode in _TIFF_MODES or (planar and image.mode in ("RGB", "RGBA"))


def _check(image: Image.Image, scientific: bool) -> None:
    """Refuse what is too large, or what OpenCV would not decode as it is."""
    check_size(*image.size)
    if image.format not in FORMATS:
        raise ImageError(
            "unsupported_format",
            f"format {image.format}; expected one of {', '.join(sorted(FORMATS))}",
        )
    if image.mode in _LOSSY_MODES and not scientific:
        raise ImageError(
            "unsupported_mode", f"mode {image.mode}; save it as gray or RGB, 8 or 16 bit"
        )
    if "transparency" in image.info and image.mode in ("1", "L", "I;16"):
        raise ImageError("transparent", "one gray level is declared transparent; flatten the image")


def _png_has_exif(data: bytes) -> bool:
    """Walk the chunks of a PNG; tell whether one can hold an orientation.

    A chunk longer than the file is refused: OpenCV would allocate its up to 4 GiB first.
    """
    found, at = False, len(_PNG_MAGIC)
    while at < len(data):
        length, kind = int.from_bytes(data[at : at + 4]), data[at + 4 : at + 8]
        if at + _PNG_FRAME + length > len(data):
            raise ImageError(
                "undecodable", f"the PNG is truncated: its chunk {kind!r} at byte {at} goes on"
            )
        text = kind in _PNG_TEXTS and data.startswith(_PNG_EXIF_TEXTS, at + 8)
        found = found or text or kind == b"eXIf"
        if kind == b"IEND":
            return found
        at += _PNG_FRAME + length
    raise ImageError("undecodable", "the PNG is truncated: it has no end")


def _orientation(image: Image.Image) -> int:
    """Return the EXIF orientation; 1, upright, where there is none that makes sense."""
    try:
        orientation = image.getexif().get(_ORIENTATION, 1)
    except BROKEN:  # the EXIF block is broken; the pixels need not be
        return 1
    return orientation if orientation in range(1, 9) else 1

"""What a fused image was made of, written into its own PNG file.

So the file itself says whether it is still what would be made: there is no list beside it that a
stopped run could leave behind. The record is a text chunk, which viewers pass over.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import TYPE_CHECKING, Literal

from fusionlab.configs import Config
from fusionlab.errors import ImageError
from fusionlab.images import decode, digest, encode_png

if TYPE_CHECKING:
    from pathlib import Path

    from fusionlab.images import Pixels

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEY = b"fusionlab\0"

#: Where the record goes: after the signature and the header chunk, which always comes first.
_PLACE = len(_SIGNATURE) + 12 + 13


class Recipe(Config):
    """All that a fused image depends on.

    Attributes
    ----------
    sources : SHA-256 of the bytes of each file, in order.
    model : SHA-256 of the file of weights.
    version : of how FusionLab fuses: another one makes other images.
    """

    sources: tuple[str, ...]
    model: str
    task: str
    steps: int
    solver: str
    version: Literal[1] = 1


class Record(Config):
    """A recipe, the name of the run, and the digest of the pixels that came of it."""

    recipe: Recipe
    run: str
    pixels: str


def encode(pixels: Pixels, recipe: Recipe, run: str) -> bytes:
    """Return a PNG file of `pixels`, without loss, that carries its record."""
    png = encode_png(pixels)
    record = Record(recipe=recipe, run=run, pixels=digest(decode(png).pixels))
    data = b"tEXt" + _KEY + json.dumps(record.model_dump(mode="json")).encode("ascii")
    chunk = struct.pack(">I", len(data) - 4) + data + struct.pack(">I", zlib.crc32(data))
    return png[:_PLACE] + chunk + png[_PLACE:]


def read_record(path: Path) -> Record | None:
    """Return the record of a file; None where it has none, or holds other pixels than it says."""
    try:
        data = path.read_bytes()
        start = data.index(_KEY, _PLACE, _PLACE + 8 + len(_KEY)) + len(_KEY)
        end = _PLACE + 8 + struct.unpack_from(">I", data, _PLACE)[0]
        record = Record.model_validate_json(data[start:end])
        found = digest(decode(data).pixels)
    except (OSError, ValueError, ImageError):  # pydantic's errors are ValueErrors
        return None
    return record if found == record.pixels else None

"""Sheets of pictures with captions, as one image."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from PIL import Image, ImageDraw

from fusionlab.images import encode_png

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.images import Pixels

_CELL, _GAP, _CAPTION = 200, 6, 16
_INK, _PAPER = (40, 40, 40), (250, 250, 250)

#: A caption, and the picture under it.
Cell = tuple[str, "Pixels"]


def sheet_of(lines: Sequence[Sequence[Cell]]) -> bytes:
    """Return lines of pictures as PNG; each is shrunk to 200 pixels a side at the most."""
    rows = [[(caption, _shrunk(pixels)) for caption, pixels in line] for line in lines]
    heights = [max(picture.height for _, picture in row) + _CAPTION + _GAP for row in rows]
    width = max(len(row) for row in rows) * (_CELL + _GAP) + _GAP
    sheet = Image.new("RGB", (width, sum(heights) + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _GAP
    for row, height in zip(rows, heights, strict=True):
        for j, (caption, picture) in enumerate(row):
            left = _GAP + j * (_CELL + _GAP)
            sheet.paste(picture, (left, top + _CAPTION))
            draw.text((left, top), caption, fill=_INK)
        top += height
    return encode_png(np.asarray(sheet))


def _shrunk(pixels: Pixels) -> Image.Image:
    picture = Image.fromarray(pixels).convert("RGB")
    picture.thumbnail((_CELL, _CELL))
    return picture

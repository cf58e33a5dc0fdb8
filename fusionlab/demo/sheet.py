"""A contact sheet: every label beside its sources and the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image, ImageDraw

from fusionlab.atomic import atomic_write_bytes
from fusionlab.images import encode_png
from fusionlab.store import Address

if TYPE_CHECKING:
    from pathlib import Path

    from fusionlab.lab import Lab

_CELL, _GAP, _CAPTION, _SCENES_A_LINE = 200, 6, 16, 2
_INK, _PAPER = (40, 40, 40), (250, 250, 250)


def write_sheet(lab: Lab, labels: str, path: Path) -> Path:
    """Write the contact sheet of a labels manifest as PNG: two scenes a line, four pictures each.

    The pictures: source a, source b, the label, the truth (where there is one).
    """
    scenes = [_row(lab, label) for label in lab.labels(labels).to_dict("records")]
    lines = [
        [cell for scene in scenes[i : i + _SCENES_A_LINE] for cell in scene]
        for i in range(0, len(scenes), _SCENES_A_LINE)
    ]
    heights = [max(picture.height for _, picture in line) + _CAPTION + _GAP for line in lines]
    width = max(len(line) for line in lines) * (_CELL + _GAP) + _GAP
    sheet = Image.new("RGB", (width, sum(heights) + _GAP), _PAPER)
    draw = ImageDraw.Draw(sheet)
    top = _GAP
    for line, height in zip(lines, heights, strict=True):
        for j, (caption, picture) in enumerate(line):
            left = _GAP + j * (_CELL + _GAP)
            sheet.paste(picture, (left, top + _CAPTION))
            draw.text((left, top), caption, fill=_INK)
        top += height
    atomic_write_bytes(path, encode_png(np.asarray(sheet)))
    return path


def _row(lab: Lab, label: dict[Any, Any]) -> list[tuple[str, Image.Image]]:
    """Return caption and picture of each cell of one label's row."""
    index = lab.index(label["task"], label["dataset"])
    scene = index[index["scene"] == label["scene"]]
    sources = scene[scene["role"] == "source"].sort_values("position").head(2)
    chosen = scene[(scene["role"] == "method") & (scene["name"] == label["method"])]
    truth = scene[scene["role"] == "reference"]
    cells = [(f"{row['scene']}: {row['name']}", row) for row in sources.to_dict("records")]
    cells += [(f"label: {row['name']}", row) for row in chosen.to_dict("records")]
    cells += [("truth", row) for row in truth.to_dict("records")]
    return [(caption, _picture(lab, row)) for caption, row in cells]


def _picture(lab: Lab, entry: dict[Any, Any]) -> Image.Image:
    picture = Image.fromarray(lab.images.read(Address.of(entry))).convert("RGB")
    picture.thumbnail((_CELL, _CELL))
    return picture

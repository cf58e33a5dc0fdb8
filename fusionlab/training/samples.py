"""Sheets of sample pictures: sources, label and fused image of validation scenes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionlab.atomic import atomic_write_bytes
from fusionlab.sheets import sheet_of
from fusionlab.training.judge import fused_levels, levels_of, middle, psnr

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fusionlab.flow.model import FusionModel
    from fusionlab.sheets import Cell
    from fusionlab.training.curated import Example

#: Scenes of a task on a sheet, and the side of what is shown of them.
_SCENES, _SIDE = 2, 200


def write_samples(path: Path, model: FusionModel, examples: Sequence[Example]) -> None:
    """Write a sheet as PNG: one scene a line, of the first scenes of each task."""
    shown: list[Example] = []
    for example in examples:
        if sum(other.task == example.task for other in shown) < _SCENES:
            shown.append(example)
    was = model.training
    model.eval()
    lines = [_line(model, example) for example in shown]
    model.train(was)
    if lines:
        atomic_write_bytes(path, sheet_of(lines))


def _line(model: FusionModel, example: Example) -> list[Cell]:
    planes = middle(example, _SIDE)
    fused = fused_levels(model, planes, example.task)
    label, a, b = (levels_of(plane) for plane in planes)
    captions = {
        f"{example.place}: a": a,
        "b": b,
        f"label: {example.method}": label,
        f"fused, PSNR {psnr(fused, label):.1f} dB": fused,
    }
    return [(caption, plane.astype(np.uint8)) for caption, plane in captions.items()]

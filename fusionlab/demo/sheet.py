"""A contact sheet: every label beside its sources and the truth."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionlab.atomic import atomic_write_bytes
from fusionlab.sheets import sheet_of
from fusionlab.store import Address

if TYPE_CHECKING:
    from pathlib import Path

    from fusionlab.lab import Lab
    from fusionlab.sheets import Cell

_SCENES_A_LINE = 2


def write_sheet(lab: Lab, labels: str, path: Path) -> Path:
    """Write the contact sheet of a labels manifest as PNG: two scenes a line, four pictures each.

    The pictures: source a, source b, the label, the truth (where there is one).
    """
    scenes = [_row(lab, label) for label in lab.labels(labels).to_dict("records")]
    lines = [
        [cell for scene in scenes[i : i + _SCENES_A_LINE] for cell in scene]
        for i in range(0, len(scenes), _SCENES_A_LINE)
    ]
    atomic_write_bytes(path, sheet_of(lines))
    return path


def _row(lab: Lab, label: dict[Any, Any]) -> list[Cell]:
    """Return caption and picture of each cell of one label's row."""
    index = lab.index(label["task"], label["dataset"])
    scene = index[index["scene"] == label["scene"]]
    sources = scene[scene["role"] == "source"].sort_values("position").head(2)
    chosen = scene[(scene["role"] == "method") & (scene["name"] == label["method"])]
    truth = scene[scene["role"] == "reference"]
    cells = [(f"{row['scene']}: {row['name']}", row) for row in sources.to_dict("records")]
    cells += [(f"label: {row['name']}", row) for row in chosen.to_dict("records")]
    cells += [("truth", row) for row in truth.to_dict("records")]
    return [(caption, lab.images.read(Address.of(row))) for caption, row in cells]

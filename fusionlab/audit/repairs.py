"""What the refiner did to the labels of a manifest: in numbers, in words and as pictures."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from PIL import Image

from fusionlab.audit.cells import Cell, Column, Row, Table, number_cell
from fusionlab.audit.pictures import pictures_of
from fusionlab.audit.study import Study, study_of
from fusionlab.refine.damage import KINDS
from fusionlab.refine.gate import NO_CHANGE
from fusionlab.refine.small_maps import read_map
from fusionlab.refine.write import because

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusionlab.lab import Lab
    from fusionlab.paths import Place

#: Kind of damage -> its colour in maps (Okabe and Ito's, told apart by all eyes).
COLOURS = {
    "detail": (0, 114, 178),
    "target": (230, 159, 0),
    "noise": (204, 121, 167),
    "halo": (0, 158, 115),
    "clipping": (213, 94, 0),
}
_OTHER_COLOUR = (120, 120, 120)

#: Parts of an image smaller than this are not counted as damaged.
_WORTH_COUNTING = 0.001


@dataclass(frozen=True)
class Repaired:
    """What the page of a scene shows of its label's refinement.

    Attributes
    ----------
    before, after : (name, picture) of the label as it was and repaired; empty where nothing was
        kept, or there is no picture.
    map : where which damage was found, as an image that the page holds itself.
    colours : kind that the map shows -> (its colour for a style, what it means).
    table : one row a kind of damage.
    said : a sentence.
    """

    table: Table
    said: str
    before: tuple[str, str] = ("", "")
    after: tuple[str, str] = ("", "")
    map: str = ""
    colours: Mapping[str, tuple[str, str]] = field(default_factory=dict)


def refinements(lab: Study | Lab | Place | str = "lab", labels: str | None = None) -> pd.DataFrame:
    """Return what was repaired in the labels of a manifest, by task and kind of damage.

    Columns ``task, kind, found`` (labels that have the damage), ``refined`` (those of them in which
    something was kept), and of these the means of ``area`` (share of the image), ``change`` (grey
    levels there) and ``kept`` (share of the repair there). Empty where nothing was refined.
    """
    study = study_of(lab, labels)
    frames = [study.dataset(*key).refinements for key in study.datasets()]
    frame = pd.concat(frames, ignore_index=True)
    frame = frame[frame["area"] >= _WORTH_COUNTING]
    kept = (frame["reason"] == "") & (frame["change"] > 0)
    means = frame[["area", "change", "kept"]].where(kept)
    grouped = pd.concat([frame[["task", "kind"]], kept.rename("refined"), means], axis=1).groupby(
        ["task", "kind"]
    )
    counted = grouped.agg(found=("refined", "size"), refined=("refined", "sum"))
    return counted.join(grouped[["area", "change", "kept"]].mean()).reset_index()


def refiner_reason(rows: Sequence[Mapping[str, Any]], label: Mapping[str, Any]) -> list[str]:
    """Say what the refiner did to a label, or why it left it.

    Parameters
    ----------
    rows : those of the label in the table of refinements.
    """
    if not rows or label["method"] not in (rows[0]["name"], rows[0]["method"]):
        return []
    first = rows[0]
    if not first["reason"]:
        return [f"{first['name']} is {first['method']}, {because(rows)}."]
    if first["reason"] == NO_CHANGE:
        return ["The refiner found nothing to repair."]
    return [f"The refiner left it as it was ({first['reason']}): {first['detail']}."]


def repaired(
    rows: Sequence[Mapping[str, Any]], entries: Sequence[Mapping[str, Any]]
) -> Repaired | None:
    """Gather what the page of a scene shows; None where the refiner never looked.

    Parameters
    ----------
    rows : those of the scene in the table of refinements, for one labels manifest.
    entries : those of the scene in the index.
    """
    found = [row for row in rows if row["area"] > 0]
    if not rows:
        return None
    said = "; ".join([rows[0]["way"], rows[0]["detail"]])
    if not found:
        return Repaired(_table(found), said)
    pictures = {
        entry["name"]: pictures_of(entry)["full"] for entry in entries if entry["role"] == "method"
    }
    names = [rows[0]["method"], *([rows[0]["name"]] if not rows[0]["reason"] else [])]
    shown = [(name, pictures.get(name, "")) for name in names] + [("", "")]
    shades = {row["kind"]: COLOURS.get(row["kind"], _OTHER_COLOUR) for row in found}
    return Repaired(
        _table(found),
        said,
        shown[0],
        shown[1],
        _drawn(found),
        {
            kind: (f"rgb({', '.join(map(str, shade))})", KINDS.get(kind, ""))
            for kind, shade in shades.items()
        },
    )


def _table(rows: Sequence[Mapping[str, Any]]) -> Table:
    columns = [
        Column("damage"),
        Column("area", True, "share of the pixels"),
        Column("strength", True, "how sure it is there, 0 to 1"),
        Column("change", True, "mean change of luminance there, in grey levels"),
        Column("kept", True, "share of the repair there that was kept"),
    ]
    cells = [
        Row(
            [
                Cell(row["kind"]),
                number_cell(row["area"], text=f"{row['area']:.1%}"),
                number_cell(round(row["strength"], 2)),
                number_cell(round(row["change"], 2)),
                number_cell(row["kept"], text=f"{row['kept']:.0%}"),
            ]
        )
        for row in sorted(rows, key=lambda row: -row["area"])
    ]
    return Table(columns, cells)


def _drawn(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return the maps as one: everywhere the colour of the damage that is surest there."""
    maps = [read_map(row["map"]) for row in rows]
    surest = np.argmax(maps, axis=0)
    colours = np.array([COLOURS.get(row["kind"], _OTHER_COLOUR) for row in rows])
    alpha = np.rint(255 * np.max(maps, axis=0))[..., None]
    pixels = np.concatenate([colours[surest], alpha], axis=2).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels, "RGBA").save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"

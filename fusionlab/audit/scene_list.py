"""The scenes of a data set as a list that can be searched and sorted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionlab.audit.cells import Cell, Column, number_cell
from fusionlab.audit.doubts import doubts_of
from fusionlab.audit.links import scene_url
from fusionlab.audit.pictures import pictures_of
from fusionlab.audit.sections import Listed, Scenes

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.audit.study import DatasetStudy

_COLUMNS = [
    Column("label"),
    Column("margin", numeric=True),
    Column("runner-up"),
    Column("candidates", numeric=True),
    Column("stability", numeric=True),
    Column("doubts"),
]


def scene_list(known: DatasetStudy) -> Scenes:
    """Return the scenes of a data set, each with the picture of its label."""
    rows = []
    for scene in known.scenes:
        label = known.labels.get(scene)
        cells = _cells(label, known.refused.get(scene, ("no label", ""))[0])
        words = " ".join([scene, *(cell.text for cell in cells)]).lower()
        href = scene_url(known.task, known.dataset, scene)
        rows.append(Listed(scene, href, _thumb(known, scene, label), cells, words))
    return Scenes(_COLUMNS, rows)


def _cells(label: Mapping[str, Any] | None, reason: str) -> list[Cell]:
    if label is None:
        nothing = number_cell(None, text=" ")
        return [Cell("none"), nothing, Cell(""), nothing, nothing, Cell(reason)]
    return [
        Cell(label["method"]),
        number_cell(label["margin"]),
        Cell(label["runner_up"]),
        number_cell(label["candidates"]),
        number_cell(label["stability"]),
        Cell(doubts_of(label)),
    ]


def _thumb(known: DatasetStudy, scene: str, label: Mapping[str, Any] | None) -> str:
    """Return the small picture of the label, or of the first source where there is none."""
    entries = known.entries[scene]
    if label is not None:
        wanted = ("method", label["method"])
        chosen = [e for e in entries if (e["role"], e["name"]) == wanted]
        entries = chosen or entries
    return pictures_of(entries[0])["thumb"]

"""The tables of a scene's page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from fusionlab.audit.cells import MISSING, Cell, Column, Row, Table, number, number_cell
from fusionlab.decoys import DECOY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.audit.study import DatasetStudy

#: Standard deviations from the palest to the strongest shade.
_SPREAD = 4.0


def scores_table(
    known: DatasetStudy, scene: str, ranked: list[dict[str, Any]], label: Mapping[str, Any] | None
) -> Table:
    """Return one row a candidate and decoy: place, total, every metric, and the truth if known.

    Parameters
    ----------
    ranked : the rows of `Ranked.table`.
    """
    weights, seen = known.ranked.weights, known.unseen
    guarded = [m for m in known.ranked.scores.columns if m not in weights]
    extra = [n for n in seen if any((scene, row["method"]) in seen[n] for row in ranked)]
    columns = [
        Column("place", numeric=True),
        Column("method"),
        Column("total", True, "weighted mean of the normalised metrics, less penalties"),
        *(Column(m, True, f"weight {w:g}; small: normalised") for m, w in weights.items()),
        *(Column(m, True, "asked for by a guard, not weighed") for m in guarded),
        *(Column(name, True, "the policy never saw this") for name in extra),
        Column("marks"),
    ]
    rows = []
    for row in ranked:
        cells = [
            number_cell(-row["place"], text=number(row["place"])),
            Cell(row["method"]),
            number_cell(row["total"]),
            *(_weighed(row[m], row[f"norm_{m}"], known.study.policy.normalise) for m in weights),
            *(number_cell(row[m]) for m in guarded),
            *(number_cell(seen[name].get((scene, row["method"]), math.nan)) for name in extra),
            Cell(", ".join(filter(None, [row["turned_away"], row["flags"].replace(",", ", ")]))),
        ]
        rows.append(Row(cells, _kind(row, label)))
    return Table(columns, rows)


def _weighed(value: float, norm: float, normalise: str) -> Cell:
    """Return a score with what the policy made of it, as a shade and in small behind it."""
    if math.isnan(norm):
        return number_cell(value)
    share = 0.5 + norm / _SPREAD if normalise == "zscore" else norm
    return number_cell(value, min(max(share, 0.0), 1.0), f"{norm:.2f}")


def _kind(row: Mapping[str, Any], label: Mapping[str, Any] | None) -> str:
    if label is not None and row["method"] == label["method"]:
        return "label"
    if str(row["method"]).startswith(DECOY_PREFIX):
        return "decoy"
    return "out" if math.isnan(row["place"]) else ""


def texts(rows: list[dict[str, Any]], *columns: str) -> Table:
    """Return some columns of rows that hold texts."""
    cells = [Row([Cell(str(row[column])) for column in columns]) for row in rows]
    return Table([Column(column) for column in columns], cells)


def files_table(entries: list[dict[str, Any]]) -> Table:
    """Return what is known of each image's file; what is known of none is left out."""
    rows = [
        {
            **{name: entry[name] for name in ("role", "name", "file")},
            "size": f"{entry['width']} x {entry['height']}",
            **{name: entry[name] for name in ("channels", "dtype", "file_format")},
            **{name: number(entry[name]) for name in ("fit", "alignment", "twin", "notes")},
            "marks": entry["flags"].replace(",", ", "),
        }
        for entry in entries
    ]
    known = [name for name in rows[0] if any(row[name] not in ("", MISSING) for row in rows)]
    return texts(rows, *known)

"""The tables of a scene's page."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.audit.cells import Cell, Column, Row, Table, number, number_cell, records, table_of
from fusionlab.decoys import DECOY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.audit.study import DatasetStudy

#: Standard deviations from the palest to the strongest shade.
_SPREAD = 4.0


def scores_table(
    known: DatasetStudy, scene: str, ranked: pd.DataFrame, label: Mapping[str, Any] | None
) -> Table:
    """Return one row a candidate and decoy: place, total, every metric, and the truth if known."""
    weights, seen = known.ranked.weights, known.unseen
    guarded = [m for m in known.ranked.scores.columns if m not in weights]
    places = [(scene, method) for method in ranked["method"]]
    extra = [str(name) for name in seen if seen[name].reindex(places).notna().any()]
    columns = [
        Column("place", numeric=True),
        Column("method"),
        Column("total", True, "weighted mean of the normalised metrics, less penalties"),
        *(
            Column(m, True, f"weight {weight:g}; small: normalised")
            for m, weight in weights.items()
        ),
        *(Column(m, True, "asked for by a guard, not weighed") for m in guarded),
        *(Column(name, True, "the policy never saw this") for name in extra),
        Column("marks"),
    ]
    rows = []
    for row in records(ranked):
        cells = [
            number_cell(-row["place"], text=number(row["place"])),
            Cell(row["method"]),
            number_cell(row["total"]),
            *(_weighed(row[m], row[f"norm_{m}"], known.study.policy.normalise) for m in weights),
            *(number_cell(row[m]) for m in guarded),
            *(number_cell(seen[name].get((scene, row["method"]))) for name in extra),
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


def part_of(frame: pd.DataFrame, *columns: str) -> Table:
    """Return some columns of a frame."""
    return table_of(frame[list(columns)])


def files_table(entries: list[dict[str, Any]]) -> Table:
    """Return what is known of each image's file."""
    frame = pd.DataFrame(entries)
    frame["size"] = [f"{w} x {h}" for w, h in zip(frame["width"], frame["height"], strict=True)]
    frame["marks"] = [f.replace(",", ", ") for f in frame["flags"]]
    columns = ["role", "name", "file", "size", "channels", "dtype", "file_format"]
    columns += ["fit", "alignment", "twin", "notes", "marks"]
    kept = [c for c in columns if frame[c].map(lambda v: v not in ("", None) and v == v).any()]
    return table_of(frame[kept])

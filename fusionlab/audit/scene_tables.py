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


def scores_table(
    known: DatasetStudy, scene: str, ranked: pd.DataFrame, label: Mapping[str, Any] | None
) -> Table:
    """Return one row a candidate and decoy: place, total, every metric, and the truth if known."""
    metrics = list(known.ranked.weights)
    unseen = known.unseen
    extra = [
        c for c in unseen if unseen[c].reindex([(scene, m) for m in ranked["method"]]).notna().any()
    ]
    columns = [
        Column("place", numeric=True),
        Column("method"),
        Column(
            "total", numeric=True, hint="weighted mean of the normalised metrics, less penalties"
        ),
        *(
            Column(m, True, f"weight {known.ranked.weights[m]:g}; small: normalised")
            for m in metrics
        ),
        *(Column(str(name), True, "the policy never saw this") for name in extra),
        Column("marks"),
    ]
    rows = []
    for row in records(ranked):
        method = row["method"]
        cells = [
            number_cell(-row["place"], text=number(row["place"])),
            Cell(method),
            number_cell(row["total"], _share(row["total"])),
            *(
                number_cell(row[m], _share(row[f"norm_{m}"]), _norm(row[f"norm_{m}"]))
                for m in metrics
            ),
            *(number_cell(unseen[name].get((scene, method))) for name in extra),
            Cell(row["flags"].replace(",", ", ")),
        ]
        rows.append(Row(cells, _kind(row, label)))
    return Table(columns, rows)


def _norm(value: float) -> str:
    """Return a normalised value for people; nothing where there is none."""
    return "" if math.isnan(value) else f"{value:.2f}"


def _share(value: float) -> float | None:
    return None if math.isnan(value) else min(max(float(value), 0.0), 1.0)


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
    columns = [
        "role",
        "name",
        "file",
        "size",
        "channels",
        "dtype",
        "file_format",
        "fit",
        "alignment",
    ]
    columns += ["twin", "notes", "marks"]
    kept = [c for c in columns if frame[c].map(lambda v: v not in ("", None) and v == v).any()]
    return table_of(frame[kept])

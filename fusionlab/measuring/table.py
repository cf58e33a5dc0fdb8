"""The result of measuring folders: one row a method and image, one row a method, and the rejects.

    mean = sum x / n,  standard error = sqrt(sum (x - mean)^2 / (n - 1) / n)

over the n images whose value is finite. Images whose value is nan or infinite are left out and
counted.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fusionlab import terminal

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusionlab.metrics import Metric

#: What the column ``preset`` says where no preset named the columns.
NO_PRESET = "none"

KEYS = ("preset", "method", "image")
REJECT_COLUMNS = ("role", "method", "image", "file", "reason", "detail")


@dataclass(frozen=True, slots=True)
class Reject:
    """One image that was not measured.

    Attributes
    ----------
    role : ``source``, ``method`` or ``reference``.
    method, image : what it belongs to, as far as known.
    file : its path.
    reason : short code, as ingest uses them.
    detail : one sentence for people.
    """

    role: str
    method: str
    image: str
    file: str
    reason: str
    detail: str


@dataclass(frozen=True)
class Row:
    """The values of one fused image."""

    method: str
    image: str
    by_column: Mapping[str, float]


@dataclass(frozen=True)
class FolderTable:
    """What `measure_folders` found.

    Attributes
    ----------
    images : one row a method and image: ``preset``, ``method``, ``image``, and a column a metric.
    summary : one row a method: ``preset``, ``method``, ``images``, and for each metric ``M`` the
        mean ``M``, its standard error ``M_se``, and the counts ``M_n``, ``M_nan``, ``M_inf``.
    rejects : one row an image that was not measured, with reason code and sentence.
    columns : column name -> the metric that it holds.
    preset : the preset that named the columns, or ``"none"``.
    """

    images: pd.DataFrame
    summary: pd.DataFrame
    rejects: pd.DataFrame
    columns: Mapping[str, Metric]
    preset: str

    def as_dict(self) -> dict[str, Any]:
        """Return all three tables for JSON."""
        return {
            "preset": self.preset,
            "metrics": {column: metric.name for column, metric in self.columns.items()},
            "summary": terminal.records(self.summary),
            "images": terminal.records(self.images),
            "rejects": terminal.records(self.rejects),
        }

    def only(self) -> dict[str, Any]:
        """Return the values of the one image, by column; with the preset, if one was used."""
        values = {column: float(self.images[column].iloc[0]) for column in self.columns}
        return values if self.preset == NO_PRESET else {"preset": self.preset, **values}

    def notes(self) -> list[str]:
        """Return what a reader of the means must know: values left out, unequal image sets."""
        found = []
        for column in self.columns:
            for kind, word in (("nan", "nan"), ("inf", "infinite")):
                counts = self.summary[f"{column}_{kind}"]
                where = self.summary["method"][counts > 0]
                parts = [f"{m} {n}" for m, n in zip(where, counts[counts > 0], strict=True)]
                if parts:
                    found.append(f"{column}: {word} values left out of the mean: {_few(parts)}")
        sets = {frozenset(group["image"]) for _, group in self.images.groupby("method")}
        if len(sets) > 1:
            found.append(
                "the methods were not measured on the same images: their means do not compare"
            )
        return found


def build(
    rows: Sequence[Row], rejects: Sequence[Reject], columns: Mapping[str, Metric], preset: str
) -> FolderTable:
    """Return the tables of `rows`, sorted by method and image."""
    ordered = sorted(rows, key=lambda row: (row.method, row.image))
    images = pd.DataFrame(
        [(preset, row.method, row.image, *(row.by_column[c] for c in columns)) for row in ordered],
        columns=[*KEYS, *columns],
    ).astype(dict.fromkeys(columns, np.float64))
    turned_away = pd.DataFrame([asdict(r) for r in rejects], columns=list(REJECT_COLUMNS))
    turned_away = turned_away.sort_values(
        ["method", "image", "file", "reason"], kind="stable", ignore_index=True
    )
    return FolderTable(images, _summary(images, columns, preset), turned_away, columns, preset)


def _summary(images: pd.DataFrame, columns: Mapping[str, Metric], preset: str) -> pd.DataFrame:
    found = []
    for method, group in images.groupby("method", sort=False):
        row: dict[str, Any] = {"preset": preset, "method": method, "images": len(group)}
        for column in columns:
            row |= _statistics(column, group[column].to_numpy())
        found.append(row)
    names = [f"{c}{end}" for c in columns for end in ("", "_se", "_n", "_nan", "_inf")]
    return pd.DataFrame(found, columns=["preset", "method", "images", *names])


def _statistics(column: str, values: np.ndarray[Any, Any]) -> dict[str, Any]:
    kept = values[np.isfinite(values)]
    error = float(kept.std(ddof=1)) / math.sqrt(kept.size) if kept.size > 1 else math.nan
    return {
        column: float(kept.mean()) if kept.size else math.nan,
        f"{column}_se": error,
        f"{column}_n": int(kept.size),
        f"{column}_nan": int(np.isnan(values).sum()),
        f"{column}_inf": int(np.isinf(values).sum()),
    }


def _few(parts: list[str], most: int = 6) -> str:
    rest = len(parts) - most
    return ", ".join(parts[:most]) + (f" and {rest} more methods" if rest > 0 else "")

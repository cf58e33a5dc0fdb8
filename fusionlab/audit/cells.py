"""Tables for a page: cells with a text, a value to sort by, and a shade."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

_SMALL, _LARGE = 1e-3, 1e5
MISSING = "\N{EN DASH}"
_MINUS = "\N{MINUS SIGN}"


@dataclass(frozen=True)
class Cell:
    """One cell.

    Attributes
    ----------
    text : what is shown.
    value : what is sorted by; the text where it is None.
    shade : 0..1, how strongly it is coloured; None for no colour.
    href : where it leads, from the report's root; empty for nowhere.
    note : small text behind.
    """

    text: str
    value: float | str | None = None
    shade: float | None = None
    href: str = ""
    note: str = ""

    @property
    def key(self) -> float | str:
        """Return what the cell is sorted by."""
        return self.text if self.value is None else self.value


@dataclass(frozen=True)
class Column:
    """One column: its name, whether it holds numbers, and a hint for the pointer."""

    name: str
    numeric: bool = False
    hint: str = ""


@dataclass(frozen=True)
class Row:
    """One row; `kind` is a class for the style, e.g. ``label`` or ``decoy``."""

    cells: list[Cell]
    kind: str = ""


@dataclass(frozen=True)
class Table:
    """What the template ``table.html.j2`` draws."""

    columns: list[Column]
    rows: list[Row]


def number(value: Any) -> str:
    """Return a number for people: four digits, a dash for what is not a number."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return MISSING
    if isinstance(value, bool):
        return "yes" if value else ""
    if isinstance(value, float):
        if value and not _SMALL <= abs(value) < _LARGE:
            return f"{value:.2e}".replace("-", _MINUS)
        return f"{value:.4g}".replace("-", _MINUS)
    return str(value)


def number_cell(value: Any, shade: float | None = None, note: str = "", text: str = "") -> Cell:
    """Return a cell that is sorted by its number; what is not a number goes last."""
    missing = value is None or (isinstance(value, float) and math.isnan(value))
    return Cell(text or number(value), -math.inf if missing else float(value), shade, note=note)


def table_of(frame: pd.DataFrame, hints: Mapping[str, str] | None = None) -> Table:
    """Return a frame as a table; columns of numbers are aligned and sorted as such."""
    numeric = [frame[c].dtype.kind in "iuf" for c in frame.columns]
    columns = [
        Column(str(name).replace("_", " "), is_number, (hints or {}).get(str(name), ""))
        for name, is_number in zip(frame.columns, numeric, strict=True)
    ]
    rows = [
        Row(
            [
                number_cell(value) if is_number else Cell(number(value))
                for value, is_number in zip(values, numeric, strict=True)
            ]
        )
        for values in frame.itertuples(index=False, name=None)
    ]
    return Table(columns, rows)


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a frame by the names of its columns."""
    return [{str(name): value for name, value in row.items()} for row in frame.to_dict("records")]

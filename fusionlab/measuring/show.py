"""A `FolderTable` in the terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich import box
from rich.table import Table
from rich.text import Text

from fusionlab import terminal
from fusionlab.measuring import layout
from fusionlab.measuring.table import NO_PRESET

if TYPE_CHECKING:
    from fusionlab.measuring.layout import Column
    from fusionlab.measuring.table import FolderTable

_SHORT = 12
_REJECTS = 10
_STYLES = {layout.BEST: "bold green", layout.SECOND: "underline", 0: ""}


def show(table: FolderTable) -> None:
    """Print the means with best and second marked, the images if they are few, the rejects."""
    if len(table.summary):
        _print_means(table)
    if 0 < len(table.images) <= _SHORT and len(table.images) > len(table.summary):
        terminal.print_frame("Every image", table.images.drop(columns="preset"))
    for note in table.notes():
        terminal.out.print(f"note: {note}", style="yellow", highlight=False, markup=False)
    if len(table.rejects):
        counts = table.rejects["reason"].value_counts()
        found = ", ".join(f"{reason} {count}" for reason, count in counts.items())
        terminal.print_frame(
            f"Not measured: {found}", table.rejects[["file", "reason", "detail"]].head(_REJECTS)
        )
        if len(table.rejects) > _REJECTS:
            more = len(table.rejects) - _REJECTS
            terminal.out.print(f"... and {more} more (--json has all)", style="dim")


def _print_means(table: FolderTable) -> None:
    columns = layout.columns(table)
    several = bool((table.summary["images"] > 1).any())
    wide = several and _width(table, columns) > terminal.out.width
    title = "Mean over the images" + (" ± standard error" if several and not wide else "")
    if table.preset != NO_PRESET:
        title += f", preset {table.preset}"
    shown = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    shown.add_column("method", overflow="fold")
    shown.add_column("images", justify="right")
    for column in columns:
        shown.add_column(f"{column.name} {layout.arrow(column.metric)}", justify="right")
    texts = [_texts(column, with_error=not wide) for column in columns]
    for i, row in enumerate(table.summary.itertuples(index=False)):
        shown.add_row(str(row.method), str(row.images), *(text[i] for text in texts))
    terminal.out.print(shown)
    if wide:
        terminal.out.print("standard errors: --out FILE or --json", style="dim")


def _texts(column: Column, *, with_error: bool) -> list[Text]:
    found = []
    for mean, error, rank in zip(column.means, column.errors, column.ranks, strict=True):
        text = Text(mean, style=_STYLES[rank])
        if with_error and error:
            text = Text.assemble(text, (f" ± {error}", "dim"))
        found.append(text)
    return found


def _width(table: FolderTable, columns: list[Column]) -> int:
    """Return how wide the table is with standard errors."""
    gap = 2
    width = max(map(len, table.summary["method"])) + len("images") + 2 * gap
    for column in columns:
        pairs = zip(column.means, column.errors, strict=True)
        cell = max(len(mean) + 3 + len(error) for mean, error in pairs)
        width += max(cell, len(column.name) + 2) + gap
    return width

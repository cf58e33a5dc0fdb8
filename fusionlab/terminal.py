"""What commands print: tables, progress, errors. Results go to stdout, all else to stderr."""

from __future__ import annotations

import json
import math
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from rich import box
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    import pandas as pd
    from rich.progress import Task

#: Width of what is printed into a file or a pipe, where there is no terminal to ask.
_PIPE_WIDTH = 160

#: Floats outside these bounds are not printed with four decimals.
_SMALL, _LARGE = 1e-4, 1000

out = Console(width=None if sys.stdout.isatty() else _PIPE_WIDTH)
err = Console(stderr=True, width=None if sys.stderr.isatty() else _PIPE_WIDTH)


#: Where a pipeline shows the progress of its stages, in its own view.
_relay: ContextVar[Callable[..., None] | None] = ContextVar("relay", default=None)


@contextmanager
def relayed(advance: Callable[..., None]) -> Iterator[None]:
    """Let `advance` show what `progress` would: it is called with the label before the counts."""
    token = _relay.set(advance)
    try:
        yield
    finally:
        _relay.reset(token)


class _Rate(ProgressColumn):
    """Items a second."""

    def render(self, task: Task) -> Text:
        speed = task.finished_speed or task.speed
        return Text(f"{speed:.1f}/s" if speed else "-/s", style="progress.data.speed")


@contextmanager
def progress(label: str) -> Iterator[Callable[..., None]]:
    """Show a bar with count, rate, time used and time left; yield the function that moves it.

    It takes how many are done, of how many, and, if there is one, a few words beside the bar.
    """
    relay = _relay.get()
    if relay is not None:
        yield partial(relay, label)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        _Rate(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        task = bar.add_task(label, total=None, note="")

        def advance(done: int, total: int, note: str = "") -> None:
            bar.update(task, completed=done, total=total, note=note)

        yield advance


def print_json(content: Any) -> None:
    """Print one JSON document; what is not a finite number becomes null."""
    out.print(
        json.dumps(plain(content), indent=2, ensure_ascii=False),
        soft_wrap=True,
        highlight=False,
        markup=False,
    )


def plain(content: Any) -> Any:
    """Return `content` as JSON can hold it: NumPy scalars to Python's, not-a-number to None."""
    if isinstance(content, dict):
        return {str(key): plain(value) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return [plain(value) for value in content]
    if hasattr(content, "item"):
        content = content.item()
    if isinstance(content, float) and not math.isfinite(content):
        return None
    return content


def records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    """Return a frame as a list of rows for JSON."""
    found: list[dict[str, Any]] = plain(frame.to_dict("records"))
    return found


def print_frame(title: str, frame: pd.DataFrame, limit: int | None = None) -> None:
    """Print a frame as a table, at most `limit` rows of it."""
    table = Table(
        title=title,
        title_justify="left",
        title_style="bold",
        header_style="dim",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
    )
    for column in frame.columns:
        numeric = frame[column].dtype.kind in "iuf"
        table.add_column(
            str(column), justify="right" if numeric else "left", overflow="fold", no_wrap=numeric
        )
    shown = frame if limit is None else frame.head(limit)
    for row in shown.itertuples(index=False):
        table.add_row(*(_cell(value) for value in row))
    out.print(table)
    if len(shown) < len(frame):
        out.print(
            f"... and {len(frame) - len(shown)} more (--csv or --parquet writes all)", style="dim"
        )


def print_facts(pairs: Iterable[tuple[str, Any]]) -> None:
    """Print names and values in two columns, leaving out what is empty."""
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim")
    grid.add_column(overflow="fold")
    for name, value in pairs:
        if value not in (None, "", {}, []):
            grid.add_row(name, f"{value:.6g}" if isinstance(value, float) else _cell(value))
    out.print(grid)


def _cell(value: Any) -> Text:
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Text("-")
    if isinstance(value, bool):
        return Text("yes" if value else "")
    if isinstance(value, float):
        if value and abs(value) < _SMALL:
            return Text(f"{value:.3g}")
        return Text(f"{value:.4f}" if abs(value) < _LARGE else f"{value:.1f}")
    if isinstance(value, dict):
        return Text(", ".join(f"{key} {_cell(count)}" for key, count in value.items()))
    if isinstance(value, list | tuple):
        return Text(", ".join(str(_cell(item)) for item in value))
    return Text(str(value))

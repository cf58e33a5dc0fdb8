"""What is seen of a pipeline while it runs: one line a stage, with a bar on the one that runs."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from fusionlab import terminal

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.progress import TaskID

_MARKS = {
    "waits": "[dim]·[/]",
    "runs": "[cyan]>[/]",
    "ran": "[green]✓[/]",
    "unchanged": "[green]=[/]",
    "failed": "[red]✗[/]",
    "stopped": "[yellow]✗[/]",
}

#: What is told of a report beside its stage, at most.
_FACTS, _LONGEST = 4, 24


class View:
    """Lines of the stages, on a terminal; elsewhere a line is printed as a stage ends."""

    def __init__(self, stages: Sequence[str], progress: Progress | None) -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}
        if progress:
            self._tasks = {
                stage: progress.add_task(
                    stage, total=None, start=False, mark=_MARKS["waits"], note="", seconds=""
                )
                for stage in stages
            }

    def begin(self, stage: str) -> None:
        """Show that a stage runs."""
        if self._progress:
            self._progress.start_task(self._tasks[stage])
            self._progress.update(self._tasks[stage], mark=_MARKS["runs"])

    def advance(self, stage: str, label: str, done: int, total: int, note: str = "") -> None:
        """Move the bar of the stage that runs."""
        if self._progress:
            words = " ".join(part for part in (label, note) if part and part != stage)
            self._progress.update(self._tasks[stage], completed=done, total=total, note=words[:60])

    def end(self, stage: str, verdict: str, seconds: float, note: str) -> None:
        """Show how a stage ended, and what it reports."""
        spent = f"{seconds:.1f} s"
        if self._progress:
            task = self._tasks[stage]
            self._progress.update(
                task, total=1, completed=1, mark=_MARKS[verdict], note=note, seconds=spent
            )
            self._progress.stop_task(task)
        else:
            terminal.err.print(f"{stage}: {verdict} {spent}  {note}", highlight=False, markup=False)


@contextmanager
def shown(stages: Sequence[str]) -> Iterator[View]:
    """Show the stages of a pipeline while the block runs."""
    if not terminal.err.is_terminal:
        yield View(stages, None)
        return
    columns = (
        TextColumn("{task.fields[mark]}"),
        TextColumn("{task.description}"),
        BarColumn(bar_width=24),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        TextColumn("{task.fields[seconds]}", style="bold"),
        TextColumn("{task.fields[note]}", style="dim"),
    )
    with Progress(*columns, console=terminal.err) as progress:
        yield View(stages, progress)


def words(report: dict[str, Any]) -> str:
    """Return the first few plain facts of a report."""
    if "reports" in report:
        report = _sums(report["reports"])
    facts = [
        f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}"
        for key, value in report.items()
        if isinstance(value, int | float | str)
        and not isinstance(value, bool)
        and value not in ("", 0)
        and len(str(value)) <= _LONGEST
        and key != "seconds"
    ]
    return ", ".join(facts[:_FACTS])


def _sums(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the counts of several reports, added up."""
    found: dict[str, Any] = {}
    for report in reports:
        for key, value in report.items():
            if isinstance(value, int) and not isinstance(value, bool):
                found[key] = found.get(key, 0) + value
    return found

"""Judging models: evaluate."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.cli.options import JsonOption, LabOption, MetricsOption, WorkersOption, split_names
from fusionlab.errors import UsageError

if TYPE_CHECKING:
    from fusionlab.evaluation import Entrant, Evaluation
    from fusionlab.lab import Lab


def evaluate(
    lab: LabOption = Path("lab"),
    runs: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.runs,
            help="Runs: RUN,RUN or NAME=RUN+RUN for seeds. Default: all of the lab.",
        ),
    ] = None,
    labels: Annotated[
        list[str] | None,
        typer.Option(
            autocompletion=completion.labels,
            help="A labels manifest, as one more method; may be repeated. Default: all.",
        ),
    ] = None,
    datasets: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.datasets,
            help="Only these, with commas between. Default: all with scores.",
        ),
    ] = None,
    metrics: MetricsOption = None,
    steps: Annotated[
        str | None, typer.Option(help="Steps of the flow, e.g. 1,4; each is one more row.")
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, or a torch device such as cuda.")
    ] = "auto",
    seen_scenes: Annotated[
        Literal["refuse", "skip", "ok"],
        typer.Option(
            help="What of scenes that a run was trained on: left out, but an error where they are "
            "not for training (refuse); left out (skip); ranked (ok)."
        ),
    ] = "refuse",
    html: Annotated[
        Path | None, typer.Option(help="Folder for a report with pictures, to read in a browser.")
    ] = None,
    workers: WorkersOption = None,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Count what is missing; fuse and write nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Rank trained models among all candidates, on scenes that they were not trained on.

    A rank is that among the candidates of the scene, as if the model alone had entered: per metric,
    averaged over metrics, then over scenes. [bold]seen[/] are the metrics that the labels' policy
    weighed, [bold]unseen[/] those that it never looked at, [bold]truth[/] those of a reference.
    Square brackets hold 95 % intervals over scenes; a difference whose interval holds 0 may be
    chance. Labels and decoys are ranked beside. Where candidates are JPEG files, models' images
    become such before they are ranked; rows marked * did not. Nothing that is made here is ever a
    candidate. Tables go to LAB/evaluations.

    Example: fusionlab evaluate --lab lab --runs flow,regression --html leaderboard/
    """
    from fusionlab.evaluation import as_dict
    from fusionlab.evaluation import evaluate as run
    from fusionlab.lab import Lab

    opened = Lab.open(lab)
    entrants = _entrants(opened, runs, labels, steps, device)
    with terminal.progress("evaluate") as advance:
        found = run(
            opened,
            entrants,
            labels,
            datasets=split_names(datasets, "--datasets") or (),
            metrics=split_names(metrics),
            seen_scenes=seen_scenes,
            workers=workers,
            dry_run=dry_run,
            on_progress=advance,
        )
    if html is not None and not dry_run:
        from fusionlab.evaluation.page import write_pages

        with terminal.progress("pages") as advance:
            page = write_pages(opened, found, html, advance)
        terminal.err.print(f"report: {page}", style="dim", soft_wrap=True)
    if as_json:
        terminal.print_json(as_dict(found))
        return
    _print(found)


def _entrants(
    lab: Lab, runs: str | None, labels: list[str] | None, steps: str | None, device: str
) -> list[Entrant]:
    from fusionlab.evaluation import lab_runs, open_entrants

    named = split_names(runs, "--runs")
    wanted = lab_runs(lab) if named is None else named
    if not wanted and not labels:
        raise UsageError(
            f"{lab.path}: has no runs to evaluate. Train one first: fusionlab train --lab "
            f"{lab.path}; or rank labels alone: --labels NAME"
        )
    return open_entrants(lab, wanted, _counts(steps), device) if wanted else []


def _counts(steps: str | None) -> list[int]:
    found = split_names(steps, "--steps") or []
    if not all(text.isdecimal() and int(text) > 0 for text in found):
        raise UsageError(f"--steps {steps}: expected whole numbers above 0, e.g. 1,2,4")
    return [int(text) for text in found]


def _print(found: Evaluation) -> None:
    from fusionlab.evaluation.show import tables

    for title, frame in tables(found):
        terminal.print_frame(title, frame)
    for name in found.unlisted:
        terminal.err.print(f"{name}: lists no scenes; it may have seen these", style="yellow")
    for name, why in found.left_out.items():
        terminal.err.print(f"left out: {name}: {why}", style="yellow", soft_wrap=True)
    for reason, count in found.rejected.items():
        terminal.err.print(
            f"{count} images failed: {reason}; see rejects.parquet of the lab", style="yellow"
        )
    for name, quality in found.qualities.items():
        terminal.err.print(
            f"{name}: candidates are JPEG; ranked at quality {quality}, 4:2:0", style="dim"
        )

"""Repairing labels: refine."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.cli.options import JsonOption, LabOption, WorkersOption, split_names


def refine(
    labels: Annotated[
        str,
        typer.Option(
            "--labels", autocompletion=completion.labels, help="The labels manifest to start from."
        ),
    ],
    name: Annotated[str, typer.Option("--as", help="Name of the labels manifest to write.")],
    lab: LabOption = Path("lab"),
    tasks: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.tasks,
            help="Refine labels of these tasks only, e.g. ivf,mff; copy the others.",
        ),
    ] = None,
    way: Annotated[
        str,
        typer.Option(
            help="How damage is found and repaired: statistics needs no training; probes or "
            "probes:NAME are those of fusionlab probes."
        ),
    ] = "statistics",
    margin: Annotated[
        float,
        typer.Option(min=0.0, help="Held-out gain, in units of its noise, that keeps a repair."),
    ] = 1.5,
    workers: WorkersOption = None,
    dry_run: Annotated[bool, typer.Option(help="Repair and judge, but write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Repair labels where they lost or spoiled something, and only there.

    A repair is kept only if metrics that the policy does not use gain by more than their noise, and
    is taken back where they lose. What was changed where: fusionlab why, fusionlab audit --html.
    Stopped, it goes on where it was.

    Example: fusionlab refine --lab lab --labels first --as first-refined
    """
    from fusionlab.lab import Lab
    from fusionlab.refine import refine as run

    with terminal.progress("refine") as advance:
        report = run(
            Lab.open(lab),
            labels,
            name,
            way=way,
            tasks=split_names(tasks, "--tasks"),
            margin=margin,
            workers=workers,
            dry_run=dry_run,
            on_progress=advance,
        )
    if as_json:
        terminal.print_json(report.as_dict())
    else:
        terminal.print_facts(report.as_dict().items())

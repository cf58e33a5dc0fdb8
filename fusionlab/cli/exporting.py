"""Labels for training elsewhere: export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.cli.options import JsonOption, LabOption, WorkersOption, split_names
from fusionlab.paths import to_place


def export(
    labels: Annotated[
        str,
        typer.Option(
            "--labels", autocompletion=completion.labels, help="The labels manifest to export."
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            parser=to_place,
            metavar="PLACE",
            help="An empty place, or one of an earlier export: a folder, or s3://bucket/prefix.",
        ),
    ],
    lab: LabOption = Path("lab"),
    tasks: Annotated[
        str | None, typer.Option(help="Labels of these tasks only, e.g. ivf,mff.")
    ] = None,
    workers: WorkersOption = None,
    dry_run: Annotated[bool, typer.Option(help="Count what would be written only.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Write labels and their sources into a folder that a network can be trained from anywhere.

    Every pixel is compared with its digest on the way. Reading it back needs NumPy and safetensors
    only, and checks every digest again. Stopped, the same command goes on.

    Example: fusionlab export --lab lab --labels first --out first-export
    """
    from fusionlab.lab import Lab
    from fusionlab.training.exporting import export as run

    with terminal.progress("export") as advance:
        report = run(
            Lab.open(lab),
            labels,
            out,
            tasks=split_names(tasks, "--tasks"),
            workers=workers,
            dry_run=dry_run,
            on_progress=advance,
        ).as_dict()
    if as_json:
        terminal.print_json(report)
    else:
        terminal.print_facts(report.items())

"""Region-wise selection: mosaic."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.cli.options import JsonOption, LabOption, WorkersOption


def mosaic(
    labels: Annotated[
        str,
        typer.Option(
            "--labels", autocompletion=completion.labels, help="The labels manifest to start from."
        ),
    ],
    name: Annotated[str, typer.Option("--name", help="Name of the labels manifest to write.")],
    lab: LabOption = Path("lab"),
    lead: Annotated[
        float,
        typer.Option(min=0.0, help="By how much of a total another candidate must lead in a tile."),
    ] = 0.2,
    smooth: Annotated[
        float, typer.Option(min=0.0, help="What a border between two candidates costs a tile.")
    ] = 0.2,
    margin: Annotated[
        float, typer.Option(min=0.0, help="Gain on held-out metrics that makes a mosaic the label.")
    ] = 0.1,
    workers: WorkersOption = None,
    dry_run: Annotated[bool, typer.Option(help="Make and judge, but write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show each part of a scene as the candidate that is best there, where that pays.

    Starts from labels that were selected, and needs scores of tiles (score --tiles). The mosaic of
    a scene replaces its label only if it is better by metrics that the policy does not use.

    Example: fusionlab mosaic --lab lab --labels first --name first-mosaic
    """
    from fusionlab.lab import Lab
    from fusionlab.mosaic import mosaic as run

    with terminal.progress("mosaic") as advance:
        report = run(
            Lab.open(lab),
            labels,
            name,
            lead=lead,
            smooth=smooth,
            margin=margin,
            workers=workers,
            dry_run=dry_run,
            on_progress=advance,
        )
    if as_json:
        terminal.print_json(report.as_dict())
    else:
        terminal.print_facts(report.as_dict().items())

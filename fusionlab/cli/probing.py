"""Training of the learned refiner: probes."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.cli.options import JsonOption, LabOption

if TYPE_CHECKING:
    from fusionlab.refine.teaching import Check


def probes(
    labels: Annotated[
        str,
        typer.Option(
            "--labels", autocompletion=completion.labels, help="The labels manifest to learn from."
        ),
    ],
    lab: LabOption = Path("lab"),
    name: Annotated[str, typer.Option("--name", help="Name of the probes.")] = "probes",
    task: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.tasks,
            help="Only for this task; by default for all that have labels.",
        ),
    ] = None,
    steps: Annotated[
        int, typer.Option(min=1, help="Steps of each of the two stages, at most.")
    ] = 1500,
    patch: Annotated[int, typer.Option(min=4, help="Side of a training patch, in pixels.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="Of every random number.")] = 0,
    device: Annotated[str, typer.Option(help="cpu, or a torch device such as cuda.")] = "cpu",
    as_json: JsonOption = False,
) -> None:
    """Train the networks of the learned refiner on labels, one set for each task.

    Two probes learn to tell each source from the label, an assembler to rebuild the label from
    what they tell. Labels are taken for sound: what is unlike them will be taken for damage.

    Example: fusionlab probes --lab lab --labels first
    """
    from fusionlab.lab import Lab
    from fusionlab.refine.probing import train_probes
    from fusionlab.refine.teaching import Settings

    settings = Settings(steps=steps, patch=patch, seed=seed)
    with terminal.progress("probes") as advance:
        report = train_probes(
            Lab.open(lab),
            labels,
            name,
            task=task,
            settings=settings,
            device=device,
            on_check=_print_check,
            on_progress=advance,
        )
    if as_json:
        terminal.print_json(report.as_dict())
        return
    terminal.print_facts(report.as_dict().items())


def _print_check(task: str, check: Check) -> None:
    """Print the losses in gray levels."""
    terminal.err.print(
        f"{task} {check.stage} {check.step}/{check.steps}: L1 {255 * check.loss:.2f}, "
        f"held out {255 * check.held_out:.2f}",
        style="dim",
    )

"""Judging policies: validate."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.cli.options import (
    DatasetOption,
    JsonOption,
    LabOption,
    TaskOption,
    WorkersOption,
    write_frames,
)


def validate(
    lab: LabOption = Path("lab"),
    policy: Annotated[
        list[str] | None,
        typer.Option(
            autocompletion=completion.policies,
            help="A shipped policy or a YAML file; may be repeated. Default: all shipped.",
        ),
    ] = None,
    against: Annotated[
        str,
        typer.Option(
            autocompletion=completion.policies,
            help="The policy that all others are compared with, scene by scene.",
        ),
    ] = "fusionfm",
    task: TaskOption = None,
    dataset: DatasetOption = None,
    no_trials: Annotated[
        bool,
        typer.Option("--no-trials", help="Measure nothing: use what was measured before."),
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Folder to write every table to as CSV.")] = None,
    parquet: Annotated[
        Path | None, typer.Option(help="Folder to write every table to as Parquet.")
    ] = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Say how good policies are, by every truth the lab has, and how easily they are fooled.

    Truths are opinion scores (the manifest's 'opinions') and references. [bold]regret[/] is by how
    much the chosen candidate is worse than the best one of its scene, in the truth's own unit;
    [bold]spearman[/] how alike the policy's order and the truth's are, 1 at best; [bold]best[/] how
    often the best is chosen; [bold]difference[/] the regret less that of --against on the same
    scenes. Square brackets hold 95 % intervals over scenes: where that of a difference holds 0,
    chance could have made it. 'always METHOD' takes one method everywhere, the best in hindsight;
    'always the best elsewhere' the one that is best on the other scenes.

    Then every policy is offered what it should turn down: decoys made of the sources, its own
    winner with a plain defect, its winner after a mild attack that careless measures reward; and
    the true image, which should come first. What is missing of these trials is measured; nothing
    of all this is ever a label.

    Example: fusionlab validate --lab lab --policy fusionfm --policy mine.yaml
    """
    from fusionlab.lab import Lab
    from fusionlab.selection import load_policy, shipped_policies
    from fusionlab.tasks import get_task
    from fusionlab.validation import validate as run

    opened = Lab.open(lab)
    if task is not None:
        get_task(task, "--task")
    tried = [load_policy(name) for name in policy or shipped_policies()]
    with terminal.progress("trials") as advance:
        found = run(
            opened,
            tried,
            load_policy(against),
            task=task,
            dataset=dataset,
            trials=not no_trials,
            workers=workers,
            on_progress=advance,
        )
    for folder, suffix in ((csv, "csv"), (parquet, "parquet")):
        if folder is not None:
            write_frames(found.frames, folder, suffix)
    if as_json:
        terminal.print_json(found.as_dict())
        return
    for title, frame in found.tables(against):
        terminal.print_frame(title, frame)
    for reason, count in found.rejected.items():
        terminal.err.print(f"{count} trials could not be measured: {reason}", style="yellow")

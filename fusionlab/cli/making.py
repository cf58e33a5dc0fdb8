"""Candidates for those who have none: baselines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.cli.options import (
    DatasetsOption,
    JsonOption,
    LabOption,
    TasksOption,
    WorkersOption,
    split_names,
)
from fusionlab.errors import UsageError

if TYPE_CHECKING:
    from fusionlab.baselines import Baseline
    from fusionlab.baselines.commands import Command


def baselines(
    lab: LabOption = Path("lab"),
    methods: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.methods,
            help="Names with commas between; without it all that serve a scene's task, but for "
            "the plain mean and max, or all commands where some are given.",
        ),
    ] = None,
    command: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=COMMAND",
            help="A program as a method: 'net=mytool {a} {b} {out}', or, for many scenes a call, "
            "'net=mytool {a_dir} {b_dir} {out_dir}'. May be repeated.",
        ),
    ] = None,
    commands: Annotated[
        Path | None, typer.Option(metavar="FILE.yaml", help="A file of such programs.")
    ] = None,
    task: TasksOption = None,
    dataset: DatasetsOption = None,
    prefix: Annotated[
        str, typer.Option(help="Stands before the names of the candidates, e.g. own-.")
    ] = "",
    drop: Annotated[
        str | None,
        typer.Option(
            metavar="NAMES", help="Take candidates that were made here out again; make none."
        ),
    ] = None,
    show_list: Annotated[
        bool, typer.Option("--list", help="List the methods: tasks and papers; make none.")
    ] = False,
    workers: WorkersOption = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a running Dask scheduler, e.g. tcp://127.0.0.1:8786."),
    ] = None,
    dry_run: Annotated[bool, typer.Option(help="Say what is lacking; make nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Fuse the scenes of the lab by methods of FusionLab, of plug-ins, or by your own programs.

    For those who have sources and no outputs of methods, or too few: what is made becomes a
    candidate like any other, to be scored and selected. What is there already is not made again,
    unless its sources, its method or its command have changed. A candidate that came from a file
    is never replaced. What fails is a row of the rejects, with the reason, and the run goes on.

    Example: fusionlab baselines --lab lab

    Example: fusionlab baselines --list

    Example: fusionlab baselines --lab lab --task mff --methods laplacian,gff

    Example: fusionlab baselines --lab lab --command 'net=/opt/net/fuse {a} {b} {out}'

    Example: fusionlab baselines --lab lab --drop gff
    """
    from fusionlab import making
    from fusionlab.lab import Lab

    programs = _programs(command or [], commands)
    chosen = making.choose_methods(split_names(methods, "--methods"), programs)
    if show_list:
        _print_list(programs, as_json)
        return
    _check_prefix(prefix)
    opened, where = Lab.open(lab), {"tasks": task or (), "datasets": dataset or ()}
    if drop is not None:
        dropped = making.drop(opened, split_names(drop, "--drop") or [], **where)
        _print({"dropped": dropped}, as_json)
        return
    if dry_run:
        _print(making.missing(opened, chosen, prefix=prefix, **where), as_json)
        return
    with terminal.progress("baselines") as advance:
        report = making.make(
            opened,
            chosen,
            prefix=prefix,
            workers=workers,
            scheduler=scheduler,
            on_progress=advance,
            **where,
        )
    _print(report.as_dict(), as_json)
    if not as_json:
        terminal.err.print(f"next: fusionlab score --lab {lab}", style="dim")


def _programs(texts: list[str], file: Path | None) -> list[Command]:
    """Return the methods that are programs: those of the file, then those of the command line."""
    from fusionlab.baselines.commands import load_commands, parse_command

    of_file = load_commands(file) if file is not None else []
    return [*of_file, *(parse_command(text) for text in texts)]


def _check_prefix(prefix: str) -> None:
    from fusionlab.baselines.base import name_fault

    if prefix and (fault := name_fault(prefix)):
        raise UsageError(f"--prefix: {fault}")


def _print_list(programs: list[Command], as_json: bool) -> None:
    """Print every method: what it does, for which tasks, and where it comes from."""
    import pandas as pd

    from fusionlab.baselines import table

    listed: list[Baseline | Command] = [*table().values(), *programs]
    rows = [
        {"name": m.name, "tasks": list(m.tasks), "title": m.title, "paper": m.paper} for m in listed
    ]
    if as_json:
        terminal.print_json(rows)
    else:
        terminal.print_frame("Methods", pd.DataFrame(rows))


def _print(facts: dict[str, Any], as_json: bool) -> None:
    if as_json:
        terminal.print_json(facts)
    else:
        terminal.print_facts(facts.items())

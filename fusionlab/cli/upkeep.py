"""Looking after a lab and the machine it is on: info, doctor, verify and pack."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fusionlab import terminal
from fusionlab.cli.options import JsonOption, LabOption, WorkersOption
from fusionlab.paths import to_place


def info(lab: LabOption = Path("lab"), as_json: JsonOption = False) -> None:
    """Show what a lab holds: data sets, images, scores, labels, rejects.

    Example: fusionlab info --lab lab
    """
    from fusionlab import upkeep
    from fusionlab.lab import Lab

    opened = Lab.open(lab)
    datasets, labels = upkeep.info(opened), upkeep.labels_info(opened)
    if as_json:
        content = {"datasets": terminal.records(datasets), "labels": terminal.records(labels)}
        terminal.print_json({"lab": str(opened.path.resolve()), **content})
        return
    terminal.print_frame(f"Data sets in {lab}", datasets)
    if len(labels):
        terminal.print_frame("Labels", labels)


def pack(
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            parser=to_place,
            metavar="PLACE",
            help="An empty place for the packed lab: a folder, or s3://bucket/prefix.",
        ),
    ],
    lab: LabOption = Path("lab"),
    workers: WorkersOption = None,
    dry_run: Annotated[bool, typer.Option(help="Count what would be written only.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Copy a lab into few large files, for an object store or a crowded file system.

    Every image is compared with its digest on the way. The packed lab can be scored, selected from
    and audited; its pixels are read-only. Stopped, the same command goes on.

    Example: fusionlab pack --lab lab --out s3://bucket/lab
    """
    from fusionlab.lab import Lab
    from fusionlab.packing import pack as run

    opened = Lab.open(lab)
    with terminal.progress("pack") as advance:
        report = run(opened, out, workers=workers, dry_run=dry_run, on_progress=advance).as_dict()
    if as_json:
        terminal.print_json(report)
    else:
        terminal.print_facts(report.items())


def doctor(lab: LabOption = Path("lab"), as_json: JsonOption = False) -> None:
    """Say what this machine has, what is missing, and whether a lab and a small trial work.

    Each row is [bold]ok[/]; [bold]warn[/], where it works but not well; or [bold]fail[/]: then the
    exit code is 1. Nothing is changed.

    Example: fusionlab doctor --lab lab
    """
    import pandas as pd

    from fusionlab.doctor import FAIL, examine, worst

    findings = examine(lab)
    rows, verdict = [found.as_dict() for found in findings], worst(findings)
    if as_json:
        terminal.print_json({"verdict": verdict, "findings": rows})
    else:
        frame = pd.DataFrame(rows)[["verdict", "what", "finding", "remedy"]]
        terminal.print_frame("What there is", frame.rename(columns={"remedy": "what to do"}))
    if verdict == FAIL:
        raise typer.Exit(1)


def verify(
    lab: LabOption = Path("lab"), workers: WorkersOption = None, as_json: JsonOption = False
) -> None:
    """Compare every stored image with the digest in the index; exit code 1 if one is wrong.

    Nothing is changed. What is wrong is repaired by: fusionlab ingest MANIFEST.yaml --force

    Example: fusionlab verify --lab lab
    """
    import pandas as pd

    from fusionlab.lab import Lab
    from fusionlab.upkeep import verify as run

    opened = Lab.open(lab)
    with terminal.progress("verify") as advance:
        report = run(opened, workers=workers, on_progress=advance)
    if as_json:
        terminal.print_json(report.as_dict())
    elif report.wrong:
        title = f"{len(report.wrong)} of {report.images} images are wrong"
        terminal.print_frame(title, pd.DataFrame(report.wrong))
        terminal.err.print("repair with: fusionlab ingest MANIFEST.yaml --force")
    else:
        terminal.out.print(f"all {report.images} images are as the index says", highlight=False)
    if report.wrong:
        raise typer.Exit(1)

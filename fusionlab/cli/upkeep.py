"""Looking after a lab: info and verify."""

from __future__ import annotations

from pathlib import Path

import typer

from fusionlab import terminal
from fusionlab.cli.options import JsonOption, LabOption, WorkersOption


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

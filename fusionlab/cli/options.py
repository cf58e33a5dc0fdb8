"""What several commands share: options, how lists of names are read, how frames are written."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.errors import UsageError
from fusionlab.paths import to_place

if TYPE_CHECKING:
    import pandas as pd

LabOption = Annotated[
    Path,
    typer.Option(
        "--lab",
        envvar="FUSIONLAB_LAB",
        parser=to_place,
        metavar="PLACE",
        help="The lab: the folder of this curation, or s3://bucket/prefix.",
    ),
]
LabelsOption = Annotated[
    str | None,
    typer.Option(
        "--labels",
        autocompletion=completion.labels,
        help="Labels manifest; may be left out if there is one.",
    ),
]
LearnedOption = Annotated[
    str | None,
    typer.Option(
        "--labels", autocompletion=completion.labels, help="The labels manifest to learn from."
    ),
]
DataOption = Annotated[
    Path | None,
    typer.Option("--data", help="Learn from this folder of fusionlab export instead of a lab."),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Threads; by default one a core.")
]
TaskOption = Annotated[
    str | None,
    typer.Option("--task", autocompletion=completion.tasks, help="Only scenes of this task."),
]
DatasetOption = Annotated[
    str | None,
    typer.Option(
        "--dataset", autocompletion=completion.datasets, help="Only scenes of this data set."
    ),
]
TasksOption = Annotated[
    list[str] | None,
    typer.Option(
        "--task", autocompletion=completion.tasks, help="Only scenes of this task. May be repeated."
    ),
]
DatasetsOption = Annotated[
    list[str] | None,
    typer.Option(
        "--dataset",
        autocompletion=completion.datasets,
        help="Only scenes of this data set. May be repeated.",
    ),
]
MetricsOption = Annotated[
    str | None,
    typer.Option(
        "--metrics",
        autocompletion=completion.metrics,
        help="Names with commas between, e.g. EN,SD,SSIM.",
    ),
]


def split_names(names: str | None, option: str = "--metrics") -> list[str] | None:
    """Cut a list with commas; None stays None."""
    if names is None:
        return None
    found = [name.strip() for name in names.split(",") if name.strip()]
    if not found:
        raise UsageError(f"{option} names nothing; see --help for an example")
    return found


def write_frames(frames: dict[str, pd.DataFrame], folder: Path, suffix: str) -> None:
    """Write each frame into `folder` as ``NAME.csv`` or ``NAME.parquet``."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        path = folder / f"{name}.{suffix}"
        if suffix == "csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, index=False)
    terminal.err.print(f"{len(frames)} tables written to {folder}", style="dim")

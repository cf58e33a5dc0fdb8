"""Options that several commands share, and how lists of names are read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fusionlab.errors import UsageError
from fusionlab.paths import to_place

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
    str | None, typer.Option("--labels", help="Labels manifest; may be left out if there is one.")
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document instead.")]
WorkersOption = Annotated[
    int | None, typer.Option("--workers", min=1, help="Threads; by default one a core.")
]
MetricsOption = Annotated[
    str | None, typer.Option("--metrics", help="Names with commas between, e.g. EN,SD,SSIM.")
]


def split_names(names: str | None, option: str = "--metrics") -> list[str] | None:
    """Cut a list with commas; None stays None."""
    if names is None:
        return None
    found = [name.strip() for name in names.split(",") if name.strip()]
    if not found:
        raise UsageError(f"{option} names nothing; see --help for an example")
    return found

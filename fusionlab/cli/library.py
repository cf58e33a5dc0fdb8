"""What needs no lab: measuring images, listing metrics."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from fusionlab import terminal
from fusionlab.cli.options import JsonOption, MetricsOption, WorkersOption, split_names


def measure(
    a: Annotated[
        Path,
        typer.Argument(
            help="First source (infrared, CT/PET, under-exposed, near): a file, or a folder."
        ),
    ],
    b: Annotated[Path, typer.Argument(help="Second source.")],
    fused: Annotated[
        Path, typer.Argument(help="The fused image or images; sub-folders are methods.")
    ],
    metrics: MetricsOption = None,
    preset: Annotated[
        str | None,
        typer.Option(help="Reproduce a family of published tables: cddfuse, tang or vifb."),
    ] = None,
    reference: Annotated[
        Path | None, typer.Option(help="True fused image or images, e.g. for PSNR_ref.")
    ] = None,
    data_range: Annotated[
        tuple[float, float] | None,
        typer.Option(
            metavar="LOW HIGH", help="Least and greatest value of images that are not 8 bit."
        ),
    ] = None,
    out: Annotated[
        list[Path] | None,
        typer.Option(
            help="Write every image's values here and the means beside it, as FILE-mean; "
            ".csv, .parquet, .md or .tex. May be repeated."
        ),
    ] = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Measure fused images against their sources: one image, or whole folders.

    Folders are paired by file name without the ending. Where FUSED holds only sub-folders, each is
    a method. What cannot be measured is listed with the reason and stops nothing.

    Example: fusionlab measure ir/ vis/ results/ --out table.csv --out table.tex

    Example: fusionlab measure ir.png vis.png fused.png --metrics EN,SD,SSIM,Qabf,VIF
    """
    from fusionlab.measuring import measure_files, measure_folders
    from fusionlab.measuring.show import show
    from fusionlab.measuring.write import check, write

    check(out or [])
    names, start = split_names(metrics), time.monotonic()
    folders = any(path.is_dir() for path in (a, b, fused))
    if folders:
        with terminal.progress("measure") as advance:
            table = measure_folders(
                a,
                b,
                fused,
                names,
                preset=preset,
                reference=reference,
                data_range=data_range,
                workers=workers,
                on_progress=advance,
            )
    else:
        table = measure_files(
            a, b, fused, names, preset=preset, reference=reference, data_range=data_range
        )
    seconds = time.monotonic() - start
    written = [str(file) for path in out or [] for file in write(table, path)]
    if as_json:
        terminal.print_json(table.as_dict() if folders else table.only())
    elif folders:
        show(table)
        count = f"{len(table.images)} images of {len(table.summary)} methods"
        terminal.err.print(f"{count} measured in {seconds:.1f} s", style="dim", highlight=False)
    else:
        terminal.print_facts(table.only().items())
    if written:
        terminal.err.print(f"written: {', '.join(written)}", style="dim")
    if not len(table.images):
        raise typer.Exit(1)


def metrics(
    name: Annotated[str | None, typer.Argument(help="Explain this one.")] = None,
    show_presets: Annotated[
        bool, typer.Option("--presets", help="List the presets of published tables instead.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the metrics, or explain one: formula, constants, direction, source."""
    import pandas as pd

    from fusionlab import metrics as library

    if show_presets:
        _print_presets(as_json)
        return
    if name is not None:
        facts = asdict(library.get(name))
        if as_json:
            terminal.print_json(facts)
        else:
            terminal.print_facts(facts.items())
        return
    rows = [asdict(library.get(known)) for known in library.names()]
    if as_json:
        terminal.print_json(rows)
    else:
        columns = ["name", "title", "direction", "arity", "min_side", "version"]
        terminal.print_frame("Metrics", pd.DataFrame(rows)[columns])


def _print_presets(as_json: bool) -> None:
    from fusionlab.metrics.presets import PRESETS

    if as_json:
        terminal.print_json([asdict(preset) for preset in PRESETS.values()])
        return
    for preset in PRESETS.values():
        terminal.out.print(f"[bold]{preset.name}[/]: {preset.title}")
        pairs = [c if c == m else f"{c} = {m}" for c, m in preset.metrics.items()]
        terminal.print_facts([("columns", pairs), ("note", preset.notes)])

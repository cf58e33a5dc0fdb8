"""Using a trained model: fuse, onnx."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.cli.options import JsonOption
from fusionlab.paths import to_place

RunArgument = Annotated[
    Path,
    typer.Argument(
        parser=to_place,
        metavar="RUN",
        help="Folder of a run of fusionlab train, or a file of weights (.safetensors).",
    ),
]
StepsOption = Annotated[
    int | None, typer.Option("--steps", min=1, help="Steps of the flow; by default the model's.")
]
SolverOption = Annotated[
    str | None,
    typer.Option("--solver", help="euler, midpoint, heun or rk4; by default the model's."),
]

_REJECTS = 10


def fuse(
    run: RunArgument,
    a: Annotated[
        Path,
        typer.Option(
            "--a", help="First source (infrared, CT/PET, under-exposed, near): a file, or a folder."
        ),
    ],
    b: Annotated[Path, typer.Option("--b", help="Second source.")],
    out: Annotated[Path, typer.Option("--out", help="Folder for the fused images.")],
    source: Annotated[
        list[Path] | None,
        typer.Option(help="A further source, such as a third exposure. May be repeated."),
    ] = None,
    task: Annotated[
        str,
        typer.Option(
            autocompletion=completion.tasks,
            help="ivf, mif, mef or mff: what the network is told, and whose colour the image gets; "
            "without it the task is unknown, unless the model knows only one.",
        ),
    ] = "",
    steps: StepsOption = None,
    solver: SolverOption = None,
    tile: Annotated[
        int | None,
        typer.Option(min=1, help="Side of what the network sees at once, in pixels; by memory."),
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Make again what is there, whatever made it.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what is lacking; make nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Fuse images by a trained model: one pair, or whole folders.

    Folders are paired by file name without the ending. What is there already, made of the same
    files by the same model and settings, is not made again. What cannot be fused is a row of
    OUT/rejects.parquet, and the rest goes on. Images may have any size; colour and 16 bit are kept.

    Example: fusionlab fuse lab/runs/first --a ir/ --b vis/ --out fused/ --task ivf

    Example: fusionlab fuse lab/runs/first --a ir.png --b vis.png --out fused/ --steps 1
    """
    from fusionlab.inference import Fuser
    from fusionlab.inference.run import fuse_files

    fuser = Fuser.load(run, device)
    with terminal.progress("fuse") as advance:
        report = fuse_files(
            fuser,
            [a, b, *(source or [])],
            out,
            task=task,
            steps=steps,
            solver=solver,
            tile=tile,
            overwrite=overwrite,
            dry_run=dry_run,
            on_progress=advance,
        )
    facts = report.as_dict()
    if as_json:
        terminal.print_json(facts)
    else:
        del facts["rejects"]
        terminal.print_facts(facts.items())
        if report.rejects:
            columns = ["scene", "reason", "detail"]
            terminal.print_frame("Not fused", report.frame()[columns].head(_REJECTS))
    if not report.fused + report.kept:
        raise typer.Exit(1)


def onnx(
    run: RunArgument,
    out: Annotated[Path, typer.Option("--out", help="The file to write, e.g. model.onnx.")],
    steps: StepsOption = None,
    solver: SolverOption = None,
    as_json: JsonOption = False,
) -> None:
    """Write a trained model as one ONNX file, all steps of its flow in it, for any image size.

    The file takes and gives luminances in 0..255. It is run once and compared with the model. Needs
    the extra onnx: pip install 'fusionlab[[onnx]'

    Example: fusionlab onnx lab/runs/first --out first.onnx --steps 4
    """
    from fusionlab.inference import Fuser
    from fusionlab.inference.export import export_onnx

    facts = export_onnx(Fuser.load(run, "cpu"), out, steps=steps, solver=solver)
    if as_json:
        terminal.print_json(facts)
    else:
        terminal.print_facts(facts.items())

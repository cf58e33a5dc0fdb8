"""The command line: one thin function a command, in files by what they are for.

Heavy imports stay inside the commands, so that help answers at once.
"""

from __future__ import annotations

import errno
import os
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from fusionlab import __version__, terminal
from fusionlab.cli.continual import continual
from fusionlab.cli.evaluating import evaluate
from fusionlab.cli.exporting import export
from fusionlab.cli.fusing import fuse, onnx
from fusionlab.cli.guessing import init
from fusionlab.cli.library import measure, metrics
from fusionlab.cli.making import baselines
from fusionlab.cli.mosaics import mosaic
from fusionlab.cli.people import override, overrides, review
from fusionlab.cli.policies import policies
from fusionlab.cli.probing import probes
from fusionlab.cli.questions import audit, diff, why
from fusionlab.cli.refining import refine
from fusionlab.cli.running import demo, run
from fusionlab.cli.stages import ingest, score, select
from fusionlab.cli.training import train
from fusionlab.cli.upkeep import doctor, info, pack, verify
from fusionlab.cli.validating import validate
from fusionlab.errors import FusionLabError

_INTERRUPTED = 130

#: What can be cured, and the same command then run again: a full disk or quota, a failing device.
_PASSING = {errno.ENOSPC, errno.EDQUOT, errno.EIO}


class _Commands(TyperGroup):
    """Turns our exceptions into one sentence and an exit code, for every command alike."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except FusionLabError as error:
            terminal.err.print(f"error: {error}", style="red", markup=False, highlight=False)
            raise typer.Exit(error.exit_code) from None
        except OSError as error:  # a full disk, a folder without permission
            terminal.err.print(f"error: {error}", style="red", markup=False, highlight=False)
            if error.errno in _PASSING:
                terminal.err.print("what was finished is kept: run the same command again to go on")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            terminal.err.print(
                "stopped; what was finished is kept: run the same command again to go on"
            )
            raise typer.Exit(_INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help=(
        "Curate pseudo-labels for image fusion: bring in the outputs of many methods, measure "
        "them, choose one a scene, and ask why.\n\n"
        "The way of the data: [bold]ingest[/] -> [bold]score[/] -> [bold]select[/] -> "
        "[bold]refine[/] -> [bold]train[/] -> [bold]fuse[/] -> [bold]evaluate[/]; [bold]audit[/] "
        "shows what was chosen and why; [bold]run[/] calls stages in order. Every stage can be "
        "stopped at any moment and run again; it then does only what is missing.\n\n"
        "New here? [bold]fusionlab demo[/] shows all of it on embedded images."
    ),
)


def _version(wanted: bool) -> None:
    if wanted:
        terminal.out.print(f"fusionlab {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def _root(
    _show: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    pass


COMMANDS = (
    *(init, ingest, baselines, score, select, mosaic, probes, refine, export),
    *(audit, why, diff, validate),
    *(override, overrides, review),
    *(train, continual, fuse, onnx, evaluate),
    *(run, demo, info, doctor, verify, pack, measure, metrics),
)
for command in COMMANDS:
    app.command()(command)
app.add_typer(policies, name="policies")


def main() -> None:
    """Run the command line."""
    # a broken image is a row of a table; OpenCV's own lines about it would tear ours apart
    os.environ.setdefault("OPENCV_LOG_LEVEL", "SILENT")
    # Threads of PyTorch wait for each other by spinning, 30 times as long by default. On cores that
    # other programs use too, that made training 3 times as slow; on idle ones it gains nothing.
    os.environ.setdefault("GOMP_SPINCOUNT", "10000")
    app()

"""Running stages in order: run, demo."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.cli.options import JsonOption
from fusionlab.errors import UsageError

if TYPE_CHECKING:
    from fusionlab.pipeline import Pipeline
    from fusionlab.pipeline.record import RunRecord

#: Commands that are no stages: they wait for a person, or run pipelines themselves.
_NO_STAGES = {"run", "review"}


def run(
    pipeline: Annotated[
        str | None,
        typer.Argument(
            metavar="PIPELINE",
            autocompletion=completion.pipelines,
            help="A YAML file, or the name of a shipped pipeline.",
        ),
    ] = None,
    first: Annotated[str | None, typer.Option("--from", help="Begin with this stage.")] = None,
    last: Annotated[str | None, typer.Option("--until", help="End with this stage.")] = None,
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Instead of what the file says: lab, a variable, or STAGE.OPTION. Repeat it.",
        ),
    ] = None,
    show_list: Annotated[
        bool, typer.Option("--list", help="List the shipped pipelines instead.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check all, show the stages as commands; run nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Run the stages of a pipeline in order; what has not changed is not run again.

    A stage is a command of fusionlab with its options as keys. All of them are checked before the
    first one runs. Stopped at any moment, the same command goes on there. What ran, how long and
    what it made is kept in LAB/pipelines.

    Example: fusionlab run demo

    Example: fusionlab run pipelines/ivf.yaml --set data=~/data --set flow.steps=500 --until select
    """
    from fusionlab.pipeline import read_recipe, shipped_recipes

    if show_list:
        rows = [
            {"pipeline": name, "about": read_recipe(name)[1].about, "file": str(path)}
            for name, path in shipped_recipes().items()
        ]
        _print_rows("Pipelines", rows, as_json)
        return
    if pipeline is None:
        raise UsageError("which pipeline? Name a YAML file, or one of: fusionlab run --list")
    planned = _planned(pipeline, changes or [], first, last)
    if dry_run:
        _print_rows(planned.about or planned.name, planned.frame(), as_json)
        return
    record = _run(planned)
    if as_json:
        terminal.print_json(record.as_dict())
    else:
        _print_record(planned, record)


def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put it all.")] = Path("demo"),
    images_only: Annotated[
        bool, typer.Option("--images-only", help="Write only the images and their manifests.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Show the whole way on embedded images of all four tasks; no download, no data needed.

    Curation, refinement, a short training of a flow and of its control, fusing, evaluation and
    reports: the pipeline that fusionlab run demo runs.
    """
    from fusionlab.demo.scenes import write_demo

    if images_only:
        made = [str(path) for path in write_demo(folder)]
        if as_json:
            terminal.print_json({"manifests": made})
        else:
            terminal.print_facts([("manifests", made)])
        return
    planned = _planned("demo", [f"folder={folder}"], None, None)
    record = _run(planned)
    _show_demo(folder, planned, record, as_json)


def _planned(source: str, changes: list[str], first: str | None, last: str | None) -> Pipeline:
    from fusionlab.cli import COMMANDS
    from fusionlab.pipeline import plan, read_recipe

    commands = {c.__name__: c for c in COMMANDS if c.__name__ not in _NO_STAGES}
    name, recipe = read_recipe(source, changes)
    return plan(name, recipe, commands, first, last)


def _run(planned: Pipeline) -> RunRecord:
    from fusionlab.pipeline import run

    return run(planned)


def _show_demo(folder: Path, planned: Pipeline, record: RunRecord, as_json: bool) -> None:
    """Print where everything is, and how near the labels are to the truth."""
    from fusionlab.demo.sheet import write_sheet
    from fusionlab.demo.truth import against_truth
    from fusionlab.lab import Lab

    lab = folder / "lab"
    opened = Lab.open(lab)
    truth = against_truth(opened, "demo")
    places = {
        "images and manifests": folder / "images",
        "lab": lab,
        "labels": lab / "labels" / "refined.parquet",
        "labels beside the truth": write_sheet(opened, "demo", folder / "labels.png"),
        "models": lab / "runs",
        "fused images": folder / "fused",
        "report, open in a browser": folder / "report" / "index.html",
        "leaderboard, open in a browser": folder / "leaderboard" / "index.html",
    }
    if as_json:
        found = {name: str(path) for name, path in places.items()}
        terminal.print_json(
            {**record.as_dict(), "places": found, "against_truth": terminal.records(truth)}
        )
        return
    _print_record(planned, record)
    terminal.print_frame(
        "PSNR (dB) to the known truth: plain mean, chosen labels, best candidate", truth
    )
    terminal.print_facts(
        [
            *places.items(),
            ("look closer", f"fusionlab why portrait --lab {lab} --labels demo"),
            ("in pandas", f"pandas.read_parquet({str(places['labels'])!r})"),
        ]
    )


def _print_record(planned: Pipeline, record: RunRecord) -> None:
    import pandas as pd

    from fusionlab.pipeline.view import words

    rows = [
        {"stage": s.stage, "state": s.verdict, "seconds": s.seconds, "report": words(s.report)}
        for s in record.stages
    ]
    terminal.print_frame(planned.about or planned.name, pd.DataFrame(rows))
    if planned.unchanged == len(planned.stages):
        terminal.out.print("nothing has changed since the last run: nothing to do")
    elif record.path is not None:
        terminal.print_facts([("record", record.path)])


def _print_rows(title: str, rows: list[dict[str, Any]], as_json: bool) -> None:
    import pandas as pd

    if as_json:
        terminal.print_json(rows)
    else:
        terminal.print_frame(title, pd.DataFrame(rows))

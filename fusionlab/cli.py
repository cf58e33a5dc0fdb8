"""The command line: one thin function a stage. Heavy imports stay inside the commands."""

from __future__ import annotations

import time
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from fusionlab import __version__, terminal
from fusionlab.errors import FusionLabError, UsageError

if TYPE_CHECKING:
    import pandas as pd

_INTERRUPTED = 130


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
            terminal.err.print("what was finished is kept: run the same command again to go on")
            raise typer.Exit(1) from None
        except KeyboardInterrupt:
            terminal.err.print("stopped; nothing is lost: run the same command again to go on")
            raise typer.Exit(_INTERRUPTED) from None


app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help=(
        "Curate pseudo-labels for image fusion: bring in the outputs of many methods, measure "
        "them, choose one a scene, and ask why.\n\n"
        "The way of the data: [bold]ingest[/] -> [bold]score[/] -> [bold]select[/] -> "
        "[bold]audit[/]. Every stage can be stopped at any moment and run again; it then does "
        "only what is missing.\n\n"
        "New here? [bold]fusionlab demo[/] shows all of it on embedded images."
    ),
)

LabOption = Annotated[
    Path,
    typer.Option("--lab", envvar="FUSIONLAB_LAB", help="The lab: the folder of this curation."),
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


@app.command()
def ingest(
    manifests: Annotated[
        list[Path], typer.Argument(metavar="MANIFEST.yaml", help="Which file is what, one or more.")
    ],
    lab: LabOption = Path("lab"),
    root: Annotated[
        Path | None, typer.Option(help="Folder of the images, instead of the manifest's 'root'.")
    ] = None,
    workers: WorkersOption = None,
    force: Annotated[bool, typer.Option(help="Read everything again, changed or not.")] = False,
    prune: Annotated[bool, typer.Option(help="Forget images whose file is gone.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be read; write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring sources and the outputs of many methods into the lab.

    A manifest says which file is what. Run again after files were added or changed: only those are
    read. What cannot be used is not skipped in silence: see [bold]fusionlab audit[/] or
    lab/rejects.parquet.

    Example: fusionlab ingest manifests/vifb.yaml --lab lab --root ~/data/vifb
    """
    from fusionlab.ingest import ingest as run
    from fusionlab.ingest import load_manifest, preview
    from fusionlab.lab import Lab

    loaded = [load_manifest(path, root) for path in manifests]
    if dry_run:
        _print_reports([preview(manifest, folder) for manifest, folder in loaded], as_json)
        return
    opened = Lab.create(lab)
    reports = []
    for manifest, folder in loaded:
        with terminal.progress(f"ingest {manifest.task}/{manifest.dataset}") as advance:
            report = run(
                manifest,
                folder,
                opened,
                workers=workers,
                force=force,
                prune=prune,
                on_progress=advance,
            )
        reports.append(report.as_dict())
    _print_reports(reports, as_json)
    if not as_json:
        terminal.err.print(f"next: fusionlab score --lab {lab}", style="dim")


@app.command()
def score(
    lab: LabOption = Path("lab"),
    metrics: MetricsOption = None,
    workers: WorkersOption = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a running Dask scheduler, e.g. tcp://127.0.0.1:8786."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="cpu, or a torch device such as cuda for EN, SD, SSIM, Qabf, VIF.")
    ] = "cpu",
    dry_run: Annotated[bool, typer.Option(help="Say what is missing; measure nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure every candidate that has not been measured, and the decoys.

    Without --metrics: EN, SD, SSIM, Qabf, VIF, and PSNR_ref for scenes with a known truth. Scores
    are recognised by what they were computed from, so a new method or metric costs only itself.

    Example: fusionlab score --lab lab --workers 8
    """
    from fusionlab.lab import Lab
    from fusionlab.scoring import missing
    from fusionlab.scoring import score as run

    opened = Lab.open(lab)
    names = _split(metrics)
    if dry_run:
        report = missing(opened, names)
    else:
        with terminal.progress("score") as advance:
            report = run(
                opened,
                names,
                workers=workers,
                scheduler=scheduler,
                device=device,
                on_progress=advance,
            ).as_dict()
    _print_reports([report], as_json)
    if not as_json and not dry_run:
        terminal.err.print(
            f"next: fusionlab select --lab {lab} --policy fusionfm --name NAME", style="dim"
        )


@app.command()
def select(
    name: Annotated[str, typer.Option("--name", help="Name of the labels manifest to write.")],
    lab: LabOption = Path("lab"),
    policy: Annotated[
        str, typer.Option(help="A shipped policy (see: fusionlab policies) or a YAML file.")
    ] = "fusionfm",
    normalise: Annotated[
        str | None, typer.Option(help="rank, minmax or zscore, instead of the policy's own.")
    ] = None,
    task: Annotated[str | None, typer.Option(help="Only scenes of this task.")] = None,
    dataset: Annotated[str | None, typer.Option(help="Only scenes of this data set.")] = None,
    dry_run: Annotated[bool, typer.Option(help="Choose and count, but write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Choose one candidate a scene as its pseudo-label.

    No pixel is read: another policy over the same scores takes moments, so try several names.

    Example: fusionlab select --lab lab --policy fusionfm --name first
    """
    from fusionlab.lab import Lab
    from fusionlab.selection import load_policy
    from fusionlab.selection import select as run
    from fusionlab.tasks import get_task

    opened = Lab.open(lab)
    if task is not None:
        get_task(task, "--task")
    chosen = load_policy(policy).normalised_by(normalise)
    report = run(opened, chosen, name, task=task, dataset=dataset, dry_run=dry_run)
    _print_reports([report.as_dict()], as_json)
    if not as_json and not dry_run:
        terminal.err.print(f"next: fusionlab audit --lab {lab} --labels {name}", style="dim")


@app.command()
def audit(
    lab: LabOption = Path("lab"),
    labels: LabelsOption = None,
    csv: Annotated[Path | None, typer.Option(help="Folder to write every table to as CSV.")] = None,
    parquet: Annotated[
        Path | None, typer.Option(help="Folder to write every table to as Parquet.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Show who won, by how much, where it is uncertain, and what was turned away.

    Example: fusionlab audit --lab lab --labels first --csv report/
    """
    from fusionlab.audit.frames import all_frames

    frames = all_frames(lab, labels)
    for folder, suffix in ((csv, "csv"), (parquet, "parquet")):
        if folder is not None:
            _write_frames(frames, folder, suffix)
    if as_json:
        terminal.print_json({name: terminal.records(frame) for name, frame in frames.items()})
        return
    terminal.print_frame("Wins by task and method", _winners(frames["wins"]))
    terminal.print_frame("The ten least certain labels", frames["margins"].head(10))
    terminal.print_frame("Margins by task", frames["certainty"])
    terminal.print_frame("Decoys that would have won", frames["decoys"])
    if len(frames["truth"]):
        terminal.print_frame("Against the known truth, PSNR in dB", frames["truth"], limit=20)
    if len(frames["rejects"]):
        terminal.print_frame("Turned away", frames["rejects"])


@app.command()
def why(
    scene: Annotated[str, typer.Argument(help="A scene: NAME, DATASET/NAME or TASK/DATASET/NAME.")],
    lab: LabOption = Path("lab"),
    labels: LabelsOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show every candidate of one scene, metric by metric, and why the winner won.

    Example: fusionlab why carLight --lab lab
    """
    from fusionlab.audit import why as run

    found = run(scene, lab, labels)
    if as_json:
        terminal.print_json(found.as_dict())
        return
    title = f"{found.task}/{found.dataset}/{found.scene}, policy {found.policy.name}"
    terminal.print_frame(f"{title} v{found.policy.version}", found.readable())
    for reason in found.reasons:
        terminal.out.print(reason, highlight=False)


@app.command()
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
    names, start = _split(metrics), time.monotonic()
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
                workers=workers,
                on_progress=advance,
            )
    else:
        table = measure_files(a, b, fused, names, preset=preset, reference=reference)
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


@app.command()
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


@app.command()
def policies(as_json: JsonOption = False) -> None:
    """List the shipped selection policies and their weights."""
    from fusionlab.selection import shipped_policies

    shipped = shipped_policies()
    if as_json:
        terminal.print_json([{**p.model_dump(), "digest": p.digest} for p in shipped.values()])
        return
    for policy in shipped.values():
        terminal.out.print(f"[bold]{policy.name}[/] v{policy.version}: {policy.description}")
        terminal.print_facts([("normalise", policy.normalise), *policy.weights.items()])


@app.command()
def demo(
    folder: Annotated[Path, typer.Argument(help="Where to put it all.")] = Path("demo"),
    as_json: JsonOption = False,
) -> None:
    """Run the whole curation on embedded images of all four tasks; no download, no data needed."""
    from fusionlab.demo.run import run_demo

    with terminal.progress("demo") as advance:
        made = run_demo(folder, advance)
    if as_json:
        terminal.print_json(made.as_dict())
    else:
        made.show()


def _split(names: str | None) -> list[str] | None:
    """Cut a list with commas; None stays None."""
    if names is None:
        return None
    found = [name.strip() for name in names.split(",") if name.strip()]
    if not found:
        raise UsageError("--metrics names no metric; e.g. --metrics EN,SD")
    return found


def _print_presets(as_json: bool) -> None:
    from fusionlab.metrics.presets import PRESETS

    if as_json:
        terminal.print_json([asdict(preset) for preset in PRESETS.values()])
        return
    for preset in PRESETS.values():
        terminal.out.print(f"[bold]{preset.name}[/]: {preset.title}")
        pairs = [c if c == m else f"{c} = {m}" for c, m in preset.metrics.items()]
        terminal.print_facts([("columns", pairs), ("note", preset.notes)])


def _print_reports(reports: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        terminal.print_json(reports[0] if len(reports) == 1 else reports)
        return
    if len(reports) == 1:
        terminal.print_facts(reports[0].items())
    else:
        import pandas as pd

        terminal.print_frame("Data sets", pd.DataFrame(reports))


def _winners(wins: pd.DataFrame) -> pd.DataFrame:
    return wins[wins["wins"] > 0]


def _write_frames(frames: dict[str, pd.DataFrame], folder: Path, suffix: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, frame in frames.items():
        path = folder / f"{name}.{suffix}"
        if suffix == "csv":
            frame.to_csv(path, index=False)
        else:
            frame.to_parquet(path, index=False)
    terminal.err.print(f"{len(frames)} tables written to {folder}", style="dim")


def main() -> None:
    """Run the command line."""
    app()

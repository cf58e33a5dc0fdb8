"""Training a model on curated labels: train."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fusionlab import terminal
from fusionlab.cli.options import DataOption, JsonOption, LabOption, LearnedOption, split_names

if TYPE_CHECKING:
    from fusionlab.training.curated import Curated
    from fusionlab.training.loop import Progress
    from fusionlab.training.settings import TrainSettings

_MODEL = "Model"
_TIME = "Length and device"


def train(
    name: Annotated[str, typer.Option("--as", help="Name of the run.")],
    labels: LearnedOption = None,
    lab: LabOption = Path("lab"),
    data: DataOption = None,
    out: Annotated[
        Path | None, typer.Option(help="Folder of runs; by default LAB/runs, or runs.")
    ] = None,
    tasks: Annotated[
        str | None, typer.Option(help="Learn these only, e.g. ivf,mff; by default all.")
    ] = None,
    exclude: Annotated[
        str | None,
        typer.Option(
            help="Neither learn from nor look at these, e.g. ivf/vifb,mff/lytro/lytro_03."
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="YAML of all settings; options win."),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(help="flow; or a control: regression, noise-flow.", rich_help_panel=_MODEL),
    ] = None,
    network: Annotated[
        str | None,
        typer.Option(help="small (0.2 M) or default (1.4 M parameters).", rich_help_panel=_MODEL),
    ] = None,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Of training.", rich_help_panel=_TIME)
    ] = None,
    batch: Annotated[
        int | None, typer.Option(min=1, help="Patches a step.", rich_help_panel=_TIME)
    ] = None,
    patch: Annotated[
        int | None, typer.Option(min=16, help="Side of a patch.", rich_help_panel=_TIME)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of every random number.", rich_help_panel=_TIME)
    ] = None,
    device: Annotated[
        str, typer.Option(help="auto, cpu, cuda, ...", rich_help_panel=_TIME)
    ] = "auto",
    compile_: Annotated[
        bool, typer.Option("--compile", help="Compile the network.", rich_help_panel=_TIME)
    ] = False,
    tensorboard: Annotated[bool, typer.Option(help="Log for TensorBoard as well.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be trained on what.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Train a model that fuses, on the labels of a lab or of an export.

    The same command goes on where it was stopped. Always train the control too: the same command
    with --objective regression; runs on the same data are shown side by side.

    Several processes: torchrun --nproc-per-node 2 -m fusionlab train ...

    Example: fusionlab train --lab lab --labels first --as flow --network small --steps 2000
    """
    from fusionlab.training.run import train as run

    given = {
        "model.objective": objective,
        "model.network": network,
        "steps": steps,
        "patches.batch": batch,
        "patches.patch": patch,
        "patches.seed": seed,
        "compile": compile_ or None,
    }
    settings = settings_of(config, given)
    curated = curated_of(lab, labels, data, split_names(tasks, "--tasks"))
    runs = out or (Path("runs") if data else local_folder(lab) / "runs")
    with terminal.progress("train") as advance:
        report = run(
            curated,
            runs / name,
            settings,
            exclude=split_names(exclude, "--exclude") or [],
            device=device,
            tensorboard=tensorboard,
            dry_run=dry_run,
            on_step=lambda done: advance(done.step, done.steps, _words(done)),
            on_check=_print_check,
        )
    if as_json:
        terminal.print_json(report.as_dict())
        return
    facts = report.as_dict()
    del facts["validation"]
    terminal.print_facts(facts.items())
    if report.validation:
        _print_validation(runs / name, report.validation)


def _print_validation(run: Path, validation: dict[str, dict[str, float]]) -> None:
    """Print what the scenes held out came to, by task, and in other runs on the same data."""
    import pandas as pd

    from fusionlab.training.side_by_side import side_by_side

    by_task = pd.DataFrame(validation).T.rename_axis("task").reset_index()
    terminal.print_frame("Scenes held out", by_task)
    terminal.print_frame("Runs on the same data", side_by_side(run))


def settings_of(config: Path | None, given: dict[str, Any]) -> TrainSettings:
    """Return the settings of a YAML file, with what was given on the command line put in.

    Parameters
    ----------
    given : setting, with dots between, -> value; None was not given.
    """
    from fusionlab.configs import checked, load_yaml
    from fusionlab.errors import UnknownNameError
    from fusionlab.training.settings import NETWORKS, TrainSettings

    given = {key: value for key, value in given.items() if value is not None}
    content = (load_yaml(config, TrainSettings) if config else TrainSettings()).model_dump()
    network = given.get("model.network")
    if network is not None:
        if network not in NETWORKS:
            raise UnknownNameError("network", network, NETWORKS, "--network")
        given["model.network"] = NETWORKS[network].model_dump()
    if given.get("model.objective", content["model"]["objective"]) != content["model"]["objective"]:
        # what followed from the other objective follows anew
        content["model"] |= {"steps": 0, "start": "mean", "velocity": "straight"}
    for key, value in given.items():
        *above, last = key.split(".")
        place = content
        for part in above:
            place = place[part]
        place[last] = value
    return checked(content, TrainSettings, "settings")


def curated_of(
    lab: Path, labels: str | None, data: Path | None, tasks: list[str] | None = None
) -> Curated:
    """Return the labels of a lab, or of an export, with their pixels."""
    from fusionlab.errors import UsageError

    if data is not None:
        from fusionlab.training.shards import read_shards

        if labels is not None:
            raise UsageError("--labels and --data: an export holds one labels manifest; give one")
        return _only(read_shards(data), tasks)
    if labels is None:
        raise UsageError("what to learn from is missing: --labels NAME of a lab, or --data EXPORT")
    from fusionlab.lab import Lab
    from fusionlab.training.reading import read_curated

    with terminal.progress("read labels") as advance:
        return read_curated(Lab.open(lab), labels, tasks=tasks, on_progress=advance)


def _only(curated: Curated, tasks: list[str] | None) -> Curated:
    """Return the examples of some tasks."""
    if tasks is None:
        return curated
    return curated.only([e.place for task in tasks for e in curated.of_task(task).examples])


def local_folder(lab: Path) -> Path:
    """Return the folder of a lab.

    Raises
    ------
    UsageError
        When it is in an object store, where no run can be written.
    """
    from fusionlab.errors import UsageError

    if not isinstance(lab, Path):
        raise UsageError(f"{lab}: a run is written into a local folder; name one with --out")
    return lab


def _words(progress: Progress) -> str:
    """Return the losses and the rate in a few words."""
    terms = progress.terms
    still = f", {terms['loss_t0']:.3f} at t = 0" if "loss_t0" in terms else ""
    return f"loss {terms['loss']:.3f}{still}; {progress.images:.0f} patches/s"


def _print_check(step: int, found: dict[str, dict[str, float]]) -> None:
    """Print how near the labels of validation scenes are."""
    cells = ", ".join(f"{task} {row['PSNR_local']:.2f}" for task, row in found.items())
    terminal.err.print(f"step {step}: PSNR without local means, dB: {cells}", style="dim")

"""Learning task after task: continual."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusionlab import terminal
from fusionlab.cli.options import (
    DataOption,
    JsonOption,
    LabOption,
    LearnedOption,
    split_names,
    write_frames,
)
from fusionlab.cli.training import curated_of, local_folder, settings_of

if TYPE_CHECKING:
    import pandas as pd

    from fusionlab.training.study import StudyReport, StudySettings


def continual(
    labels: LearnedOption = None,
    lab: LabOption = Path("lab"),
    data: DataOption = None,
    config: Annotated[
        Path | None,
        typer.Option(
            exists=True, dir_okay=False, help="YAML of training settings, as of train; options win."
        ),
    ] = None,
    strategies: Annotated[
        str, typer.Option(help="Some of naive, ewc, replay, ewc+replay, joint, single.")
    ] = "naive,ewc,replay,ewc+replay,joint,single",
    orders: Annotated[
        str | None,
        typer.Option(
            help="Orders of tasks, e.g. ivf-mif-mef-mff,mff-mef-mif-ivf. Default: one order, of "
            "all tasks that have labels."
        ),
    ] = None,
    seeds: Annotated[str, typer.Option(help="Numbers with commas between.")] = "0",
    steps_per_task: Annotated[
        int, typer.Option(min=1, help="Steps of a stage; joint has those of all stages.")
    ] = 1000,
    network: Annotated[
        str | None, typer.Option(help="small (0.2 M) or default (1.4 M parameters).")
    ] = "small",
    objective: Annotated[str | None, typer.Option(help="flow, regression or noise-flow.")] = None,
    batch: Annotated[int | None, typer.Option(min=2, help="Patches a step.")] = None,
    patch: Annotated[int | None, typer.Option(min=16, help="Side of a patch, in pixels.")] = None,
    ewc_weight: Annotated[float, typer.Option(min=0, help="Lambda of elastic weights.")] = 1.0,
    ewc_shape: Annotated[
        str, typer.Option(help="What is done to the Fisher information: raw, clip or sqrt.")
    ] = "raw",
    replay_share: Annotated[
        float, typer.Option(min=0, max=0.99, help="Share of a batch that old patches take.")
    ] = 0.25,
    replay_patches: Annotated[
        int, typer.Option(min=1, help="Old patches that are kept of a task, at most.")
    ] = 200,
    replay_megabytes: Annotated[
        float, typer.Option(min=0.01, help="What all old patches may take.")
    ] = 64.0,
    replay_sampling: Annotated[
        str, typer.Option(help="Which are kept: coverage or reservoir.")
    ] = "coverage",
    exclude: Annotated[
        str | None,
        typer.Option(help="Neither learn from nor judge by these, e.g. ivf/vifb,mff/lytro."),
    ] = None,
    scenes: Annotated[
        int, typer.Option(min=1, help="Scenes of a task that stages are judged by, at most.")
    ] = 8,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder of the study. Default: LAB/studies/LABELS, or studies/LABELS."),
    ] = None,
    csv: Annotated[Path | None, typer.Option(help="Folder to write the tables to as CSV.")] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:NUMBER.")] = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would be trained, and train nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Let one network learn task after task, by several strategies, and say what it forgets.

    [bold]naive[/] just goes on; [bold]ewc[/] holds weights that mattered; [bold]replay[/] mixes old
    patches in; [bold]joint[/] learns all tasks at once and [bold]single[/] each by a network of its
    own. After every stage all tasks are judged on scenes that were not learned from. What is done
    is not done again, and a stage that was stopped goes on.

    [bold]average[/] is the mean over tasks at the end; [bold]forgetting[/] how far old tasks fell
    from their best; [bold]bwt[/] what later tasks did to earlier ones, below 0 is harm; the gaps
    are to joint and single, mean and standard deviation over orders and seeds.

    Example: fusionlab continual --lab lab --labels first --seeds 0,1,2
    """
    from fusionlab.configs import checked
    from fusionlab.devices import choose_device
    from fusionlab.training.distributed import Workers
    from fusionlab.training.study import StudySettings, study

    given = {
        "model.objective": objective,
        "model.network": network,
        "steps": steps_per_task,
        "patches.batch": batch,
        "patches.patch": patch,
    }
    train = settings_of(config, given)
    content = {
        "strategies": split_names(strategies, "--strategies"),
        "orders": [order.split("-") for order in split_names(orders, "--orders") or []],
        "seeds": split_names(seeds, "--seeds"),
        "exclude": split_names(exclude, "--exclude") or [],
        "scenes": scenes,
        "stages": {
            "train": train.model_dump(),
            "ewc": {"weight": ewc_weight, "shape": ewc_shape},
            "replay": {
                "share": replay_share,
                "megabytes": replay_megabytes,
                "patches": replay_patches,
                "sampling": replay_sampling,
            },
        },
    }
    settings: StudySettings = checked(content, StudySettings, "fusionlab continual")
    curated = curated_of(lab, labels, data)
    studies = Path("studies") if data else local_folder(lab) / "studies"
    folder = out or studies / curated.labels
    workers = Workers(choose_device(device))
    with terminal.progress("steps") as advance:
        report = study(
            *(curated, settings, folder, workers),
            dry_run=dry_run,
            on_progress=advance,
            on_stage=_print_stage,
        )
    if csv is not None and not dry_run:
        write_frames({"results": report.results, "measures": report.measures}, csv, "csv")
    if as_json:
        terminal.print_json(report.as_dict())
        return
    _print(report, folder, dry_run)


def _print_stage(name: str, values: pd.Series) -> None:
    found = ", ".join(f"{task} {value:.2f}" for task, value in values.items())
    terminal.err.print(f"{name}: PSNR {found}", style="dim", highlight=False)


def _print(report: StudyReport, folder: Path, dry_run: bool) -> None:
    names = ("cells", "stages", "trained", "steps", "learned", "judged", "seconds")
    facts = {name: getattr(report, name) for name in names}
    if dry_run:
        facts["to train"] = facts.pop("trained")
    for metric, table in ({} if dry_run else report.shown()).items():
        terminal.print_frame(metric, table)
    terminal.print_facts(facts.items())
    if not dry_run:
        terminal.out.print(f"figure: {folder / 'forgetting.html'}", highlight=False, soft_wrap=True)

"""Learning task after task: continual."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusionlab import terminal
from fusionlab.cli.options import JsonOption, LabOption, split_names, write_frames

if TYPE_CHECKING:
    import pandas as pd

    from fusionlab.lab import Lab
    from fusionlab.training.study import StudyReport, StudySettings


def continual(
    labels: Annotated[str, typer.Option("--labels", help="The labels manifest to learn from.")],
    lab: LabOption = Path("lab"),
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
        str, typer.Option(help="small (0.2 M weights) or default (1.4 M).")
    ] = "small",
    objective: Annotated[str, typer.Option(help="flow, regression or noise-flow.")] = "flow",
    batch: Annotated[int, typer.Option(min=2, help="Patches a step.")] = 16,
    patch: Annotated[int, typer.Option(min=8, help="Side of a patch, in pixels.")] = 64,
    ewc_weight: Annotated[float, typer.Option(min=0, help="Lambda of elastic weights.")] = 0.1,
    ewc_shape: Annotated[
        str, typer.Option(help="What is done to the Fisher information: raw, clip or sqrt.")
    ] = "sqrt",
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
    share: Annotated[
        float, typer.Option(min=0.01, max=0.9, help="Of the scenes, held out to judge by.")
    ] = 0.15,
    exclude: Annotated[
        list[str] | None,
        typer.Option(help="A task, data set or scene that is left out; may be repeated."),
    ] = None,
    scenes: Annotated[
        int, typer.Option(min=1, help="Scenes of a task that stages are judged by, at most.")
    ] = 8,
    out: Annotated[
        Path | None, typer.Option(help="Folder of the study. Default: LAB/studies/LABELS.")
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
    from fusionlab.lab import Lab
    from fusionlab.training.distributed import Workers, choose_device
    from fusionlab.training.reading import read_curated
    from fusionlab.training.study import StudySettings, network_of, study

    opened = Lab.open(lab)
    content = {
        "strategies": split_names(strategies, "--strategies"),
        "orders": _orders(opened, labels, orders),
        "seeds": split_names(seeds, "--seeds"),
        "share": share,
        "exclude": exclude or [],
        "scenes": scenes,
        "stages": {
            "train": {
                "model": {"objective": objective, "network": network_of(network)},
                "patches": {"batch": batch, "patch": patch},
                "steps": steps_per_task,
            },
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
    curated = read_curated(opened, labels, tasks=settings.orders[0])
    workers = Workers(choose_device(device))
    folder = _folder(opened, out, labels)
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


def _orders(lab: Lab, labels: str, orders: str | None) -> list[list[str]]:
    from fusionlab.tasks import TASKS, get_task

    if orders is None:
        found = set(lab.labels(labels)["task"])
        return [[task for task in TASKS if task in found]]
    cut = [order.split("-") for order in split_names(orders, "--orders") or []]
    return [[get_task(task, "--orders").key for task in order] for order in cut]


def _folder(lab: Lab, out: Path | None, labels: str) -> Path:
    """Return the folder of a study; it must be a local one."""
    from fusionlab.errors import UsageError

    folder = out or lab.path / "studies" / labels
    if not isinstance(folder, Path):
        raise UsageError(f"{folder}: a study is kept in a local folder; name one: --out FOLDER")
    return folder


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

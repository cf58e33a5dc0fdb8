"""The stages of a curation: ingest, score, select."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.cli.options import (
    DatasetOption,
    DatasetsOption,
    JsonOption,
    LabOption,
    MetricsOption,
    TaskOption,
    TasksOption,
    WorkersOption,
    split_names,
)
from fusionlab.errors import UsageError


def ingest(
    manifests: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="MANIFEST",
            help="Which file is what: YAML files, a folder of them, or names that --list shows. "
            "NAME=FOLDER says where the images lie.",
            show_default=False,
            autocompletion=completion.manifests,
        ),
    ] = None,
    lab: LabOption = Path("lab"),
    root: Annotated[
        Path | None, typer.Option(help="Folder of the images, instead of the manifest's 'root'.")
    ] = None,
    match: Annotated[
        str,
        typer.Option(
            help="names: reject a candidate that shows another scene than its name says. "
            "content: give it to the scene that it shows."
        ),
    ] = "names",
    align: Annotated[
        str,
        typer.Option(
            help="How an image of another size may be brought to fit: all, none, or some of "
            "crop,cut,off_by,resize,border. Each use is recorded."
        ),
    ] = "all",
    keep_displaced: Annotated[
        bool,
        typer.Option(
            "--keep-displaced", help="Take scenes whose sources are displaced, and say so."
        ),
    ] = False,
    workers: WorkersOption = None,
    force: Annotated[bool, typer.Option(help="Read everything again, changed or not.")] = False,
    prune: Annotated[bool, typer.Option(help="Forget images whose file is gone.")] = False,
    show_list: Annotated[
        bool, typer.Option("--list", help="List the manifests of public benchmarks instead.")
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what would be read; write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Bring sources and the outputs of many methods into the lab.

    A manifest says which file is what; the pixels say whether that is true. Every candidate is
    compared with the sources of its scene, brought to fit where it was cropped or resized, and
    looked at for what was done to it. Run again after files were added or changed: only those are
    read. What cannot be used is not skipped in silence: see [bold]fusionlab audit[/] or
    lab/rejects.parquet.

    Example: fusionlab ingest vifb --lab lab --root ~/data/VIFB

    No manifest yet? [bold]fusionlab init FOLDER[/] writes one.
    """
    if show_list:
        _list_manifests(as_json)
        return
    from fusionlab.ingest import ALIGN_RULES, Checks, find_manifest, listed_manifests, preview
    from fusionlab.ingest import ingest as run
    from fusionlab.lab import Lab

    if not manifests:
        raise UsageError("name a manifest: a YAML file, or one that --list shows")
    some = {"all": ALIGN_RULES, "none": ()}
    rules = some[align] if align in some else split_names(align, "--align") or ()
    checks = Checks(match, tuple(rules), keep_displaced)
    loaded = [find_manifest(name, root) for name in listed_manifests(manifests)]
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
                checks=checks,
                workers=workers,
                force=force,
                prune=prune,
                on_progress=advance,
            )
        reports.append(report.as_dict())
    _print_reports(reports, as_json)
    if not as_json:
        following = "score" if any(report["methods"] for report in reports) else "baselines"
        terminal.err.print(f"next: fusionlab {following} --lab {lab}", style="dim")


def score(
    lab: LabOption = Path("lab"),
    metrics: MetricsOption = None,
    task: TasksOption = None,
    dataset: DatasetsOption = None,
    split: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.parts,
            help="Only scenes that the lab's split has for these, e.g. validation,test.",
        ),
    ] = None,
    workers: WorkersOption = None,
    scheduler: Annotated[
        str | None,
        typer.Option(help="Address of a running Dask scheduler, e.g. tcp://127.0.0.1:8786."),
    ] = None,
    device: Annotated[
        str, typer.Option(help="cpu, or a torch device such as cuda for EN, SD, SSIM, Qabf, VIF.")
    ] = "cpu",
    tiles: Annotated[
        bool,
        typer.Option("--tiles", help="Measure the tiles of every scene too, about 4 x 4 of them."),
    ] = False,
    dry_run: Annotated[bool, typer.Option(help="Say what is missing; measure nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Measure every candidate that has not been measured, and the decoys.

    Without --metrics: all that the shipped policies need, and PSNR_ref for scenes with a known
    truth. Scores are recognised by what they were computed from, so a new method or metric costs
    only itself. Tiles show how sure a choice is, and which candidate is best where; without
    --metrics they get those that totals are made of, not the guards.

    Example: fusionlab score --lab lab --workers 8

    Example: fusionlab score --lab lab --metrics Qcb,MS_SSIM --split validation,test
    """
    from fusionlab.lab import Lab
    from fusionlab.scoring import Only, missing
    from fusionlab.scoring import score as run

    opened = Lab.open(lab)
    names = split_names(metrics)
    only = Only(task or (), dataset or (), split_names(split, "--split") or ())
    report: dict[str, Any] = {}
    for tiled in (False, True) if tiles else (False,):
        if dry_run:
            found = missing(opened, names, only=only, tiles=tiled)
        else:
            with terminal.progress("score tiles" if tiled else "score") as advance:
                found = run(
                    opened,
                    names,
                    only=only,
                    tiles=tiled,
                    workers=workers,
                    scheduler=scheduler,
                    device=device,
                    on_progress=advance,
                ).as_dict()
        report |= {"tiles": found} if tiled else found
    if not as_json and "tiles" in report:
        of_tiles = report.pop("tiles")
        terminal.print_facts(report.items())
        report = {f"tiles, {key}": value for key, value in of_tiles.items()}
    _print_reports([report], as_json)
    if not as_json and not dry_run:
        terminal.err.print(f"next: fusionlab select --lab {lab} --name NAME", style="dim")


def select(
    name: Annotated[str, typer.Option("--name", help="Name of the labels manifest to write.")],
    lab: LabOption = Path("lab"),
    policy: Annotated[
        str,
        typer.Option(
            autocompletion=completion.policies,
            help="A shipped policy (see: fusionlab policies) or a YAML file.",
        ),
    ] = "robust",
    normalise: Annotated[
        str | None,
        typer.Option(help="rank, minmax, zscore, quantile or none, instead of the policy's."),
    ] = None,
    top: Annotated[
        int, typer.Option(help="Labels a scene at the most, the best first, with soft weights.")
    ] = 1,
    split: Annotated[
        str | None,
        typer.Option(
            help="Shares of train, validation and test. Default: those of the lab, or 0.8,0.1,0.1."
        ),
    ] = None,
    test: Annotated[
        str | None,
        typer.Option(help="All of these is for test, e.g. ivf/vifb,mff/lytro/lytro_03."),
    ] = None,
    resplit: Annotated[
        bool, typer.Option("--resplit", help="Forget which scenes were for what, and split anew.")
    ] = False,
    task: TaskOption = None,
    dataset: DatasetOption = None,
    dry_run: Annotated[bool, typer.Option(help="Choose and count, but write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Choose one candidate a scene as its pseudo-label.

    No pixel is read: another policy over the same scores takes moments, so try several names.

    Every scene is for train, validation or test, and stays so: in all labels of the lab, whatever
    is added. Near-duplicates, scenes with a source in common and groups that a manifest names stay
    together.

    Example: fusionlab select --lab lab --name first
    """
    from fusionlab.lab import Lab
    from fusionlab.selection import load_policy
    from fusionlab.selection import select as run
    from fusionlab.splits import parse_shares
    from fusionlab.tasks import get_task

    opened = Lab.open(lab)
    if task is not None:
        get_task(task, "--task")
    chosen = load_policy(policy).normalised_by(normalise)
    report = run(
        *(opened, chosen, name),
        task=task,
        dataset=dataset,
        top=top,
        shares=None if split is None else parse_shares(split),
        test=split_names(test, "--test") or (),
        resplit=resplit,
        dry_run=dry_run,
    )
    _print_reports([report.as_dict()], as_json)
    if not as_json and not dry_run:
        terminal.err.print(
            f"next: fusionlab audit --lab {shlex.quote(str(lab))} --labels {shlex.quote(name)}",
            style="dim",
        )


def _list_manifests(as_json: bool) -> None:
    from fusionlab.ingest import shipped_manifests

    shipped = shipped_manifests().values()
    if as_json:
        terminal.print_json(
            [{**s.manifest.model_dump(exclude={"root"}), "title": s.title} for s in shipped]
        )
        return
    for one in shipped:
        terminal.out.print(f"[bold]{one.name}[/] ({one.manifest.task}): {one.title}")
        for line in one.layout:
            terminal.out.print(line, style="dim", markup=False, highlight=False)


def _print_reports(reports: list[dict[str, Any]], as_json: bool) -> None:
    if as_json:
        terminal.print_json(reports[0] if len(reports) == 1 else reports)
        return
    if len(reports) == 1:
        terminal.print_facts(reports[0].items())
    else:
        import pandas as pd

        terminal.print_frame("Data sets", pd.DataFrame(reports))

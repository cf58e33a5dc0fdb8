"""Questions about labels: audit, why and diff."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.cli.options import (
    JsonOption,
    LabelsOption,
    LabOption,
    WorkersOption,
    write_frames,
)

if TYPE_CHECKING:
    import pandas as pd

    from fusionlab.paths import Place


def audit(
    lab: LabOption = Path("lab"),
    labels: LabelsOption = None,
    csv: Annotated[Path | None, typer.Option(help="Folder to write every table to as CSV.")] = None,
    parquet: Annotated[
        Path | None, typer.Option(help="Folder to write every table to as Parquet.")
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Folder for a report to read in a browser, offline; needs no server."),
    ] = None,
    workers: WorkersOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show who won, by how much, where it is uncertain, and what was turned away or doctored.

    With --html, write a report instead: overview, tasks, data sets, and a page for every scene with
    all candidates side by side. Run again, it writes only what has changed.

    Example: fusionlab audit --lab lab --labels first --html report/
    """
    if html is not None:
        _write_report(lab, labels, html, workers, as_json)
        return
    from fusionlab.audit import all_frames

    frames = all_frames(lab, labels)
    for folder, suffix in ((csv, "csv"), (parquet, "parquet")):
        if folder is not None:
            write_frames(frames, folder, suffix)
    if as_json:
        terminal.print_json({name: terminal.records(frame) for name, frame in frames.items()})
        return
    terminal.print_frame("Wins by task and method", _winners(frames["wins"]))
    terminal.print_frame("The ten least certain labels", frames["margins"].head(10))
    terminal.print_frame("Margins by task", frames["certainty"])
    terminal.print_frame("Decoys that would have won", frames["decoys"])
    if len(frames["truth"]):
        terminal.print_frame("Against the known truth, PSNR in dB", frames["truth"], limit=20)
    if len(frames["refinements"]):
        terminal.print_frame("Refined labels, by kind of damage", frames["refinements"])
    if len(frames["rejects"]):
        terminal.print_frame("Turned away", frames["rejects"])
    if len(frames["fingerprints"]):
        terminal.print_frame("Fingerprints", frames["fingerprints"], limit=20)
    if len(frames["families"]):
        terminal.print_frame("Families: one vote together", frames["families"], limit=20)


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


def diff(
    a: Annotated[
        str,
        typer.Argument(
            metavar="LABELS_A",
            autocompletion=completion.labels,
            help="A labels manifest: its name, or its path.",
        ),
    ],
    b: Annotated[
        str,
        typer.Argument(
            metavar="LABELS_B",
            autocompletion=completion.labels,
            help="Another, which the reasons are told for.",
        ),
    ],
    lab: LabOption = Path("lab"),
    csv: Annotated[Path | None, typer.Option(help="Write every scene to this file as CSV.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Show which labels changed from one manifest to another, and why.

    Example: fusionlab diff first second --lab lab --csv changes.csv
    """
    from fusionlab.audit.diff import diff as run
    from fusionlab.audit.diff import summary

    changes = run(a, b, lab)
    counts, changed = summary(changes), changes[changes["change"] != "same"]
    if csv is not None:
        changes.to_csv(csv, index=False)
        terminal.err.print(f"{len(changes)} scenes written to {csv}", style="dim")
    if as_json:
        rows = {"summary": terminal.records(counts), "changes": terminal.records(changed)}
        terminal.print_json({"a": a, "b": b, **rows})
        return
    terminal.print_frame(f"From {a} to {b}", counts)
    if len(changed):
        terminal.print_frame("What changed", _readable(changed), limit=30)


def _readable(changed: pd.DataFrame) -> pd.DataFrame:
    place = changed["task"] + "/" + changed["dataset"] + "/" + changed["scene"]
    columns = ["method_a", "method_b", "margin_a", "margin_b", "stability_a", "stability_b"]
    told = [c for c in columns if not c.startswith("stability") or changed[c].notna().any()]
    return changed.assign(scene=place)[["scene", *told, "reason", "detail"]]


def _write_report(
    lab: Place, labels: str | None, folder: Path, workers: int | None, as_json: bool
) -> None:
    from fusionlab.audit import write_report

    with terminal.progress("report") as advance:
        report = write_report(lab, folder, labels, workers=workers, on_progress=advance)
    if as_json:
        terminal.print_json(report.as_dict())
    else:
        terminal.print_facts(report.as_dict().items())


def _winners(wins: pd.DataFrame) -> pd.DataFrame:
    return wins[wins["wins"] > 0]

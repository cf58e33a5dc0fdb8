"""What people decide: override a label, list what was decided, review in a browser."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fusionlab import terminal
from fusionlab.cli.options import JsonOption, LabelsOption, LabOption
from fusionlab.errors import UsageError

if TYPE_CHECKING:
    import pandas as pd

    from fusionlab.lab import Lab
    from fusionlab.overrides import Verdict

ByOption = Annotated[
    str | None, typer.Option("--by", envvar="USER", help="The name of whoever decides.")
]


def override(
    scene: Annotated[str, typer.Argument(help="A scene: NAME, DATASET/NAME or TASK/DATASET/NAME.")],
    because: Annotated[str, typer.Option("--because", help="Why; kept with the decision.")],
    method: Annotated[
        str | None, typer.Argument(help="The candidate that is to be the label.")
    ] = None,
    lab: LabOption = Path("lab"),
    by: ByOption = None,
    accept: Annotated[
        bool, typer.Option("--accept", help="Confirm the label that the manifest has.")
    ] = False,
    veto: Annotated[bool, typer.Option("--veto", help="No candidate is good enough.")] = False,
    withdraw: Annotated[
        bool, typer.Option("--withdraw", help="Leave the scene to the policy again.")
    ] = False,
    labels: LabelsOption = None,
    dry_run: Annotated[bool, typer.Option(help="Check, but write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Overrule the policy on one scene, from the next selection on, whatever the policy.

    Name a METHOD, or one of --accept, --veto, --withdraw. Nothing is lost: a later decision stands
    beside the earlier ones, and counts.

    Example: fusionlab override carLight GFF --because 'no halo around the lamps' --lab lab
    """
    from fusionlab.lab import Lab
    from fusionlab.overrides import decide, locate

    given = [name for name, on in _flags(accept, veto, withdraw).items() if on]
    if len(given) + (method is not None) != 1:
        raise UsageError("say one thing: a METHOD, --accept, --veto or --withdraw")
    opened = Lab.open(lab)
    place = locate(opened, scene)
    verdict: Verdict = given[0] if given else "choose"
    if verdict == "accept":
        method = _label(opened, scene, labels)
    made = decide(
        opened, place, verdict, method or "", by=by or "", because=because, dry_run=dry_run
    )
    if as_json:
        terminal.print_json(made.as_dict())
        return
    terminal.print_facts(made.as_dict().items())
    if not dry_run:
        terminal.err.print(
            f"applied by the next: fusionlab select --lab {shlex.quote(str(lab))} --name NAME",
            style="dim",
        )


def overrides(
    lab: LabOption = Path("lab"),
    history: Annotated[
        bool, typer.Option("--history", help="Every decision, also those that no longer count.")
    ] = False,
    csv: Annotated[Path | None, typer.Option(help="Write them to this file as CSV.")] = None,
    as_json: JsonOption = False,
) -> None:
    """List what people decided, and which decisions cannot be applied any more.

    Example: fusionlab overrides --lab lab --history
    """
    from fusionlab.lab import Lab
    from fusionlab.overrides import listing

    frame = listing(Lab.open(lab), history=history)
    if csv is not None:
        frame.to_csv(csv, index=False)
        terminal.err.print(f"{len(frame)} decisions written to {csv}", style="dim")
    if as_json:
        terminal.print_json(terminal.records(frame))
    else:
        terminal.print_frame("Decisions of people", _readable(frame))


def review(
    lab: LabOption = Path("lab"),
    labels: LabelsOption = None,
    by: ByOption = None,
    port: Annotated[
        int, typer.Option(min=0, max=65535, help="Port of 127.0.0.1; 0 is any free one.")
    ] = 8765,
    no_browser: Annotated[
        bool, typer.Option("--no-browser", help="Print the address only, and open nothing.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Review labels in a browser, by keyboard, the least certain first.

    Every decision is saved at once, as fusionlab override would. The pages are served to this
    machine alone, until Ctrl-C. Press ? in the browser for the keys.

    Example: fusionlab review --lab lab --labels first
    """
    from fusionlab.lab import Lab
    from fusionlab.review import review as run
    from fusionlab.selection import shipped_policies

    def ready(address: str, scenes: int, done: int) -> None:
        terminal.err.print(f"{scenes} scenes, {done} of them reviewed; Ctrl-C ends", style="dim")
        terminal.err.print(address, soft_wrap=True, highlight=False, markup=False)

    report = run(
        Lab.open(lab), labels, by=by or "", port=port, browser=not no_browser, on_ready=ready
    )
    if as_json:
        terminal.print_json(report.as_dict())
        return
    terminal.print_facts(report.as_dict().items())
    policy = report.policy if report.policy in shipped_policies() else "POLICY.yaml"
    names = (str(lab), policy, report.labels)
    quoted = [shlex.quote(name) for name in names]
    terminal.err.print(
        "next: fusionlab select --lab {} --policy {} --name {}".format(*quoted), style="dim"
    )


def _flags(accept: bool, veto: bool, withdraw: bool) -> dict[Verdict, bool]:
    return {"accept": accept, "veto": veto, "withdraw": withdraw}


def _label(lab: Lab, scene: str, labels: str | None) -> str:
    """Return the method that is to be accepted."""
    from fusionlab.audit.frames import open_labels
    from fusionlab.overrides import label_of, locate

    _, name, chosen = open_labels(lab, labels)
    method = label_of(chosen, locate(lab, scene))
    if not method:
        raise UsageError(f"labels {name!r} have none for scene {scene!r}: nothing to accept")
    return method


def _readable(frame: pd.DataFrame) -> pd.DataFrame:
    place = frame["task"] + "/" + frame["dataset"] + "/" + frame["scene"]
    columns = ["verdict", "method", "by", "because", "at", "outdated"]
    return frame[columns].assign(scene=place)[["scene", *columns]]

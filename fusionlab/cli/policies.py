"""Policies: list them, explain one, fit one to a truth."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.cli.options import DatasetOption, JsonOption, LabOption

policies = typer.Typer(rich_markup_mode="rich")


@policies.callback(invoke_without_command=True)
def list_all(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """List the shipped selection policies and their weights; explain one; fit one to a truth.

    Example: fusionlab policies show fusionfm
    """
    if ctx.invoked_subcommand is not None:
        return
    from fusionlab.selection import shipped_policies

    shipped = shipped_policies()
    if as_json:
        terminal.print_json([{**p.model_dump(), "digest": p.digest} for p in shipped.values()])
        return
    for policy in shipped.values():
        terminal.out.print(f"[bold]{policy.name}[/] v{policy.version}: {policy.description}")
        terminal.print_facts([("normalise", policy.normalise), *policy.weights.items()])


@policies.command()
def show(
    name: Annotated[
        str,
        typer.Argument(autocompletion=completion.policies, help="A shipped policy or a YAML file."),
    ],
    as_json: JsonOption = False,
) -> None:
    """Say in words what a policy does.

    Example: fusionlab policies show fusionfm
    """
    from fusionlab.selection import load_policy
    from fusionlab.selection.explain import explain

    policy = load_policy(name)
    sentences = list(explain(policy))
    if as_json:
        content = {**policy.model_dump(), "digest": policy.digest, "explained": sentences}
        terminal.print_json(content)
        return
    terminal.out.print(f"[bold]{policy.name}[/] v{policy.version}: {policy.description}")
    for sentence in sentences:
        terminal.out.print(f"- {sentence}", highlight=False)


@policies.command()
def fit(
    task: Annotated[
        str,
        typer.Option(autocompletion=completion.tasks, help="The task whose weights are fitted."),
    ],
    out: Annotated[Path, typer.Option(help="YAML file to write the fitted policy to.")],
    lab: LabOption = Path("lab"),
    policy: Annotated[
        str,
        typer.Option(
            autocompletion=completion.policies,
            help="The policy whose metrics get new weights; all else stays.",
        ),
    ] = "robust",
    truth: Annotated[
        str | None, typer.Option(help="opinion or reference, where the lab has both.")
    ] = None,
    dataset: DatasetOption = None,
    goal: Annotated[
        str, typer.Option(help="What is made best: regret, or spearman, the order of all.")
    ] = "regret",
    as_json: JsonOption = False,
) -> None:
    """Fit a policy's weights to opinions or references, and say whether that was worth it.

    The weights lie on a coarse grid and are drawn back towards equal ones. What is reported comes
    from scenes that were left out of the fit: fitting, choice of how far to draw back, and all.
    Mostly equal weights are as good; a warning says so. The file's description holds the evidence.

    Example: fusionlab policies fit --lab lab --task mff --out mine.yaml
    """
    from fusionlab.errors import UnknownNameError
    from fusionlab.lab import Lab
    from fusionlab.selection import load_policy
    from fusionlab.selection.writing import check_out, write_policy
    from fusionlab.tasks import get_task
    from fusionlab.validation.fitting import fit_policy, verdict
    from fusionlab.validation.truths import TRUTHS

    if truth is not None and truth not in TRUTHS:
        raise UnknownNameError("truth", truth, TRUTHS, "--truth")
    check_out(out)
    opened, base = Lab.open(lab), load_policy(policy)
    get_task(task, "--task")
    made, found, name = fit_policy(opened, base, task, truth=truth, dataset=dataset, goal=goal)
    write_policy(made, out)
    if as_json:
        terminal.print_json({"policy": made.model_dump(), "path": str(out), **asdict(found)})
    else:
        terminal.print_facts(_facts(made.weights[task], found, name, out))
    if not found.beats_equal:
        terminal.err.print(f"warning: {verdict(found, name)}", style="yellow", highlight=False)


@policies.command()
def population(
    out: Annotated[Path, typer.Option(help="YAML file to write the policy to.")],
    lab: LabOption = Path("lab"),
    policy: Annotated[
        str,
        typer.Option(
            autocompletion=completion.policies,
            help="The policy whose scores are to be placed; all else stays.",
        ),
    ] = "robust",
    as_json: JsonOption = False,
) -> None:
    """Write a policy that judges a score by its place among all candidates of a lab.

    Other normalisations look at the candidates of one scene, so that who else is there matters.
    This one does not: take a lab with many methods and scenes as the reference population.

    Example: fusionlab policies population --lab lab --out mine.yaml
    """
    from fusionlab.lab import Lab
    from fusionlab.selection import load_policy
    from fusionlab.selection.population import with_population
    from fusionlab.selection.writing import check_out, write_policy

    check_out(out)
    made = with_population(Lab.open(lab), load_policy(policy))
    write_policy(made, out)
    if as_json:
        terminal.print_json({"policy": made.model_dump(), "path": str(out)})
    else:
        terminal.print_facts([("policy", made.name), *made.weights.items(), ("written", str(out))])


def _facts(weights: dict[str, float], found: Any, name: str, out: Path) -> list[tuple[str, Any]]:
    return [
        ("weights", weights),
        ("drawn back", f"{found.shrink:.0%} of the way to equal weights"),
        (f"regret by {name}", f"{found.fitted}, on scenes left out"),
        ("equal weights", str(found.equal)),
        ("difference", str(found.difference)),
        ("on the scenes fitted to", f"{found.seen:.3g}, which flatters"),
        ("scenes", f"{found.scenes}, left out in {found.groups} groups"),
        ("written", str(out)),
    ]

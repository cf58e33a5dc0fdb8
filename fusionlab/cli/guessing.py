"""Where there is no manifest yet: guess one from the files."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.cli.options import JsonOption
from fusionlab.errors import UsageError


def init(
    folder: Annotated[
        Path, typer.Argument(metavar="DIR", help="A folder of images, or a zip or tar archive.")
    ],
    out: Annotated[
        Path | None, typer.Option(help="The manifest to write; by default NAME.yaml here.")
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            autocompletion=completion.tasks, help="ivf, mif, mef or mff, where names do not say it."
        ),
    ] = None,
    name: Annotated[
        str | None, typer.Option(help="Name of the data set; by default the folder's.")
    ] = None,
    each: Annotated[
        bool,
        typer.Option(
            "--each",
            help="Of a folder that holds several data sets, write a manifest for each that has "
            "none yet into the folder --out, by default manifests.",
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the manifest.")] = False,
    dry_run: Annotated[bool, typer.Option(help="Guess and explain; write nothing.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Look at a folder, guess which file is what, and write the manifest.

    Public benchmarks in their usual layout are recognised. Else the names of folders and files
    tell sources, outputs of methods and truths apart, and content has a second opinion. The
    manifest is tried before it is written: what it covers, and what is left over, is shown.
    Nothing is changed in the folder.

    Example: fusionlab init ~/data/my_pairs --out my_pairs.yaml

    Example: fusionlab init ~/data --each --out manifests
    """
    if each:
        if name is not None:
            raise UsageError("--name names one data set; with --each their folders name them")
        _init_each(folder, out or Path("manifests"), task, force, dry_run, as_json)
        return
    from fusionlab.guessing import guess_manifest, write_guess
    from fusionlab.guessing.explain import as_dict, facts, rows

    guess = guess_manifest(folder, task, name)
    path = out or Path(f"{guess.content['dataset']}.yaml")
    if not dry_run:
        write_guess(guess, path, force=force)
    if as_json:
        terminal.print_json({**as_dict(guess), "file": None if dry_run else str(path)})
        return
    import pandas as pd

    terminal.print_frame(f"What {folder} holds", pd.DataFrame(rows(guess)))
    terminal.print_facts(facts(guess))
    if dry_run:
        terminal.err.print(f"not written; without --dry-run: {path}", style="dim")
        return
    following = f"fusionlab ingest {shlex.quote(str(path))} --lab lab"
    terminal.err.print(f"written: {path}; next: {following}", style="dim", highlight=False)


def _init_each(
    folder: Path, out: Path, task: str | None, force: bool, dry_run: bool, as_json: bool
) -> None:
    """Write the manifests of all data sets of a folder; exit with 1 where one has none."""
    from fusionlab.guessing import guess_each, write_guess
    from fusionlab.guessing.explain import as_line, line_of

    with terminal.progress("init") as advance:
        found = guess_each(folder, task, advance)
    lines, documents = [], []
    for one in found:
        state, file = "", None
        if one.guess is not None:
            path = out / f"{one.guess.content['dataset']}.yaml"
            state = "not written" if dry_run else "kept" if path.exists() and not force else ""
            if not state:
                write_guess(one.guess, path, force=force)
            file = None if dry_run else path
        lines.append(line_of(one, file, state))
        documents.append(as_line(one, file, state))
    if as_json:
        terminal.print_json(documents)
    else:
        import pandas as pd

        terminal.print_frame(f"Data sets of {folder}", pd.DataFrame(lines))
        if not dry_run:
            terminal.err.print(f"next: fusionlab ingest {out} --lab lab", style="dim")
    if any(one.guess is None for one in found):
        raise typer.Exit(1)

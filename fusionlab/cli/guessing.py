"""Where there is no manifest yet: guess one from the files."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from fusionlab import terminal
from fusionlab.cli import completion
from fusionlab.cli.options import JsonOption


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
    """
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

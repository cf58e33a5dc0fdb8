"""A guess as a commented YAML file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from fusionlab.atomic import atomic_write_bytes
from fusionlab.errors import UsageError

if TYPE_CHECKING:
    from fusionlab.guessing.guess import Guess, Part


def write_guess(guess: Guess, path: Path, *, force: bool = False) -> None:
    """Write the manifest of a guess.

    Raises
    ------
    UsageError
        When the file is there already, and `force` does not allow to replace it.
    """
    if path.exists() and not force:
        raise UsageError(f"{path}: is there already; give --out FILE, or --force to replace it")
    atomic_write_bytes(path, manifest_text(guess, path).encode("utf-8"))


def manifest_text(guess: Guess, path: Path) -> str:
    """Return the manifest as YAML, for a file at `path`: every part with its reason."""
    tried = guess.tried
    lines = [
        f"# Written by fusionlab init; the guess is {guess.sureness}. Look it over first.",
        f"# By name: {tried.scenes} scenes, {len(tried.methods)} methods, {tried.files} files.",
        *(f"# {_line(note)}" for note in guess.notes),
    ]
    reasons = {text: part for part in guess.parts for text in part.patterns}
    content = {**guess.content, "root": root_for(guess.root, path)}
    keys = ["task", "dataset", "root"]
    for key in (*keys, *(key for key in content if key not in keys)):
        lines += _key(key, content[key], reasons)
    return "\n".join(lines) + "\n"


def root_for(root: Path, path: Path) -> str:
    """Return the root as the manifest writes it: relative where it lies below the manifest."""
    target, folder = root.resolve(), path.resolve().parent
    if target.is_relative_to(folder):
        return Path(os.path.relpath(target, folder)).as_posix()
    return str(target)


def _key(key: str, value: Any, reasons: dict[str, Part]) -> list[str]:
    texts = value.values() if isinstance(value, dict) else [value]
    patterns = [text for listed in texts if isinstance(listed, list) for text in listed]
    said = dict.fromkeys(_reason(reasons[text]) for text in patterns if text in reasons)
    short = _short(value)
    dumped = yaml.safe_dump({key: short}, sort_keys=False, width=1000, allow_unicode=True)
    return [*(f"# {_line(reason)}" for reason in said), dumped.rstrip("\n")]


def _reason(part: Part) -> str:
    return f"{part.taken_for}: {part.why}"


def _short(value: Any) -> Any:
    """Write a list of one pattern as that pattern, where a manifest may."""
    if isinstance(value, dict):
        return {name: _short(inner) for name, inner in value.items()}
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _line(text: str) -> str:
    """Return text that cannot end the comment that it stands in."""
    return " ".join(text.split())

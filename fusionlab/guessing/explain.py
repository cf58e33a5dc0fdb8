"""A guess in rows and in words, for the terminal and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from fusionlab.guessing.each import Found
    from fusionlab.guessing.guess import Guess, Part


_LINE = ("task", "scenes", "methods", "left over", "guess")


def rows(guess: Guess) -> list[dict[str, str]]:
    """Return what each pattern was taken for, how many scenes it covers, and why."""
    return [
        {
            "pattern": "\n".join(part.patterns),
            "taken for": part.taken_for,
            "scenes": _coverage(guess, part),
            "why": part.why,
        }
        for part in guess.parts
    ]


def _coverage(guess: Guess, part: Part) -> str:
    tried = guess.tried
    kind, _, name = part.taken_for.partition(" ")
    if kind == "source":
        return str(tried.sources[name])
    if kind == "truth":
        return str(tried.truths)
    if kind == "methods" and tried.methods:
        least, most = min(tried.methods.values()), max(tried.methods.values())
        span = str(most) if least == most else f"{least} to {most}"
        return f"{span} of {len(tried.methods)} methods"
    return ""


def facts(guess: Guess) -> list[tuple[str, Any]]:
    """Return the facts below the table: name and value."""
    tried = guess.tried
    unreadable = [f"{path} ({why})" for path, why in guess.unreadable.items()]
    return [
        ("task", guess.content["task"]),
        ("dataset", guess.content["dataset"]),
        ("scenes", tried.scenes),
        ("files", tried.files),
        ("left over", tried.rejected),
        ("for example", list(tried.examples)),
        ("unreadable", len(unreadable)),
        ("for example ", unreadable[:3]),
        ("guess", guess.sureness),
        *(("note" if number == 0 else "", note) for number, note in enumerate(guess.notes)),
    ]


def line_of(found: Found, file: Path | None, state: str) -> dict[str, str]:
    """Return one data set of several in one row; `state` says what became of its manifest."""
    guess, line = found.guess, {"folder": found.root.name}
    if guess is None:
        return {**line, **dict.fromkeys(_LINE, ""), "manifest": found.problem}
    tried = guess.tried
    left = sum(tried.rejected.values())
    facts = (guess.content["task"], tried.scenes, len(tried.methods), left, guess.sureness)
    written = " ".join(filter(None, [str(file or ""), f"({state})" if state else ""]))
    return {**line, **dict(zip(_LINE, map(str, facts), strict=True)), "manifest": written}


def as_line(found: Found, file: Path | None, state: str) -> dict[str, Any]:
    """Return all of the same for JSON."""
    guess = found.guess
    known = {"problem": found.problem} if guess is None else as_dict(guess)
    return {"root": str(found.root), **known, "file": file and str(file), "state": state}


def as_dict(guess: Guess) -> dict[str, Any]:
    """Return all of a guess for JSON."""
    tried = guess.tried
    return {
        "task": guess.content["task"],
        "dataset": guess.content["dataset"],
        "guess": guess.sureness,
        "manifest": guess.content,
        "parts": [
            {"patterns": list(p.patterns), "taken_for": p.taken_for, "why": p.why}
            for p in guess.parts
        ],
        "notes": list(guess.notes),
        "scenes": tried.scenes,
        "files": tried.files,
        "sources": tried.sources,
        "methods": tried.methods,
        "truths": tried.truths,
        "rejected": tried.rejected,
        "rejected_examples": list(tried.examples),
        "unreadable": guess.unreadable,
    }

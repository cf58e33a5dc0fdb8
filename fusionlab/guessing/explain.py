"""A guess in rows and in words, for the terminal and for programs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from fusionlab.guessing.guess import Guess, Part


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

"""What a fusion method is, and what it may be called."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from fusionlab.colour import Plane
from fusionlab.tasks import TASKS

Fuse = Callable[[Sequence[Plane]], Plane]
EVERY_TASK = tuple(TASKS)

#: A name stands in tables, paths, lists with commas and on the command line.
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,99}")


@dataclass(frozen=True, slots=True)
class Baseline:
    """One fusion method that is a function.

    Attributes
    ----------
    name : the name on the command line and in tables.
    title : what it does, in a few words.
    tasks : keys of the tasks it serves.
    paper : where it comes from.
    fuse : luminances, float64 (H, W) in 0..255, two or more -> float64 (H, W), not yet clipped.
    native_colour : `fuse` treats colour by itself: where a source has a hue it is given all
        sources as RGB, float64 (H, W, 3), and returns that shape.
    symmetric : the order of the sources changes nothing but where the colour comes from.
    version : raised whenever its results change: what was made before is then made again.
    """

    name: str
    title: str
    tasks: tuple[str, ...]
    paper: str
    fuse: Fuse
    native_colour: bool = False
    symmetric: bool = True
    version: int = 1


def name_fault(name: object) -> str | None:
    """Return what is wrong with the name of a method, or None."""
    if isinstance(name, str) and _NAME.fullmatch(name):
        return None
    return (
        f"the method name {name!r} is not one of letters, digits, '_', '.', '+' and '-' that "
        "begins with a letter or digit"
    )


def tasks_fault(tasks: object) -> str | None:
    """Return what is wrong with the tasks that a method says it serves, or None."""
    if isinstance(tasks, tuple | list) and tasks and set(tasks) <= set(TASKS):
        return None
    return f"the tasks {tasks!r} are not some of {', '.join(TASKS)}"

r"""Which scenes to learn from, and which to judge progress by.

.. math:: u(g) = \mathrm{SHA256}(g)_{0..63} / 2^{64}

A scene of group `g` is for validation where :math:`u(g)` is below the share. So another scene in
the lab moves none of the others, unless a task has so few that one part would be empty, and
near-duplicates, being one group, stay together.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

from fusionlab.errors import UnknownNameError, UsageError
from fusionlab.tasks import get_task
from fusionlab.training.curated import group_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from fusionlab.training.curated import Curated, Example

SHARE = 0.1

_KINDS = {1: "task", 2: "data set", 3: "scene"}


def split(
    curated: Curated, share: float = SHARE, exclude: Sequence[str] = ()
) -> tuple[Curated, Curated]:
    """Return the scenes to learn from and those for validation; neither has what is excluded.

    A task in which no group falls to validation gives it the one of the least `u`, and one in
    which all do keeps the one of the largest: a task of two groups or more is in both parts. A task
    of one group is learned from only.

    Parameters
    ----------
    share : of the scenes that go to validation, on average; 0 is none at all.
    exclude : tasks, data sets and scenes, as ``ivf``, ``ivf/vifb`` and ``ivf/vifb/01``. What nearly
        equals an excluded scene is left out too.

    Raises
    ------
    UsageError
        When the share cannot be, or nothing is left to learn from.
    UnknownNameError
        When `exclude` names what is not there, of a task that is.
    """
    if not 0 <= share < 1:
        raise UsageError(f"share of scenes for validation {share}: must be 0 or more and below 1")
    kept = _without(curated, exclude)
    if not kept:
        raise UsageError(
            f"labels {curated.labels!r}: all {len(curated)} scenes are excluded, none is left to "
            "learn from; exclude fewer"
        )
    held: set[str] = set()
    for task in curated.tasks() if share else ():
        held |= _held_out({group_of(e) for e in kept if e.task == task}, share)
    judged = [e.place for e in kept if group_of(e) in held]
    learned = [e.place for e in kept if group_of(e) not in held]
    return curated.only(learned), curated.only(judged)


def position(group: str) -> float:
    """Return `u` of a group, evenly spread over 0..1."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[:8], "big") / 2**64


def _held_out(groups: Iterable[str], share: float) -> set[str]:
    ordered = sorted(groups, key=lambda group: (position(group), group))
    if len(ordered) < 2:
        return set()
    below = sum(position(group) < share for group in ordered)
    return set(ordered[: min(max(below, 1), len(ordered) - 1)])


def _without(curated: Curated, exclude: Sequence[str]) -> list[Example]:
    """Return the examples that are not excluded, nor nearly equal to one that is."""
    tasks, gone = curated.tasks(), set()
    for name in exclude:
        task = get_task(name.partition("/")[0], "excluded from training").key
        depth = name.count("/") + 1
        known = {e.place: "/".join(e.place.split("/")[:depth]) for e in curated.examples}
        if task in tasks and name not in known.values():
            beside = [k for k in known.values() if k.rpartition("/")[0] == name.rpartition("/")[0]]
            raise UnknownNameError(_KINDS[min(depth, 3)], name, set(beside or known.values()))
        gone |= {group_of(e) for e in curated.examples if known[e.place] == name}
    return [e for e in curated.examples if group_of(e) not in gone]

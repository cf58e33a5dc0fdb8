"""Tasks, data sets and scenes as people name them: ``ivf``, ``ivf/vifb``, ``ivf/vifb/01``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionlab.errors import UnknownNameError
from fusionlab.tasks import get_task

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

_KINDS = ("task", "data set", "scene")


def named_places(names: Iterable[str], places: Collection[str], what: str) -> set[str]:
    """Return the scenes that some names mean.

    Parameters
    ----------
    places : of all scenes that there are.
    what : the names are, for a message.

    Raises
    ------
    UnknownNameError
        For a task that does not exist, and for a name that is not there, of a task that is.
    """
    tasks, found = {place.partition("/")[0] for place in places}, set()
    for name in names:
        task = get_task(name.partition("/")[0], what).key
        depth = name.count("/") + 1
        known = {place: "/".join(place.split("/", len(_KINDS) - 1)[:depth]) for place in places}
        mine = {place for place, short in known.items() if short == name}
        if task in tasks and not mine:
            above = name.rpartition("/")[0]
            beside = {short for short in known.values() if short.rpartition("/")[0] == above}
            kind = _KINDS[min(depth, len(_KINDS)) - 1]
            raise UnknownNameError(kind, name, beside or set(known.values()), what)
        found |= mine
    return found

"""What other packages offer by entry points: metrics, fusion methods.

What cannot be loaded, or must not be taken, is left out with a warning that names the distribution;
everything else works on.
"""

from __future__ import annotations

import warnings
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from importlib.metadata import EntryPoint

#: Who owns what FusionLab itself brings, in messages.
OURS = "FusionLab"


class PluginWarning(UserWarning):
    """A plug-in of which something was left out."""


def offers(group: str, kind: str, fault: Callable[[Any], str | None]) -> Iterator[tuple[str, Any]]:
    """Yield what the entry points of a group offer, by their names: owner and thing.

    An entry point gives one thing, or a list of them; of a list with a wrong one all are left out.

    Parameters
    ----------
    group : of the entry points, e.g. ``"fusionlab.metrics"``.
    kind : what is offered, in the plural, for warnings.
    fault : says what is wrong with one thing, or None.
    """
    for point in sorted(entry_points(group=group), key=lambda p: (p.name, p.value)):
        owner = _owner(point)
        try:
            offered = point.load()
        except Exception as error:  # noqa: BLE001  other people's code: it must not stop ours
            leave_out(kind, owner, f"{point.value} does not load: {error!r}")
            continue
        things = tuple(offered) if isinstance(offered, list | tuple) else (offered,)
        wrong = next((found for thing in things if (found := fault(thing)) is not None), None)
        if wrong is not None:
            leave_out(kind, owner, f"{point.value}: {wrong}")
            continue
        yield from ((owner, thing) for thing in things)


def leave_out(kind: str, owner: str, what: str) -> None:
    """Warn that something of a distribution is not used, and why."""
    warnings.warn(
        f"{kind} plug-in of {owner} is left out: {what}; update or uninstall it",
        PluginWarning,
        stacklevel=2,
    )


def _owner(point: EntryPoint) -> str:
    """Return the distribution of an entry point, for messages."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"

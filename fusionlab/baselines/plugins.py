"""Fusion methods of other packages, found by their entry points.

A distribution offers a `Baseline`, or a list of them, in the group ``fusionlab.methods``::

    [project.entry-points."fusionlab.methods"]
    my_fusion = "my_package.fusion:METHOD"

What cannot be loaded, or takes a name that is taken, is left out with a warning
(`fusionlab.plugins`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionlab.baselines.base import Baseline, name_fault, tasks_fault
from fusionlab.plugins import OURS, leave_out, offers

if TYPE_CHECKING:
    from collections.abc import Iterable

GROUP = "fusionlab.methods"
_KIND = "methods"


def load(ours: Iterable[str]) -> dict[str, Baseline]:
    """Return the methods of all installed plug-ins by name, in the order of their entry points.

    Parameters
    ----------
    ours : the names that are taken already.
    """
    owners = dict.fromkeys(ours, OURS)
    found: dict[str, Baseline] = {}
    for owner, method in offers(GROUP, _KIND, _fault):
        if method.name in owners:
            taken = f"the name {method.name!r} is taken by {owners[method.name]}"
            leave_out(_KIND, owner, taken)
            continue
        owners[method.name] = owner
        found[method.name] = method
    return found


def _fault(method: Any) -> str | None:
    """Return what is wrong with what an entry point offers."""
    if not isinstance(method, Baseline):
        return f"is a {type(method).__name__}, not a baselines.Baseline"
    if fault := name_fault(method.name) or tasks_fault(method.tasks):
        return fault
    return None if callable(method.fuse) else f"the 'fuse' of {method.name!r} is no function"

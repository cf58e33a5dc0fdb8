"""Metrics of other packages, found by their entry points.

A distribution offers a `Family`, or a list of them, in the group ``fusionlab.metrics``::

    [project.entry-points."fusionlab.metrics"]
    sharpness = "my_package.sharpness:FAMILY"

What cannot be loaded, or takes a name that is taken, is left out with a warning
(`fusionlab.plugins`). `fusionlab.testing.check_metric` says whether a metric keeps the rules that
ours keep.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionlab.metrics.base import Family, Metric
from fusionlab.metrics.iqa import PREFIX
from fusionlab.plugins import OURS, PluginWarning, leave_out, offers

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["GROUP", "PluginWarning", "load"]

GROUP = "fusionlab.metrics"
_KIND = "metrics"


def load(ours: Sequence[Family[Any]]) -> tuple[Family[Any], ...]:
    """Return the families of all installed plug-ins, by the name of their entry points.

    Parameters
    ----------
    ours : the families whose names are taken already.
    """
    owners = {metric.name: OURS for family in ours for metric in family.metrics}
    taken = {family.name: OURS for family in ours}
    found: list[Family[Any]] = []
    for owner, family in offers(GROUP, _KIND, _fault):
        clash = _clash(family, owners, taken)
        if clash:
            leave_out(_KIND, owner, f"family {family.name!r}: {clash}")
            continue
        owners |= dict.fromkeys((metric.name for metric in family.metrics), owner)
        taken[family.name] = owner
        found.append(family)
    return tuple(found)


def _fault(family: Any) -> str | None:
    """Return what is wrong with what an entry point offers."""
    if not isinstance(family, Family):
        return f"is a {type(family).__name__}, not a metrics.Family"
    if not family.metrics or not all(isinstance(m, Metric) for m in family.metrics):
        return f"family {family.name!r} declares no metrics, or not as metrics.Metric"
    return None


def _clash(family: Family[Any], owners: dict[str, str], taken: dict[str, str]) -> str | None:
    if family.name in taken:
        return f"{taken[family.name]} has a family of this name"
    named = [metric.name for metric in family.metrics]
    for name in named:
        if name in owners:
            return f"the metric name {name!r} is taken by {owners[name]}"
        if named.count(name) > 1:
            return f"it declares the metric {name!r} twice"
        if name.startswith(PREFIX):
            return f"the metric name {name!r} begins with {PREFIX!r}, which is pyiqa's"
    return None

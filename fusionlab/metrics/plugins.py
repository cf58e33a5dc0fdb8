"""Metrics of other packages, found by their entry points.

A distribution offers a `Family`, or a list of them, in the group ``fusionlab.metrics``::

    [project.entry-points."fusionlab.metrics"]
    sharpness = "my_package.sharpness:FAMILY"

What cannot be loaded, or takes a name that is taken, is left out with a warning that names the
distribution; everything else works on. `fusionlab.testing.check_metric` says whether a metric keeps
the rules that ours keep.
"""

from __future__ import annotations

import warnings
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from fusionlab.metrics.base import Family, Metric
from fusionlab.metrics.iqa import PREFIX

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from importlib.metadata import EntryPoint

GROUP = "fusionlab.metrics"


class PluginWarning(UserWarning):
    """A plug-in whose metrics were left out."""


def load(ours: Sequence[Family[Any]]) -> tuple[Family[Any], ...]:
    """Return the families of all installed plug-ins, by the name of their entry points.

    Parameters
    ----------
    ours : the families whose names are taken already.
    """
    owners = {metric.name: "FusionLab" for family in ours for metric in family.metrics}
    taken = {family.name: "FusionLab" for family in ours}
    found: list[Family[Any]] = []
    for point in sorted(entry_points(group=GROUP), key=lambda p: (p.name, p.value)):
        owner = _owner(point)
        for family in _families(point, owner):
            clash = _clash(family, owners, taken)
            if clash:
                _warn(owner, f"family {family.name!r}: {clash}")
                continue
            owners |= dict.fromkeys((metric.name for metric in family.metrics), owner)
            taken[family.name] = owner
            found.append(family)
    return tuple(found)


def _families(point: EntryPoint, owner: str) -> Iterable[Family[Any]]:
    """Return what one entry point offers; nothing, and a warning, if it is broken."""
    try:
        offered = point.load()
    except Exception as error:  # noqa: BLE001  other people's code: it must not stop ours
        _warn(owner, f"{point.value} does not load: {error!r}")
        return ()
    families = tuple(offered) if isinstance(offered, list | tuple) else (offered,)
    for family in families:
        if not isinstance(family, Family):
            _warn(owner, f"{point.value} is a {type(family).__name__}, not a metrics.Family")
            return ()
        if not family.metrics or not all(isinstance(m, Metric) for m in family.metrics):
            _warn(owner, f"family {family.name!r} declares no metrics, or not as metrics.Metric")
            return ()
    return families


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


def _owner(point: EntryPoint) -> str:
    """Return the distribution of an entry point, for messages."""
    return f"{point.dist.name} {point.dist.version}" if point.dist else "an unknown distribution"


def _warn(owner: str, what: str) -> None:
    warnings.warn(
        f"metrics plug-in of {owner} is left out: {what}; update or uninstall it",
        PluginWarning,
        stacklevel=2,
    )

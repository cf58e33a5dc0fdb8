"""The table of metric families: the one place that says which metrics exist."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionlab.errors import UnknownNameError
from fusionlab.metrics import (
    correlation,
    fmi,
    gradient,
    histogram,
    information,
    locality,
    nabf,
    perceptual,
    phase,
    qabf,
    qg,
    structure,
    vif,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.metrics.base import Family, Metric

FAMILIES: tuple[Family[Any], ...] = (
    histogram.FAMILY,
    correlation.FAMILY,
    gradient.FAMILY,
    structure.FAMILY,
    qabf.FAMILY,
    vif.FAMILY,
    nabf.FAMILY,
    perceptual.FAMILY,
    fmi.FAMILY,
    information.FAMILY,
    qg.FAMILY,
    locality.FAMILY,
    phase.FAMILY,
)

_METRICS: dict[str, tuple[Metric, Family[Any]]] = {
    metric.name: (metric, family) for family in FAMILIES for metric in family.metrics
}


def names() -> list[str]:
    """Return the name of every metric, family by family."""
    return list(_METRICS)


def get(name: str) -> Metric:
    """Return the declaration of one metric.

    Raises
    ------
    UnknownNameError
        If there is no such metric; the message names the nearest one.
    """
    if name not in _METRICS:
        raise UnknownNameError("metric", name, _METRICS)
    return _METRICS[name][0]


def resolve(metrics: Sequence[str]) -> tuple[Metric, ...]:
    """Return the declarations of `metrics` in their order, each once; a lone name will do."""
    wanted = [metrics] if isinstance(metrics, str) else metrics
    return tuple(get(name) for name in dict.fromkeys(wanted))


def family_of(name: str) -> Family[Any]:
    """Return the family that computes the metric `name`, which exists."""
    return _METRICS[name][1]

"""The table of metric families: the one place that says which metrics exist.

Ours come first, then those of installed plug-ins (`fusionlab.metrics.plugins`), which are looked
for on the first lookup of any name, then those of pyiqa (`fusionlab.metrics.iqa`), if it is there.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

from fusionlab.errors import UnknownNameError
from fusionlab.metrics import (
    as_run,
    correlation,
    explained,
    fmi,
    gradient,
    guards,
    histogram,
    information,
    iqa,
    locality,
    locally,
    mef_ssim,
    multiscale,
    nabf,
    overdone,
    perceptual,
    phase,
    plugins,
    qabf,
    qg,
    structure,
    vif,
    viff,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.metrics.base import Family, Metric

FAMILIES: tuple[Family[Any], ...] = (
    histogram.FAMILY,
    correlation.FAMILY,
    gradient.FAMILY,
    structure.FAMILY,
    multiscale.FAMILY,
    qabf.FAMILY,
    vif.FAMILY,
    viff.FAMILY,
    nabf.FAMILY,
    perceptual.FAMILY,
    fmi.FAMILY,
    information.FAMILY,
    qg.FAMILY,
    locality.FAMILY,
    phase.FAMILY,
    mef_ssim.FAMILY,
    locally.FAMILY,
    guards.FAMILY,
    overdone.FAMILY,
    explained.FAMILY,
    as_run.FAMILY,
)


@functools.cache
def _table() -> dict[str, tuple[Metric, Family[Any]]]:
    """Return every metric with its family, by name."""
    families = (*FAMILIES, *plugins.load(FAMILIES))
    return {metric.name: (metric, family) for family in families for metric in family.metrics}


def names() -> list[str]:
    """Return the name of every metric, family by family."""
    return [*_table(), *iqa.offered()]


def get(name: str) -> Metric:
    """Return the declaration of one metric.

    Raises
    ------
    UnknownNameError
        If there is no such metric; the message names the nearest one.
    MissingMetricError
        If it is one of pyiqa's, and pyiqa or its weights are not there.
    """
    return _find(name)[0]


def resolve(metrics: Sequence[str]) -> tuple[Metric, ...]:
    """Return the declarations of `metrics` in their order, each once; a lone name will do."""
    wanted = [metrics] if isinstance(metrics, str) else metrics
    return tuple(get(name) for name in dict.fromkeys(wanted))


def family_of(name: str) -> Family[Any]:
    """Return the family that computes the metric `name`, which exists."""
    return _find(name)[1]


def _find(name: str) -> tuple[Metric, Family[Any]]:
    if name.startswith(iqa.PREFIX):
        return iqa.find(name), iqa.FAMILY
    if name not in _table():
        raise UnknownNameError("metric", name, names())
    return _table()[name]

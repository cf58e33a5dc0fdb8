"""Fusion-quality metrics: exact, fast, and sharing over candidates what depends on the sources.

>>> from fusionlab.metrics import measure
>>> measure(infrared, visible, fused)                               # doctest: +SKIP
{'EN': 6.9, 'SD': 40.1, 'SSIM': 0.61, 'Qabf': 0.52, 'VIF': 0.8}
"""

from fusionlab.metrics.base import Family, Metric, Scene
from fusionlab.metrics.registry import get, names, resolve
from fusionlab.metrics.scene import (
    DEFAULT_METRICS,
    PreparedScene,
    measure,
    measure_many,
    prepare,
)

__all__ = [
    "DEFAULT_METRICS",
    "Family",
    "Metric",
    "PreparedScene",
    "Scene",
    "get",
    "measure",
    "measure_many",
    "names",
    "prepare",
    "resolve",
]

"""For those who write metrics: the conformance suite that FusionLab's own metrics pass.

>>> from fusionlab.testing import check_metric
>>> check_metric("Qabf")
"""

from fusionlab.testing.conformance import ConformanceError, check_metric

__all__ = ["ConformanceError", "check_metric"]

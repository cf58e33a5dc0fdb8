"""For those who write metrics or methods: the conformance suites that FusionLab's own pass.

>>> from fusionlab.testing import check_method, check_metric
>>> check_metric("Qabf")
>>> check_method("laplacian")
"""

from fusionlab.testing.conformance import ConformanceError, check_metric
from fusionlab.testing.methods import check_method

__all__ = ["ConformanceError", "check_method", "check_metric"]

"""Classical fusion methods: candidates for those who have none, and a floor to beat.

::

    from fusionlab import baselines

    baselines.names("mff")                            # the methods that serve a task
    fused = baselines.apply("laplacian", "mff", [near, far])
"""

from fusionlab.baselines.base import Baseline
from fusionlab.baselines.registry import BASELINES, apply, get, names, table

__all__ = ["BASELINES", "Baseline", "apply", "get", "names", "table"]

"""From scores to pseudo-labels: policies, normalisation, the choice."""

from fusionlab.selection.policy import Policy, load_policy, shipped_policies
from fusionlab.selection.select import SelectReport, select

__all__ = ["Policy", "SelectReport", "load_policy", "select", "shipped_policies"]

"""What stands in the way of FusionLab on this machine, and what to do about it."""

from fusionlab.doctor.findings import FAIL, OK, WARN, Finding, worst
from fusionlab.doctor.run import examine

__all__ = ["FAIL", "OK", "WARN", "Finding", "examine", "worst"]

"""Make candidates: run fusion methods over the scenes of a lab."""

from fusionlab.making.methods import choose_methods
from fusionlab.making.run import MakeReport, make, missing
from fusionlab.making.write import drop

__all__ = ["MakeReport", "choose_methods", "drop", "make", "missing"]

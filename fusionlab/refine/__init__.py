"""The Fusion Refiner: repairs a label where it lost something, and only there."""

from fusionlab.refine.damage import KINDS, Damage, Repair
from fusionlab.refine.gate import Verdict, gate
from fusionlab.refine.repair import repair
from fusionlab.refine.run import RefineReport, refine
from fusionlab.refine.small_maps import read_map
from fusionlab.refine.ways import WAYS, Way

__all__ = [
    "KINDS",
    "WAYS",
    "Damage",
    "RefineReport",
    "Repair",
    "Verdict",
    "Way",
    "gate",
    "read_map",
    "refine",
    "repair",
]

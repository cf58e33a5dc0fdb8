"""The Fusion Refiner: repairs a label where it lost something, and only there."""

from fusionlab.refine.damage import KINDS, Damage, Repair
from fusionlab.refine.repair import repair

__all__ = ["KINDS", "Damage", "Repair", "repair"]

"""Region-wise selection: the best candidate of each part of a scene, blended, where that pays."""

from fusionlab.mosaic.blend import blend
from fusionlab.mosaic.choice import choose
from fusionlab.mosaic.run import MosaicReport, mosaic

__all__ = ["MosaicReport", "blend", "choose", "mosaic"]

"""Fusing images with a trained model: any size, any number of sources, colour and 16 bit kept.

>>> import fusionlab
>>> fused = fusionlab.fuse("ir.png", "vis.png", "lab/runs/first", task="ivf")    # doctest: +SKIP
"""

from fusionlab.inference.call import fuse
from fusionlab.inference.fuser import Fuser

__all__ = ["Fuser", "fuse"]

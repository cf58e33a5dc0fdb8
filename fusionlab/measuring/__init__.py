"""Measure folders of fused images: a table per image, and the mean with its standard error.

>>> from fusionlab.measuring import measure_folders
>>> table = measure_folders("ir", "vis", "methods")                     # doctest: +SKIP
>>> table.summary                                                       # doctest: +SKIP
"""

from fusionlab.measuring.run import measure_files, measure_folders
from fusionlab.measuring.table import FolderTable, Reject

__all__ = ["FolderTable", "Reject", "measure_files", "measure_folders"]

"""Measure every candidate of every scene, in parallel, once."""

from fusionlab.scoring.only import Only
from fusionlab.scoring.run import ScoreReport, missing, score

__all__ = ["Only", "ScoreReport", "missing", "score"]

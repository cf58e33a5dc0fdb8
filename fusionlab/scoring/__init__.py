"""Measure every candidate of every scene, in parallel, once."""

from fusionlab.scoring.run import ScoreReport, missing, score

__all__ = ["ScoreReport", "missing", "score"]

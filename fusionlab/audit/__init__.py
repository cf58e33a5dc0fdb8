"""Question the labels in pandas: who won, by how much, why, and what was turned away.

Every function takes the lab's folder and the name of a labels manifest, which may be left out
where there is only one::

    from fusionlab import audit
    audit.wins("lab")
    audit.why("carLight", "lab")
"""

from fusionlab.audit.agreement import agreement_methods, agreement_metrics
from fusionlab.audit.critical import critical_difference
from fusionlab.audit.diff import diff
from fusionlab.audit.everything import all_frames
from fusionlab.audit.frames import certainty, decoys, margins, rejects, truth, wins
from fusionlab.audit.marks import families, fingerprints
from fusionlab.audit.places import coverage, guards, places, rank_distribution
from fusionlab.audit.repairs import refinements
from fusionlab.audit.report import HtmlReport, write_report
from fusionlab.audit.why import Why, why

__all__ = [
    "HtmlReport",
    "Why",
    "agreement_methods",
    "agreement_metrics",
    "all_frames",
    "certainty",
    "coverage",
    "critical_difference",
    "decoys",
    "diff",
    "families",
    "fingerprints",
    "guards",
    "margins",
    "places",
    "rank_distribution",
    "refinements",
    "rejects",
    "truth",
    "why",
    "wins",
    "write_report",
]

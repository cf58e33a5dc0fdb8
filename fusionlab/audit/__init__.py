"""Question the labels in pandas: who won, by how much, why, and what was turned away.

Every function takes the lab's folder and the name of a labels manifest, which may be left out
where there is only one::

    from fusionlab import audit
    audit.wins("lab")
    audit.why("carLight", "lab")
"""

from fusionlab.audit.diff import diff
from fusionlab.audit.frames import all_frames, certainty, decoys, margins, rejects, truth, wins
from fusionlab.audit.marks import families, fingerprints
from fusionlab.audit.why import Why, why

__all__ = [
    "Why",
    "all_frames",
    "certainty",
    "decoys",
    "diff",
    "families",
    "fingerprints",
    "margins",
    "rejects",
    "truth",
    "why",
    "wins",
]

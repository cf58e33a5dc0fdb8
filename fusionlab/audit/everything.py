"""Every frame of the audit at once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionlab.audit.agreement import agreement_methods, agreement_metrics
from fusionlab.audit.critical import critical_difference
from fusionlab.audit.frames import certainty, decoys, margins, rejects, truth, wins
from fusionlab.audit.marks import families, fingerprints
from fusionlab.audit.places import coverage, guards, rank_distribution
from fusionlab.audit.repairs import refinements
from fusionlab.audit.study import Study, study_of

if TYPE_CHECKING:
    import pandas as pd

    from fusionlab.lab import Lab
    from fusionlab.paths import Place


def all_frames(
    lab: Study | Lab | Place | str = "lab", labels: str | None = None
) -> dict[str, pd.DataFrame]:
    """Return every frame of the audit by its name."""
    study = study_of(lab, labels)
    opened, name = study.lab, study.name
    return {
        "wins": wins(opened, name),
        "margins": margins(opened, name),
        "certainty": certainty(opened, name),
        "decoys": decoys(opened, name),
        "truth": truth(opened, name),
        "rank_distribution": rank_distribution(study),
        "critical_difference": critical_difference(study),
        "agreement_metrics": agreement_metrics(study),
        "agreement_methods": agreement_methods(study),
        "coverage": coverage(study),
        "guards": guards(study),
        "refinements": refinements(study),
        "rejects": rejects(opened),
        "fingerprints": fingerprints(opened),
        "families": families(opened),
    }

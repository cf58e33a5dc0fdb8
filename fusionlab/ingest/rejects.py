"""What ingest turns away: one row each, with a reason code and a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from fusionlab.tables import REJECTS

if TYPE_CHECKING:
    from fusionlab.ingest.find import FoundFile


@dataclass(frozen=True, slots=True)
class Reject:
    """One file that was turned away.

    Attributes
    ----------
    reason : short code.
    detail : one sentence for people.
    found : what the file's name said it is, where it said anything.
    file : its path, where it said nothing.
    """

    reason: str
    detail: str
    found: FoundFile | None = None
    file: str = ""


def rejects_frame(stage: str, task: str, dataset: str, rejects: list[Reject]) -> pd.DataFrame:
    """Return `rejects` as rows of the rejects table."""
    rows = [
        {
            "stage": stage,
            "task": task,
            "dataset": dataset,
            "scene": r.found.scene if r.found else "",
            "role": r.found.role if r.found else "",
            "name": r.found.name if r.found else "",
            "file": r.found.file if r.found else r.file,
            "reason": r.reason,
            "detail": r.detail,
        }
        for r in rejects
    ]
    return pd.DataFrame(rows, columns=REJECTS.columns.names)

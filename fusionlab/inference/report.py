"""What one run of fuse did."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusionlab import terminal
from fusionlab.ingest.members import printable
from fusionlab.schemas import REJECTS
from fusionlab.tables import rejects_frame

if TYPE_CHECKING:
    import pandas as pd

    from fusionlab.measuring.table import Reject


@dataclass
class FuseReport:
    """What one run did, or with a dry run would do.

    Attributes
    ----------
    images : that have all their sources, by name.
    fused : of them in this run; with a dry run, still to be fused.
    kept : of them that are there already, made of the same files by the same model and settings.
    rejects : one a file, or image, that was turned away.
    """

    run: str
    out: str
    device: str
    task: str
    images: int = 0
    fused: int = 0
    kept: int = 0
    rejects: list[Reject] = field(default_factory=list)
    seconds: float = 0.0

    def frame(self) -> pd.DataFrame:
        """Return the rejects as a table, with the columns of the rejects of a lab."""
        rows = (
            {
                "scene": r.image,
                "role": r.role,
                "file": r.file,
                "reason": r.reason,
                "detail": r.detail,
            }
            for r in self.rejects
        )
        plain = [{key: printable(text) for key, text in row.items()} for row in rows]
        found = rejects_frame("fuse", self.task, "", plain)
        return found.drop_duplicates(list(REJECTS.key), ignore_index=True)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        rejects = self.frame()[["scene", "file", "reason", "detail"]]
        return {
            "run": self.run,
            "out": self.out,
            "device": self.device,
            "task": self.task,
            "images": self.images,
            "fused": self.fused,
            "kept": self.kept,
            "rejected": dict(sorted(Counter(rejects["reason"]).items())),
            "rejects": terminal.records(rejects),
            "seconds": self.seconds,
        }

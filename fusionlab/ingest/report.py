"""What one run of ingest did."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any


@dataclass
class IngestReport:
    """What one run of ingest did.

    Attributes
    ----------
    added, changed, unchanged : images by what happened to them.
    kept : images in the lab whose file is not there any more; `pruned` when they were dropped.
    moved : candidates that were given to another scene than their name says, by content.
    aligned : candidates and sources that were brought to fit, each by a rule in the index.
    opinions : candidates that have an opinion score.
    rejected : reason code -> files.
    """

    task: str
    dataset: str
    scenes: int = 0
    methods: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    kept: int = 0
    pruned: int = 0
    moved: int = 0
    aligned: int = 0
    opinions: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)

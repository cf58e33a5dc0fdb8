"""What ingest turns away: one row each, with a reason code and a sentence."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

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

    def row(self) -> dict[str, str]:
        """Return the columns of the rejects table that this reject fills."""
        known = {"reason": self.reason, "detail": self.detail}
        if self.found is None:
            return {**known, "file": self.file}
        found = self.found
        place = {"scene": found.scene, "role": found.role, "name": found.name, "file": found.file}
        return {**known, **place}

"""What an examination finds."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: From the best to the worst.
VERDICTS = OK, WARN, FAIL = "ok", "warn", "fail"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes
    ----------
    what : was looked at.
    finding : what it is like, in a few words.
    verdict : ``ok``; ``warn``, where it works but not well; or ``fail``.
    remedy : what to do; empty where nothing is to be done.
    """

    what: str
    finding: str
    verdict: str = OK
    remedy: str = ""

    def as_dict(self) -> dict[str, str]:
        """Return the finding for JSON."""
        return asdict(self)


def worst(findings: Iterable[Finding]) -> str:
    """Return the worst of all verdicts."""
    return max((found.verdict for found in findings), key=VERDICTS.index, default=OK)


def in_bytes(count: float) -> str:
    """Return a number of bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.0f} MB"

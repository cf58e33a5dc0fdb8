"""What ingest checks besides names, what it may mend, and what it found of an image."""

from __future__ import annotations

import hashlib
import math
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from fusionlab.errors import UsageError, suggest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

#: Raised whenever the same files would be judged otherwise: images are then inspected again.
_VERSION = 1

#: Rules by which an image may be brought to fit its scene, see `fusionlab.inspection.align`;
#: ``border`` leaves out a transparent one.
ALIGN_RULES = ("crop", "cut", "off_by", "resize", "border")


@dataclass(frozen=True, slots=True)
class Checks:
    """The user's choices.

    Attributes
    ----------
    match : ``names`` rejects a candidate that shows another scene than its name says;
        ``content`` gives it to the scene that it shows.
    align : rules of `ALIGN_RULES` that may be used; without its rule an image is rejected.
    keep_displaced : take scenes whose sources are displaced against each other.
    """

    match: str = "names"
    align: tuple[str, ...] = ALIGN_RULES
    keep_displaced: bool = False

    def __post_init__(self) -> None:
        if self.match not in ("names", "content"):
            raise UsageError(f"--match {self.match!r}: expected names or content")
        for rule in self.align:
            if rule not in ALIGN_RULES:
                nearest = suggest(rule, ALIGN_RULES)
                hint = f"; did you mean {nearest!r}?" if nearest else ""
                known = ", ".join(ALIGN_RULES)
                raise UsageError(f"--align {rule!r}: expected none or some of {known}{hint}")

    def stamp(self, file_digests: Iterable[str]) -> str:
        """Return what the inspection of a scene depends on: version, choices, source files."""
        rules = ",".join(sorted(self.align))
        parts = [str(_VERSION), rules, str(self.keep_displaced), *file_digests]
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Facts:
    """What inspection found of one image: the columns of the index from `region` on."""

    region: str = ""
    alignment: str = ""
    fit: float = math.nan
    shift: float = math.nan
    flags: str = ""
    twin: str = ""
    family: str = ""
    inspected: str = ""

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Facts:
        """Return the facts in a row of the index."""
        return cls(**{name: row[name] for name in cls.__dataclass_fields__})

    def columns(self) -> dict[str, str | float]:
        """Return the facts as columns of the index."""
        return asdict(self)

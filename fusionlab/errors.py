"""The exceptions of FusionLab.

::

    FusionLabError                 exit code 1
    ├── UsageError                 exit code 2: what the user asks for cannot be
    │   ├── UnknownNameError       a metric, policy, task ... that does not exist
    │   ├── MissingMetricError     a metric whose package or weights are not there
    │   └── ConfigError            a YAML file that does not say what it must
    ├── LabError                   the lab is missing, locked, broken, or of another format
    │   ├── OutdatedError          a decision about what has changed since it was looked at
    │   └── StorageError           the disk under it is full or fails: free it, and go on
    ├── ReasonedError              carries a reason code, for a row of the rejects
    │   ├── ImageError             bytes that are not an image we accept
    │   └── MethodError            a fusion method that gives no image
    ├── ModelError                 a model or a run of training is missing, broken, or diverged
    └── MetricInputError           arrays that a metric must not be computed on

Every message says where, what was got, what was expected, and what to do.
"""

from __future__ import annotations

import difflib
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

#: Names less alike than this are not suggested for each other.
_ALIKE = 0.5


class FusionLabError(Exception):
    """Base of every error that FusionLab raises on purpose."""

    exit_code = 1


class UsageError(FusionLabError):
    """The user asked for something that cannot be; nothing was started."""

    exit_code = 2


class UnknownNameError(UsageError):
    """A name that nobody knows, with the nearest one that somebody does.

    Parameters
    ----------
    kind : what the name should name, e.g. ``"metric"``.
    name : what was given.
    known : the names that exist.
    where : the file or option it stood in, if any.
    """

    def __init__(self, kind: str, name: str, known: Iterable[str], where: str = "") -> None:
        self.kind, self.name, self.known = kind, name, sorted(known)
        place = f"{where}: " if where else ""
        nearest = suggest(name, self.known)
        hint = f" Did you mean {nearest!r}?" if nearest else ""
        listing = ", ".join(self.known) or "none"
        super().__init__(f"{place}unknown {kind} {name!r}.{hint} Known: {listing}.")


class MissingMetricError(UsageError):
    """A metric that exists, but needs a package or a weights file that is not there."""


class ConfigError(UsageError):
    """A YAML file of the user's that does not say what it must."""


class LabError(FusionLabError):
    """The lab is missing, locked, broken, or of another format."""


class OutdatedError(LabError):
    """A decision about something that has changed since it was looked at; look again."""


class StorageError(LabError):
    """What the lab lies on is full, read-only or fails; the lab is as it was, and can go on."""


class ReasonedError(FusionLabError):
    """An error that becomes a reject row.

    Parameters
    ----------
    reason : short code for the rejects table, e.g. ``"undecodable"``.
    detail : one sentence for people.
    """

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(detail)

    def __reduce__(self) -> tuple[type[ReasonedError], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


class ImageError(ReasonedError):
    """Bytes that are not an image FusionLab accepts."""


class MethodError(ReasonedError):
    """A fusion method, ours or another's program, that gives no image of its scene."""


class ModelError(FusionLabError):
    """A model or a run of training is missing, broken, of another version, or diverged."""


class MetricInputError(FusionLabError):
    """Arrays that a metric must not be computed on."""


def suggest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` most likely meant, or None.

    Of names that are equally alike, the one that begins like `name` is taken.
    """
    folded = name.casefold()

    def likeness(candidate: str) -> tuple[float, int]:
        other = candidate.casefold()
        ratio = difflib.SequenceMatcher(None, folded, other).ratio()
        shared = takewhile(lambda pair: pair[0] == pair[1], zip(folded, other, strict=False))
        return round(ratio, 6), sum(1 for _ in shared)

    best = max(sorted(known), key=likeness, default=None)
    return best if best is not None and likeness(best)[0] >= _ALIKE else None

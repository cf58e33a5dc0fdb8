"""The exceptions of FusionLab.

::

    FusionLabError                 exit code 1
    ├── UsageError                 exit code 2: what the user asks for cannot be
    │   ├── UnknownNameError       a metric, policy, task ... that does not exist
    │   ├── MissingMetricError     a metric whose package or weights are not there
    │   └── ConfigError            a YAML file that does not say what it must
    ├── LabError                   the lab is missing, locked, broken, or of another format
    ├── ImageError                 bytes that are not an image we accept (carries a reason code)
    └── MetricInputError           arrays that a metric must not be computed on

Every message says where, what was got, what was expected, and what to do.
"""

from __future__ import annotations

import difflib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable


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


class ImageError(FusionLabError):
    """Bytes that are not an image FusionLab accepts.

    Parameters
    ----------
    reason : short code for the rejects table, e.g. ``"undecodable"``.
    detail : one sentence for people.
    """

    def __init__(self, reason: str, detail: str) -> None:
        self.reason, self.detail = reason, detail
        super().__init__(detail)

    def __reduce__(self) -> tuple[type[ImageError], tuple[str, str]]:
        return type(self), (self.reason, self.detail)


class MetricInputError(FusionLabError):
    """Arrays that a metric must not be computed on."""


def suggest(name: str, known: Iterable[str]) -> str | None:
    """Return the known name that `name` most likely meant, or None."""
    by_folded = {k.casefold(): k for k in known}
    hits = difflib.get_close_matches(name.casefold(), by_folded, n=1, cutoff=0.5)
    return by_folded[hits[0]] if hits else None

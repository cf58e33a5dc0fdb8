"""The members of an archive: which names and sizes can be used."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusionlab.errors import ImageError

if TYPE_CHECKING:
    from collections.abc import Iterable

#: No image that the decoder accepts needs a larger file.
MAX_BYTES = 1 << 30

#: More than this from one byte, beyond the first `HARMLESS` bytes, is taken for a bomb.
MAX_RATIO = 200
HARMLESS = 64 << 20

ENDINGS = (".zip", ".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
VOLUME_ENDINGS = (".nii", ".nii.gz")

_DRIVE = re.compile(r"[A-Za-z]:")
_CONTROL = re.compile(r"[\0-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Fault:
    """What is wrong with one member, or with the archive where `path` is empty."""

    path: str
    reason: str
    detail: str


@dataclass(frozen=True, slots=True)
class Entry:
    """A member as the archive lists it."""

    name: str
    size: int
    where: Any
    fault: tuple[str, str] | None = None


def is_archive(name: str) -> bool:
    """Tell by its name whether a file is an archive that can be read in place."""
    return name.lower().endswith(ENDINGS)


def is_volume(name: str) -> bool:
    """Tell by its name whether a file is a NIfTI volume."""
    return name.lower().endswith(VOLUME_ENDINGS)


def sift(entries: Iterable[Entry], faults: list[Fault]) -> dict[str, Entry]:
    """Return the members that can be used, sorted; hidden ones are passed over."""
    kept: list[tuple[str, Entry]] = []
    for entry in entries:
        path = entry.name.removeprefix("./")
        fault = _name_fault(path) or entry.fault or _size_fault(path, entry.size)
        hidden = any(part.startswith(".") for part in path.split("/"))
        if fault is not None and not (hidden and fault[0] != "unsafe_name"):
            faults.append(Fault(printable(path), *fault))
        elif not hidden:
            kept.append((path, entry))
    count = Counter(path for path, _ in kept)
    for path in sorted(path for path, times in count.items() if times > 1):
        detail = f"{count[path]} members of the archive have this name; keep one"
        faults.append(Fault(path, "duplicate_file", detail))
    return {path: entry for path, entry in sorted(kept, key=lambda k: k[0]) if count[path] == 1}


def _name_fault(path: str) -> tuple[str, str] | None:
    if printable(path) != path:
        return "name_not_utf8", "the member's name is not UTF-8; rename it"
    parts = path.split("/")
    if "\\" in path or _DRIVE.match(path) or _CONTROL.search(path) or {"", ".", ".."} & {*parts}:
        return "unsafe_name", f"{path!r} is no plain relative path; pack it again"
    return None


def _size_fault(path: str, size: int) -> tuple[str, str] | None:
    if is_archive(path) or is_volume(path):
        return "nested_archive", "an archive or volume inside an archive; unpack the outer one"
    if size > MAX_BYTES:
        return "too_many_bytes", f"{size:,} bytes; at most {MAX_BYTES:,} are read"
    return None


def not_a_file(link: bool) -> tuple[str, str]:
    """Return the fault of a member that is a link, a device or the like."""
    if link:
        return "linked_member", "a link inside an archive is not followed; pack the file itself"
    return "unreadable", "is no regular file but a device, a pipe or the like"


def bound(size: int, packed: int) -> None:
    """Refuse an archive that would inflate to absurdly more than it is.

    Raises
    ------
    ImageError
        With reason ``archive_bomb``.
    """
    fault = inflation_fault(size, packed)
    if fault is not None:
        raise ImageError(*fault)


def inflation_fault(size: int, packed: int) -> tuple[str, str] | None:
    """Return the fault of what inflates from `packed` bytes to `size`, if that is absurd."""
    if size <= HARMLESS or size <= MAX_RATIO * packed:
        return None
    return (
        "archive_bomb",
        f"{packed:,} bytes inflate to {size:,} or more; at most {MAX_RATIO} times is accepted",
    )


def printable(path: str) -> str:
    """Return a path as text, with what of it is not UTF-8 escaped."""
    return path.encode("utf-8", "backslashreplace").decode("utf-8")

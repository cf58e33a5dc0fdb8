"""Places where a lab can lie: a local folder, or ``s3://bucket/prefix`` in an object store."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TypeAlias

from fusionlab.objects import SCHEME, ObjectPath

Place: TypeAlias = Path | ObjectPath


def to_place(text: str | Place) -> Place:
    """Return the place that `text` names; a place stays as it is.

    Raises
    ------
    UsageError
        When it begins with ``s3://`` and goes on wrongly.
    """
    if isinstance(text, str) and text.startswith(SCHEME):
        return ObjectPath(text)
    return text if isinstance(text, ObjectPath) else Path(text)


def read_range(place: Place, start: int, length: int) -> bytes:
    """Return `length` bytes of a file from `start` on."""
    if isinstance(place, ObjectPath):
        return place.read_range(start, length)
    with place.open("rb", buffering=0) as file:
        file.seek(start)
        return file.read(length)


def read_tail(place: Place, length: int) -> bytes:
    """Return the last `length` bytes of a file."""
    if isinstance(place, ObjectPath):
        return place.read_tail(length)
    with place.open("rb", buffering=0) as file:
        file.seek(-length, os.SEEK_END)
        return file.read(length)


def size_of(place: Place) -> int:
    """Return the bytes of a file."""
    return place.head()[2] if isinstance(place, ObjectPath) else place.stat().st_size


def stamp(place: Place) -> str:
    """Return what is another after each time that a file was replaced; "" where there is none."""
    try:
        if isinstance(place, ObjectPath):
            return place.head()[0]
        found = place.stat()
    except FileNotFoundError:
        return ""
    return f"{found.st_mtime_ns}-{found.st_ino}-{found.st_size}"


def is_empty(place: Place) -> bool:
    """Tell whether nothing lies at or under `place`."""
    if isinstance(place, ObjectPath):
        return not place.exists() and next(place.iterdir(), None) is None
    return not place.exists() or (place.is_dir() and next(place.iterdir(), None) is None)


def remove_tree(place: Place) -> None:
    """Remove everything under `place`; what is not there is no error."""
    if isinstance(place, ObjectPath):
        place.remove_below()
    else:
        shutil.rmtree(place, ignore_errors=True)

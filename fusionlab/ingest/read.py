"""Read one file: its bytes and their digest, then its pixels where the lab lacks them."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionlab.errors import ImageError
from fusionlab.images import DecodedImage, decode
from fusionlab.ingest.rejects import Reject

if TYPE_CHECKING:
    from pathlib import Path

    from fusionlab.ingest.find import FoundFile

#: No image that the decoder accepts needs a larger file.
MAX_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """The bytes of a file that could be read, and their SHA-256."""

    found: FoundFile
    data: bytes
    digest: str


def open_file(root: Path, found: FoundFile) -> OpenedFile | Reject:
    """Read the bytes of one file, or say why not."""
    try:
        data = _read_bytes(root / found.file, root)
    except OSError as error:
        return Reject("unreadable", f"cannot be read: {error.strerror}", found)
    except ImageError as error:
        return Reject(error.reason, error.detail, found)
    return OpenedFile(found, data, hashlib.sha256(data).hexdigest())


def decode_file(opened: OpenedFile) -> DecodedImage | Reject:
    """Decode one file, or say why not."""
    try:
        return decode(opened.data)
    except ImageError as error:
        return Reject(error.reason, error.detail, opened.found)


def _read_bytes(path: Path, root: Path) -> bytes:
    """Read a file that lies under `root`, is a file indeed, and may be as large as it is."""
    status = path.stat()  # before resolve, which some versions of Python end by another error
    if not path.resolve().is_relative_to(root.resolve()):
        raise ImageError("outside_root", "a link out of the root folder; copy the file instead")
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("unreadable", "is no regular file; reading it might never end")
    if status.st_size > MAX_BYTES:
        raise ImageError(
            "too_many_bytes", f"{status.st_size:,} bytes; at most {MAX_BYTES:,} are read"
        )
    return path.read_bytes()

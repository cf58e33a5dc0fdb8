"""Read one file: its bytes' digest, and its pixels when they are not in the lab already."""

from __future__ import annotations

import hashlib
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusionlab.errors import ImageError
from fusionlab.images import DecodedImage, decode, digest
from fusionlab.ingest.rejects import Reject

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from fusionlab.ingest.find import FoundFile


#: No image that the decoder accepts needs a larger file.
MAX_BYTES = 1 << 30


@dataclass(frozen=True, slots=True)
class ReadFile:
    """A file that could be read.

    Attributes
    ----------
    image : None when the lab's index has the same bytes for this place already.
    known : that row of the index, or None.
    """

    found: FoundFile
    file_digest: str
    size: tuple[int, int]
    pixel_digest: str
    image: DecodedImage | None
    known: Mapping[str, Any] | None


def read_file(
    root: Path, found: FoundFile, known: Mapping[str, Any] | None, force: bool
) -> ReadFile | Reject:
    """Read and decode one file, or say why not.

    Parameters
    ----------
    known : the row of the index for the same scene, role and name, if there is one; a file of the
        same bytes is then not decoded again unless `force`.
    """
    try:
        data = _read_bytes(root / found.file, root)
    except OSError as error:
        return Reject("unreadable", f"cannot be read: {error.strerror}", found)
    except ImageError as error:
        return Reject(error.reason, error.detail, found)
    file_digest = hashlib.sha256(data).hexdigest()
    if known is not None and known["file_digest"] == file_digest and not force:
        size = (int(known["height"]), int(known["width"]))
        return ReadFile(found, file_digest, size, known["digest"], None, known)
    try:
        image = decode(data)
    except ImageError as error:
        return Reject(error.reason, error.detail, found)
    height, width = image.pixels.shape[:2]
    return ReadFile(found, file_digest, (height, width), digest(image.pixels), image, known)


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

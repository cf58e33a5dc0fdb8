"""Read one file: its bytes' digest, and its pixels when they are not in the lab already."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusionlab.errors import ImageError
from fusionlab.images import DecodedImage, decode, digest
from fusionlab.ingest.rejects import Reject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.ingest.find import FoundFile
    from fusionlab.ingest.tree import FileTree
    from fusionlab.ranges import Reading


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
    tree: FileTree,
    found: FoundFile,
    known: Mapping[str, Any] | None,
    force: bool,
    reading: Reading | None = None,
) -> ReadFile | Reject:
    """Read and decode one file, or say why not.

    Parameters
    ----------
    known : the row of the index for the same scene, role and name, if there is one; a file of the
        same bytes is then not decoded again unless `force`.
    reading : the range or window that the manifest declares for it.
    """
    try:
        data = tree.read(found.file)
    except ImageError as error:
        return Reject(error.reason, error.detail, found)
    file_digest = hashlib.sha256(data).hexdigest()
    same = known is not None and known["file_digest"] == file_digest
    if known is not None and same and not force and _was_read_so(known, reading):
        size = (int(known["height"]), int(known["width"]))
        return ReadFile(found, file_digest, size, known["digest"], None, known)
    try:
        image = decode(data, reading)
    except ImageError as error:
        return Reject(error.reason, error.detail, found)
    height, width = image.pixels.shape[:2]
    return ReadFile(found, file_digest, (height, width), digest(image.pixels), image, known)


def _was_read_so(known: Mapping[str, Any], reading: Reading | None) -> bool:
    """Tell whether the index's pixels were mapped as the manifest declares now."""
    mapped = [note for note in known["notes"].split(",") if note.startswith(("range:", "window:"))]
    if reading is None:
        return not mapped
    return known["dtype"] == "uint8" or mapped == [reading.note]

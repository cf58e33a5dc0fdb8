"""Read one file: its bytes and their digest, then its pixels where the lab lacks them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusionlab.errors import ImageError
from fusionlab.images import DecodedImage, decode
from fusionlab.ingest.rejects import Reject

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.ingest.find import FoundFile
    from fusionlab.ingest.manifest import Manifest
    from fusionlab.ingest.tree import FileTree
    from fusionlab.ranges import Reading


@dataclass(frozen=True, slots=True)
class OpenedFile:
    """The bytes of a file that could be read, and their SHA-256."""

    found: FoundFile
    data: bytes
    digest: str


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads the files of one manifest's tree, from many threads."""

    tree: FileTree
    manifest: Manifest

    def open(self, found: FoundFile) -> OpenedFile | Reject:
        """Read the bytes of one file, or say why not."""
        try:
            data = self.tree.read(found.file)
        except ImageError as error:
            return Reject(error.reason, error.detail, found)
        return OpenedFile(found, data, hashlib.sha256(data).hexdigest())

    def decode(self, opened: OpenedFile) -> DecodedImage | Reject:
        """Decode one file as the manifest declares, or say why not."""
        found = opened.found
        try:
            return decode(opened.data, self.manifest.reading(found.role, found.name))
        except ImageError as error:
            return Reject(error.reason, error.detail, found)

    def read(self, found: FoundFile) -> DecodedImage | Reject:
        """Open and decode one file, or say why not."""
        opened = self.open(found)
        return opened if isinstance(opened, Reject) else self.decode(opened)

    def stands(self, opened: OpenedFile, known: Mapping[str, Any] | None, stamp: str) -> bool:
        """Tell whether the lab has the file's pixels already, judged by what `stamp` says.

        Parameters
        ----------
        known : the row of the index for the same scene, role and name, if there is one.
        """
        if known is None or known["file_digest"] != opened.digest or judged_by(known) != stamp:
            return False
        return _was_read_so(known, self.manifest.reading(opened.found.role, opened.found.name))


def judged_by(known: Mapping[str, Any]) -> str:
    """Return the stamp of the checks and sources that an image was judged by."""
    return str(known["inspected"]).partition(".")[0]


def _was_read_so(known: Mapping[str, Any], reading: Reading | None) -> bool:
    """Tell whether the index's pixels were mapped as the manifest declares now."""
    mapped = [note for note in known["notes"].split(",") if note.startswith(("range:", "window:"))]
    if reading is None:
        return not mapped
    return known["dtype"] == "uint8" or mapped == [reading.note]

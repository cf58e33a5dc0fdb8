"""The folder that a report is written into: what is there, what was written, what is left over."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from fusionlab.atomic import atomic_write_bytes, replace_bytes, sync_device
from fusionlab.errors import UsageError
from fusionlab.paths import is_empty, remove_tree

if TYPE_CHECKING:
    from collections.abc import Iterable

_MARKER, _STAGING = "report.json", ".staging"


class Shelf:
    """Files of a report by their path from its root. Every file is written atomically.

    ``report.json`` lists the files, so that a later run removes none but those.

    Raises
    ------
    UsageError
        When the folder holds something that is no report.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.written = self.bytes = 0
        self._files: dict[str, int] = {}
        self._before = self._listed()
        self._note(self._before)
        remove_tree(folder / _STAGING)  # what a run that was killed left behind

    def _listed(self) -> set[str]:
        """Return the files of the run before."""
        try:
            files = json.loads((self.folder / _MARKER).read_text(encoding="utf-8"))["files"]
            return {name for name in files if isinstance(name, str) and self._inside(name)}
        except FileNotFoundError:
            if self.folder.exists() and not is_empty(self.folder):
                raise UsageError(
                    f"{self.folder}: is not empty, and no report of FusionLab; name another folder"
                ) from None
            return set()
        except (NotADirectoryError, ValueError, KeyError, TypeError):
            raise UsageError(
                f"{self.folder / _MARKER}: is not the list of a report's files; remove the folder, "
                "or name another"
            ) from None

    def _inside(self, name: str) -> bool:
        return not Path(name).is_absolute() and ".." not in Path(name).parts

    def _note(self, files: Iterable[str]) -> None:
        note = {"made_by": "fusionlab audit --html", "files": sorted(files)}
        atomic_write_bytes(self.folder / _MARKER, json.dumps(note, indent=0).encode())

    def has(self, path: str) -> bool:
        """Tell whether a file whose name says what is in it is there; if so it stays."""
        file = self.folder / path
        try:
            size = file.stat().st_size
        except FileNotFoundError:
            return False
        if size:
            self._files[path] = size
        return size > 0

    def put(self, path: str, data: bytes) -> None:
        """Write a file unless it has this content already."""
        file = self.folder / path
        self._files[path] = len(data)
        if not file.exists() or file.stat().st_size != len(data) or file.read_bytes() != data:
            replace_bytes(file, data, self.folder / _STAGING)
            self.written += 1

    def close(self) -> int:
        """Remove what the run before wrote and this one did not; return how many files."""
        sync_device(self.folder)
        self.bytes = sum(self._files.values())
        stale = self._before - set(self._files)
        for name in stale:
            (self.folder / name).unlink(missing_ok=True)
        self._note(self._files)
        remove_tree(self.folder / _STAGING)
        return len(stale)

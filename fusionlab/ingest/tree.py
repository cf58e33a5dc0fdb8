"""The files under a manifest's root, read in place; archives and volumes are walked like folders.

::

    root/methods/GTF.zip  with the member  night/1.png   is   methods/GTF.zip/night/1.png
    root/ct/p1.nii.gz     with the slice   42            is   ct/p1.nii.gz/0042.nii

Everything that can be wrong with a file before it is decoded is found here.
"""

from __future__ import annotations

import os
import stat
import threading
from collections import OrderedDict
from pathlib import Path
from typing import TYPE_CHECKING

from fusionlab.errors import ImageError
from fusionlab.ingest.archives import Archive, open_archive
from fusionlab.ingest.members import MAX_BYTES, is_archive, is_volume, printable
from fusionlab.ingest.rejects import Reject
from fusionlab.ingest.volumes import Volume

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import TracebackType

#: So many archives and volumes are open at once; the one not used for longest makes room.
MAX_OPEN = 64


class FileTree:
    """The files under a root: a folder, or an archive.

    Parameters
    ----------
    root : a folder, or a zip or tar archive.
    enters : tells of an archive or volume, by its path, whether to walk it like a folder; else it
        is a file like any other.

    Attributes
    ----------
    rejects : what the walks so far could not list.
    """

    def __init__(self, root: Path, enters: Callable[[str], bool] = lambda _: True) -> None:
        self.root = root
        self.rejects: list[Reject] = []
        self._enters = enters
        self._real_root = root.resolve()
        self._entered: set[str] = set()
        self._open: OrderedDict[str, Archive | Volume] = OrderedDict()
        self._lock = threading.Lock()

    def __enter__(self) -> FileTree:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close all archives; a later read opens them again."""
        with self._lock:
            self._open.clear()

    def walk(self) -> Iterator[str]:
        """Yield the files as paths relative to root, sorted in each folder.

        Hidden files and folders are passed over. Linked or unreadable folders, names that are not
        UTF-8, and what is wrong with an archive or its members become `rejects`.
        """
        if self.root.is_file():
            yield from self._inside("")
            return
        for folder, subfolders, names in os.walk(self.root, onerror=self._unreadable):
            here = Path(folder).relative_to(self.root)
            subfolders[:] = sorted(name for name in subfolders if not name.startswith("."))
            for name in subfolders:
                if (Path(folder) / name).is_symlink():
                    self._reject("linked_folder", "links to folders are not followed", here / name)
            for name in sorted(name for name in names if not name.startswith(".")):
                path = (here / name).as_posix()
                if printable(path) != path:
                    detail = "the file's name is not UTF-8; rename it"
                    self._reject("name_not_utf8", detail, here / name)
                elif (is_archive(name) or is_volume(name)) and self._enters(path):
                    yield from self._inside(path)
                else:
                    yield path

    def read(self, path: str) -> bytes:
        """Return a file's bytes; safe from several threads.

        Raises
        ------
        ImageError
            With reason ``outside_root``, ``unreadable``, ``too_many_bytes``, or for a member
            ``broken_archive``.
        """
        entered, member = self._split(path)
        if entered is not None:
            return self._container(entered).read(member)
        try:
            return self._regular(path).read_bytes()
        except OSError as error:
            raise _unreadable(error) from None

    def size(self, path: str) -> int:
        """Return a file's size; 0 where it cannot be told: reading it will say why."""
        entered, member = self._split(path)
        try:
            if entered is not None:
                return self._container(entered).members[member]
            return (self.root / path).stat().st_size
        except (OSError, ImageError, KeyError):
            return 0

    def _inside(self, path: str) -> Iterator[str]:
        """Yield the members of an archive or volume, and reject what of it cannot be used."""
        try:
            container = self._container(path)
        except ImageError as error:
            self.rejects.append(Reject(error.reason, error.detail, file=path or self.root.name))
            return
        self._entered.add(path)
        for fault in container.faults:
            file = _join(path, fault.path) or self.root.name
            self.rejects.append(Reject(fault.reason, fault.detail, file=file))
        for member in container.members:
            yield _join(path, member)

    def _split(self, path: str) -> tuple[str | None, str]:
        """Cut a path into the archive that it lies in, if any, and the rest."""
        if "" in self._entered:
            return "", path
        end = path.find("/")
        while end >= 0:
            if path[:end] in self._entered:
                return path[:end], path[end + 1 :]
            end = path.find("/", end + 1)
        return None, path

    def _container(self, path: str) -> Archive | Volume:
        with self._lock:
            if path in self._open:
                self._open.move_to_end(path)
                return self._open[path]
            try:
                file = self._regular(path, at_most=None)
                made = Volume(file) if is_volume(file.name) else open_archive(file)
            except OSError as error:
                raise _unreadable(error) from None
            self._open[path] = made
            if len(self._open) > MAX_OPEN:
                self._open.popitem(last=False)  # closed when the last thread has read from it
            return made

    def _regular(self, path: str, at_most: int | None = MAX_BYTES) -> Path:
        """Return a file that lies under root, is a file indeed, and may be as large as it is."""
        file = self.root / path if path else self.root
        status = file.stat()  # before resolve, which some versions of Python end by another error
        if not file.resolve().is_relative_to(self._real_root):
            raise ImageError("outside_root", "a link out of the root folder; copy the file instead")
        if not stat.S_ISREG(status.st_mode):
            raise ImageError("unreadable", "is no regular file; reading it might never end")
        if at_most is not None and status.st_size > at_most:
            raise ImageError(
                "too_many_bytes", f"{status.st_size:,} bytes; at most {at_most:,} are read"
            )
        return file

    def _unreadable(self, error: OSError) -> None:
        folder = Path(error.filename).relative_to(self.root)
        self._reject("unreadable", f"cannot be read: {error.strerror}", folder)

    def _reject(self, reason: str, detail: str, path: Path) -> None:
        self.rejects.append(Reject(reason, detail, file=printable(path.as_posix())))


def _join(folder: str, name: str) -> str:
    return f"{folder}/{name}" if folder and name else folder or name


def _unreadable(error: OSError) -> ImageError:
    return ImageError("unreadable", f"cannot be read: {error.strerror or error}")

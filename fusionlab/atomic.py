"""Writing a file so that a reader, or a run after kill -9, sees the old or the new one, whole."""

from __future__ import annotations

import ctypes
import errno
import os
import uuid
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from fusionlab.errors import StorageError
from fusionlab.objects import ObjectPath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionlab.paths import Place

#: Readers of a folder of tables (pyarrow, pandas) pass over names that begin with a dot.
TEMPORARY_PREFIX = ".partial-"

#: What can be cured, and the same command then run again.
_CURABLE = {
    errno.ENOSPC: "no space left; free some",
    errno.EDQUOT: "the quota is used up; free some space",
    errno.EIO: "the device or store fails; see to it",
    errno.EROFS: "is read-only; make it writable",
}


@contextmanager
def storage_errors(place: Place) -> Iterator[None]:
    """Turn a full or failing disk into an error that says where, and how to go on.

    Raises
    ------
    StorageError
        When the block ends with an `OSError` of that kind.
    """
    try:
        yield
    except OSError as error:
        if error.errno not in _CURABLE:
            raise
        raise StorageError(
            f"{place}: {_CURABLE[error.errno]} and run the same command again; what was finished "
            f"is kept ({error.strerror})"
        ) from error


@contextmanager
def atomic_write(path: Path) -> Iterator[IO[bytes]]:
    """Open a temporary file beside `path` that replaces it when the block ends without an error.

    The content is flushed to disk before the rename, and the folder after it.

    Raises
    ------
    StorageError
        When the disk is full or fails; the old file stands.
    """
    with storage_errors(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.parent / _partial_name(path)
        try:
            with partial.open("xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            partial.replace(path)
        except BaseException:
            partial.unlink(missing_ok=True)
            raise
        _sync_folder(path.parent)


def atomic_write_bytes(path: Place, data: bytes) -> None:
    """Write `data` to `path`, atomically."""
    if isinstance(path, ObjectPath):
        with storage_errors(path):
            path.write_bytes(data)
        return
    with atomic_write(path) as file:
        file.write(data)


def replace_bytes(path: Place, data: bytes, staging: Place) -> None:
    """Write `data` to `path`, atomically, and leave it to the system when it reaches the disk.

    For the many small files of one run, which `sync_device` then brings to the disk together.

    Parameters
    ----------
    staging : folder on the same device for the unfinished file, where what a kill leaves is swept.
    """
    if isinstance(path, ObjectPath):
        atomic_write_bytes(path, data)
        return
    partial = f"{staging}/{_partial_name(path)}"
    with storage_errors(path):
        try:
            _write_and_rename(partial, path, data)
        except FileNotFoundError:  # a folder is not there yet
            for folder in (staging, path.parent):
                Path(str(folder)).mkdir(parents=True, exist_ok=True)
            _write_and_rename(partial, path, data)


def _write_and_rename(partial: str, path: Path, data: bytes) -> None:
    """Write the unfinished file and put it in its place; the calls of `os` cost half of Path's."""
    try:
        with open(partial, "wb", buffering=0) as file:  # noqa: PTH123
            left = memoryview(data)
            while left:  # an unbuffered file may take less at once when the disk fills up
                left = left[file.write(left) :]
        os.replace(partial, path)  # noqa: PTH105
    except BaseException:
        Path(partial).unlink(missing_ok=True)
        raise


def sync_device(folder: Place) -> None:
    """Bring what was written to the file system of `folder` to the disk.

    Once for thousands of files costs what a few single ones would. Where the system has no such
    call, and in an object store, there is nothing to do.
    """
    syncfs = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if isinstance(folder, ObjectPath) or syncfs is None or not folder.exists():
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        if syncfs(descriptor) != 0:
            number = ctypes.get_errno()
            with storage_errors(folder):
                raise OSError(number, os.strerror(number), str(folder))
    finally:
        os.close(descriptor)


def _partial_name(path: Path) -> str:
    return f"{TEMPORARY_PREFIX}{path.name}-{uuid.uuid4().hex}"


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError:  # some network file systems cannot sync a folder; the rename stands
        pass
    finally:
        os.close(descriptor)

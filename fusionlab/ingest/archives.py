"""Zip and tar archives, read in place: members by name, nothing extracted.

A member's name never becomes a path of the file system. What is inflated is bounded before it is
inflated, and the true sizes are checked against the declared ones.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import os
import stat
import tarfile
import tempfile
import threading
import weakref
import zipfile
from typing import IO, TYPE_CHECKING, Any

from fusionlab.errors import ImageError
from fusionlab.headers import BROKEN
from fusionlab.ingest.members import Entry, Fault, bound, inflation_fault, not_a_file, sift

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_CHUNK = 1 << 20
_BLOCK = 512
_UNPACKERS: dict[str, Any] = {
    ".gz": gzip.open,
    ".tgz": gzip.open,
    ".bz2": bz2.open,
    ".xz": lzma.open,
}

_BROKEN = (*BROKEN, zipfile.BadZipFile, tarfile.TarError, lzma.LZMAError, NotImplementedError)
_UTF8_FLAG, _ENCRYPTED_FLAGS = 0x800, 0x1 | 0x40


class Archive:
    """A zip or tar archive.

    Attributes
    ----------
    members : path in the archive -> bytes.
    faults : what of it cannot be used.
    """

    def __init__(self, path: Path) -> None:
        self.faults: list[Fault] = []
        self._file: IO[bytes] = path.open("rb")
        weakref.finalize(self, self._file.close)  # when the last reader is done with it
        try:
            entries = list(self._list(path))
        except _BROKEN as broken:
            raise _broken(broken) from None
        self._entries = sift(entries, self.faults)
        self.members = {path: entry.size for path, entry in self._entries.items()}

    def read(self, path: str) -> bytes:
        """Return a member's bytes; safe from several threads.

        Raises
        ------
        ImageError
            With reason ``broken_archive`` or ``archive_bomb``.
        """
        entry = self._entries[path]
        try:
            data = self._read(entry)
        except _BROKEN as broken:
            raise _broken(broken) from None
        if len(data) != entry.size:
            raise _broken(f"{len(data):,} bytes of {entry.size:,} are there")
        return data

    def _list(self, path: Path) -> Iterator[Entry]:
        raise NotImplementedError

    def _read(self, entry: Entry) -> bytes:
        raise NotImplementedError


class ZipArchive(Archive):
    """A zip archive; stored and deflated members, which is what all programs write."""

    def _list(self, path: Path) -> Iterator[Entry]:
        self._lock = threading.Lock()
        self._zip = zipfile.ZipFile(self._file)
        infos = [info for info in self._zip.infolist() if not info.is_dir()]
        bound(sum(info.file_size for info in infos), path.stat().st_size)
        for info in infos:
            yield Entry(*_zip_name(info), info, _zip_fault(info))

    def _read(self, entry: Entry) -> bytes:
        with self._lock:  # zipfile guards its reads, not its count of open members
            member = self._zip.open(entry.where)
        try:
            return member.read(entry.size)
        finally:
            with self._lock:
                member.close()


class TarArchive(Archive):
    """A tar archive; a compressed one is unpacked once, into a temporary file without a name."""

    def _list(self, path: Path) -> Iterator[Entry]:
        unpack = _UNPACKERS.get(path.suffix.lower())
        if unpack is not None:
            packed, self._file = self._file, tempfile.TemporaryFile()  # noqa: SIM115
            weakref.finalize(self, self._file.close)
            with packed:
                self._spool(unpack(packed), os.fstat(packed.fileno()).st_size)
        self._file.seek(0)
        with tarfile.open(
            fileobj=self._file, mode="r:", tarinfo=_Info, errors="surrogateescape"
        ) as tar:
            yield from self._headers(tar)

    def _spool(self, packed: Any, packed_size: int) -> None:
        """Copy what can be unpacked; what is missing at the end is noticed by the headers."""
        size = 0
        with packed:
            try:
                while chunk := packed.read1(_CHUNK):  # read would lose what came before the break
                    size += len(chunk)
                    bound(size, packed_size)
                    write_spool(self._file, chunk)
            except _BROKEN as broken:
                self._fault(f"it breaks off after {size:,} bytes: {broken}")
        self._file.flush()

    def _headers(self, tar: tarfile.TarFile) -> Iterator[Entry]:
        end = self._file.seek(0, os.SEEK_END)
        while (info := self._next(tar)) is not None:
            if not info.isdir():
                fault = _tar_fault(info)
                if fault is None and info.offset_data + info.size > end:
                    fault = "broken_archive", "the archive ends before the member does"
                yield Entry(info.name, info.size, info.offset_data, fault)
        rest = os.pread(self._file.fileno(), _BLOCK, tar.offset)
        if rest.strip(b"\0") or len(rest) < _BLOCK:
            self._fault("its end is missing or damaged; members may be lost")

    def _next(self, tar: tarfile.TarFile) -> tarfile.TarInfo | None:
        try:
            return tar.next()
        except _BROKEN as broken:  # what stands before it is whole
            self._fault(f"it cannot be read to its end: {broken}")
            return None

    def _fault(self, detail: str) -> None:
        if not self.faults:
            self.faults.append(Fault("", "broken_archive", f"{detail}; pack it again"))

    def _read(self, entry: Entry) -> bytes:
        return os.pread(self._file.fileno(), entry.size, entry.where)


class _Info(tarfile.TarInfo):
    """A header whose size cannot lead backwards: tarfile would read it for ever."""

    def _block(self, count: int) -> int:
        if count < 0 or count > 1 << 60:
            raise tarfile.HeaderError("a negative or absurd size")
        return super()._block(count)  # type: ignore[misc, no-any-return]


def open_archive(path: Path) -> Archive:
    """Open a zip or tar archive and list its members.

    Raises
    ------
    ImageError
        With reason ``broken_archive`` or ``archive_bomb``.
    """
    return (ZipArchive if path.name.lower().endswith(".zip") else TarArchive)(path)


def _zip_name(info: zipfile.ZipInfo) -> tuple[str, int]:
    """Return the name and the size; a name without the UTF-8 flag is UTF-8 or nothing we know."""
    name = info.orig_filename
    if not info.flag_bits & _UTF8_FLAG:
        name = name.encode("cp437", "replace").decode("utf-8", "surrogateescape")
    return name, info.file_size


def _zip_fault(info: zipfile.ZipInfo) -> tuple[str, str] | None:
    kind = stat.S_IFMT(info.external_attr >> 16)
    if kind and not stat.S_ISREG(kind):
        return not_a_file(stat.S_ISLNK(kind))
    if info.flag_bits & _ENCRYPTED_FLAGS:
        return "encrypted", "the member is encrypted; pack it again without a password"
    if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
        return "unsupported_format", f"packed by method {info.compress_type}; pack it by deflate"
    return inflation_fault(info.file_size, info.compress_size)


def _tar_fault(info: tarfile.TarInfo) -> tuple[str, str] | None:
    if not info.isreg():
        return not_a_file(info.issym() or info.islnk())
    if info.issparse():
        return "unsupported_format", "a sparse member; pack it again without --sparse"
    return None


def write_spool(spool: IO[bytes], chunk: bytes) -> None:
    """Append to a temporary file; say what to do where there is no room.

    Raises
    ------
    ImageError
        With reason ``unreadable``.
    """
    try:
        spool.write(chunk)
    except OSError as error:
        raise ImageError(
            "unreadable",
            f"it cannot be unpacked in {tempfile.gettempdir()}: {error.strerror}; set TMPDIR to a "
            "folder with more room",
        ) from None


def _broken(why: object) -> ImageError:
    return ImageError("broken_archive", f"the archive is broken: {why}; pack it again")

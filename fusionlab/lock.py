"""One writer a lab: a lock that falls with its holder, and says who that is.

In a folder the lock is the operating system's; it falls with the process, and the note beside it
that names the holder can at most be left over. In an object store it is an object that is put only
where there is none, with a heartbeat: the holder writes it again every `BEAT` seconds, and one that
was not written for `EXPIRY` seconds, by the store's own clock, or whose process is known to be
gone, is taken over. A holder whose lock was taken writes nothing more.
"""

from __future__ import annotations

import getpass
import json
import os
import socket
import sys
import threading
import uuid
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import filelock

from fusionlab.atomic import atomic_write_bytes, storage_errors
from fusionlab.errors import LabError
from fusionlab.objects import ObjectPath

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusionlab.paths import Place

BEAT = 10.0
EXPIRY = 60.0

_LOCK, _NOTE = ".lock", ".lock-holder"

#: Whether it is in an object store -> what names the holder of a folder's lock.
_NOTE_OF = {True: _LOCK, False: _NOTE}


@dataclass(frozen=True)
class Holder:
    """Who holds a lock.

    Attributes
    ----------
    machine : the running kernel and process space that `pid` is a number of; empty if unknown.
    """

    host: str
    pid: int
    user: str
    command: str
    since: str
    machine: str = ""

    @classmethod
    def me(cls) -> Holder:
        """Return this process."""
        try:
            user = getpass.getuser()
        except (OSError, KeyError):  # a user without a name, as in some containers
            user = str(os.getuid())
        command = " ".join([Path(sys.argv[0]).name, *sys.argv[1:]])[:200]
        since = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(socket.gethostname(), os.getpid(), user, command, since, _machine())

    @classmethod
    def read(cls, data: bytes) -> Holder | None:
        """Return the holder that a note names, or None if it is no such note."""
        try:
            found = json.loads(data)
            return cls(**{field.name: found[field.name] for field in fields(cls)})
        except (ValueError, KeyError, TypeError):
            return None

    @property
    def is_gone(self) -> bool:
        """Tell whether the process is known to have ended; of another machine nothing is known."""
        if not self.machine or self.machine != _machine():
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return True
        except OSError:  # it is there, and another user's
            return False
        return False

    def __str__(self) -> str:
        return (
            f"{self.user}'s process {self.pid} on {self.host} ({self.command!r}, "
            f"since {self.since})"
        )


@contextmanager
def hold(folder: Place) -> Iterator[Callable[[], None]]:
    """Hold `folder` for writing.

    Yields
    ------
    A function that raises `LabError` if the lock was lost meanwhile; cheap, for every write.

    Raises
    ------
    LabError
        When another process holds it; the message says who.
    """
    held = _hold_object(folder) if isinstance(folder, ObjectPath) else _hold_folder(folder)
    with held as check:
        yield check


@contextmanager
def _hold_folder(folder: Path) -> Iterator[Callable[[], None]]:
    lock, note = filelock.FileLock(folder / _LOCK, timeout=0), folder / _NOTE
    with storage_errors(folder / _LOCK):
        try:
            lock.acquire()
        except filelock.Timeout:
            holder = read_holder(folder)
            raise _refusal(folder, None if holder is None or holder.is_gone else holder) from None
    try:
        atomic_write_bytes(note, _note_bytes(Holder.me(), ""))
        yield lambda: None
    finally:
        note.unlink(missing_ok=True)
        lock.release()


def read_holder(folder: Place) -> Holder | None:
    """Return who says that they hold `folder`, or held it and ended without a word; else None."""
    try:
        return Holder.read((folder / _NOTE_OF[isinstance(folder, ObjectPath)]).read_bytes())
    except OSError:
        return None


def _note_bytes(holder: Holder, token: str) -> bytes:
    return (json.dumps({**asdict(holder), "token": token}) + "\n").encode()


def _refusal(place: Place, holder: Holder | None, remark: str = "") -> LabError:
    who = f": {holder}" if holder else ""
    return LabError(
        f"{place}: another fusionlab process is writing to this lab{who}; "
        f"wait for it to end{remark}"
    )


@contextmanager
def _hold_object(folder: ObjectPath) -> Iterator[Callable[[], None]]:
    lock = _ObjectLock(folder)
    lock.acquire()
    try:
        yield lock.check
    finally:
        lock.release()


class _ObjectLock:
    """The lock of a lab in an object store."""

    def __init__(self, folder: ObjectPath) -> None:
        self.folder, self.object = folder, folder / _LOCK
        self.me = Holder.me()
        self.tag = ""
        self.lost = ""
        self.ended = threading.Event()
        self.beating = threading.Thread(target=self._beat, daemon=True, name="lock-heartbeat")

    def acquire(self) -> None:
        """Take the lock, or raise who holds it."""
        tag = self.object.write_new(self._content()) or self._take_over()
        if tag is None:
            raise _refusal(
                self.folder,
                Holder.read(self.object.read_bytes()) if self.object.exists() else None,
                f"; if it was killed, its lock falls {EXPIRY:.0f} seconds after its last sign of "
                "life",
            )
        self.tag = tag
        self.beating.start()

    def _take_over(self) -> str | None:
        """Replace a lock whose holder has gone; None if it lives, or another was faster."""
        try:
            tag, written, _ = self.object.head()
            holder = Holder.read(self.object.read_bytes())
        except FileNotFoundError:  # it was released this moment
            return self.object.write_new(self._content())
        if (holder and holder.is_gone) or (self._now() - written).total_seconds() > EXPIRY:
            return self.object.write_over(self._content(), tag)
        return None

    def _now(self) -> datetime:
        """Return the time by the clock of the store, that the age of a lock is told by."""
        probe = self.folder / f"{_LOCK}-probe-{uuid.uuid4().hex}"
        probe.write_bytes(b"")
        try:
            return probe.head()[1]
        finally:
            probe.unlink(missing_ok=True)

    def _content(self) -> bytes:
        # a store may tag equal content equally: the token makes each beat another version
        return _note_bytes(self.me, uuid.uuid4().hex)

    def _beat(self) -> None:
        failed = 0.0
        while not self.ended.wait(BEAT):
            try:
                tag = self.object.write_over(self._content(), self.tag)
            except OSError as error:  # the store did not answer; it may next time
                failed += BEAT
                if failed >= EXPIRY:
                    self.lost = f"the store has not answered for {failed:.0f} s: {error.strerror}"
                continue
            if tag is None:
                self.lost = "another process took it over"
                return
            self.tag, failed = tag, 0.0

    def check(self) -> None:
        """Raise if the lock was lost."""
        if self.lost:
            raise LabError(
                f"{self.folder}: this process has lost its lock on the lab ({self.lost}) and "
                "writes nothing more; run the same command again"
            )

    def release(self) -> None:
        """Stop beating, and remove the lock if it is still this process's."""
        self.ended.set()
        self.beating.join()
        if not self.lost and self.object.exists() and self.object.head()[0] == self.tag:
            self.object.unlink(missing_ok=True)


def _machine() -> str:
    """Return what names this kernel and its process space, or the empty text."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""

"""Run a command on scenes: write the sources, start it, wait, read what it left.

A call has a temporary folder of its own, which is removed with all that is in it. What the command
leaves running, or what runs beyond its time, is ended.
"""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from fusionlab.baselines.exchange import read_result, write_many, write_one
from fusionlab.errors import MethodError
from fusionlab.images import Pixels

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from fusionlab.baselines.commands import Command

#: Of the bytes that a command prints, the last that a reject row tells.
_TAIL = 600

Scenes: TypeAlias = Mapping[str, Sequence[Pixels]]
Results: TypeAlias = dict[str, Pixels | MethodError]

_running: set[subprocess.Popen[bytes]] = set()
_stopped = threading.Event()


def run_command(command: Command, task: str, scenes: Scenes) -> Results:
    """Fuse scenes by a command: all in one call if it takes folders, else one after the other.

    Parameters
    ----------
    task : key of the task.
    scenes : name -> two or more images of one size, uint8 or uint16, gray (H, W) or RGB (H, W, 3).

    Returns
    -------
    For each scene its fused image, of the size of its sources, or why there is none.
    """
    if command.many:
        return _attempt(command, task, scenes)
    results: Results = {}
    for scene, sources in scenes.items():
        results |= _attempt(command, task, {scene: sources})
    return results


@contextmanager
def ending_commands() -> Iterator[None]:
    """End every command of this process, and start none, once an exception leaves the block.

    After a Ctrl-C, whoever closes the workers would wait for their commands.
    """
    _stopped.clear()
    try:
        yield
    except BaseException:
        _stopped.set()
        for process in list(_running):
            _end(process)
        raise


def _attempt(command: Command, task: str, scenes: Scenes) -> Results:
    """Make one call; if it fails as a whole, all its scenes fail."""
    with tempfile.TemporaryDirectory(prefix="fusionlab-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        call = write_many if command.many else write_one
        try:
            words, outputs = call(command, task, scenes, folder)
            _call(command, words, folder, command.timeout * len(scenes))
        except MethodError as error:
            return dict.fromkeys(scenes, error)
        except OSError as error:
            detail = f"its sources cannot be written: {error}; make room, or set TMPDIR"
            return dict.fromkeys(scenes, MethodError("command_failed", detail))
        return {
            scene: read_result(command, task, sources, outputs[scene])
            for scene, sources in scenes.items()
        }


def _call(command: Command, words: list[str], folder: Path, seconds: float) -> None:
    """Run it to its end.

    Raises
    ------
    MethodError
        ``command_failed`` with the last that it printed, or ``command_timeout``.
    """
    try:
        process = subprocess.Popen(  # noqa: S603  the user's own program, and no shell
            words,
            cwd=command.folder or folder,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except (OSError, ValueError) as error:
        why = getattr(error, "strerror", None) or error
        raise MethodError(
            "command_failed",
            f"{words[0]!r} cannot be started: {why}; is it on the PATH, or is its path whole?",
        ) from None
    _running.add(process)
    tail = _Tail(process.stdout)
    try:
        # asked only now, so that whoever sets it finds the command among those that are running
        code = process.wait(0 if _stopped.is_set() else seconds)
    except subprocess.TimeoutExpired:
        raise MethodError(
            "command_timeout",
            f"{words[0]!r} was ended after {seconds:g} s; allow it more with 'timeout'"
            f"{tail.text(process)}",
        ) from None
    finally:
        _end(process)
        _running.discard(process)
    if code != 0:
        how = f"signal {-code}" if code < 0 else f"exit code {code}"
        raise MethodError("command_failed", f"{words[0]!r} ended with {how}{tail.text(process)}")


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill a command with all that it has started."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):  # ended; another's may have its number by now
        return
    process.wait()


class _Tail:
    """The last that a command prints, read as it comes so that it never waits for us."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        self._last = b""
        self._thread = threading.Thread(target=self._read, args=(stream,), daemon=True)
        self._thread.start()

    def _read(self, stream: IO[bytes]) -> None:
        with stream:
            while chunk := os.read(stream.fileno(), 1 << 16):
                self._last = (self._last + chunk)[-_TAIL:]

    def text(self, process: subprocess.Popen[bytes]) -> str:
        """Return what was printed as the end of a sentence, once all writers are gone."""
        _end(process)
        self._thread.join(timeout=5)
        lines = self._last.decode(errors="replace").splitlines()
        told = " | ".join(line.strip() for line in lines if line.strip())
        printable = "".join(c if c.isprintable() else " " for c in told)
        return f"; it said: {printable}" if printable else "; it said nothing"

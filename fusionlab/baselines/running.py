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

from fusionlab.baselines.exchange import finished_scenes, read_result, write_many, write_one
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
        return _divided(command, task, scenes, _attempt(command, task, scenes))
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


def _divided(command: Command, task: str, scenes: Scenes, results: Results) -> Results:
    """Call again for what a failed call left undone, by halves, until who is to blame is alone.

    One image that a network cannot take must not cost those that come after it. Where neither half
    gives anything, the fault is not with a scene, and nothing more is tried.
    """
    left = [name for name, result in results.items() if _failed(result)]
    if len(left) < 2:
        return results
    middle = len(left) // 2
    halves = [{name: scenes[name] for name in part} for part in (left[:middle], left[middle:])]
    tried = [_attempt(command, task, half) for half in halves]
    settled = results | tried[0] | tried[1]
    if not all(_failed(result) for found in tried for result in found.values()):
        for half, found in zip(halves, tried, strict=True):
            settled |= _divided(command, task, half, found)
    return settled


def _failed(result: Pixels | MethodError) -> bool:
    return isinstance(result, MethodError) and result.reason == "command_failed"


def _attempt(command: Command, task: str, scenes: Scenes) -> Results:
    """Make one call; of one that fails, what it has finished before is kept."""
    with tempfile.TemporaryDirectory(prefix="fusionlab-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        write = write_many if command.many else write_one
        try:
            words, outputs = write(command, task, scenes, folder)
        except OSError as error:
            detail = f"its sources cannot be written: {error}; make room, or set TMPDIR"
            return dict.fromkeys(scenes, MethodError("command_failed", detail))
        failure = _call(command, words, folder, command.timeout * len(scenes))
        finished = list(scenes) if failure is None else finished_scenes(command, outputs)
        results: Results = {} if failure is None else dict.fromkeys(scenes, failure)
        for scene in finished:
            results[scene] = read_result(command, task, scenes[scene], outputs[scene])
        return results


def _call(command: Command, words: list[str], folder: Path, seconds: float) -> MethodError | None:
    """Run it to its end; return what went wrong: it failed, or took too long."""
    program = repr(words[0])
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
        hint = "is it on the PATH, or is its path whole?"
        return MethodError("command_failed", f"{program} cannot be started: {why}; {hint}")
    _running.add(process)
    tail = _Tail(process.stdout)
    try:
        # asked only now, so that whoever sets it finds the command among those that are running
        code = process.wait(0 if _stopped.is_set() else seconds)
    except subprocess.TimeoutExpired:
        _end(process)
        code = process.wait()
        if not _stopped.is_set():
            told = f"{program} was ended after {seconds:g} s; allow it more with 'timeout'"
            return MethodError("command_timeout", told + tail.text(process))
    finally:
        _end(process)
        _running.discard(process)
    if code == 0:
        return None
    how = f"signal {-code}" if code < 0 else f"exit code {code}"
    return MethodError("command_failed", f"{program} ended with {how}{tail.text(process)}")


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

"""Run a command on scenes: write the sources, start it, wait, read what it left.

A call has a temporary folder of its own, which is removed with all that is in it. What the command
leaves running, or what runs beyond its time, is ended.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from fusionlab import colour
from fusionlab.errors import ImageError, MethodError
from fusionlab.images import SUFFIXES, Pixels, encode_png, read_image
from fusionlab.tasks import get_task

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import IO

    from fusionlab.baselines.commands import Command

#: Of the bytes that a command prints, the last that a reject row tells.
_TAIL = 600

#: No image that the decoder accepts needs a larger file.
_MAX_BYTES = 1 << 30

Scenes: TypeAlias = Mapping[str, Sequence[Pixels]]
Results: TypeAlias = dict[str, Pixels | MethodError]

_running: set[subprocess.Popen[bytes]] = set()


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
    """End every command of this process when the block is left by an exception, as by Ctrl-C."""
    try:
        yield
    except BaseException:
        for process in list(_running):
            _end(process)
        raise


def _attempt(command: Command, task: str, scenes: Scenes) -> Results:
    """Make one call; if it fails as a whole, all its scenes fail."""
    with tempfile.TemporaryDirectory(prefix="fusionlab-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        call = _write_many if command.many else _write_one
        try:
            words, outputs = call(command, task, scenes, folder)
            _call(command, words, folder, command.timeout * len(scenes))
        except MethodError as error:
            return dict.fromkeys(scenes, error)
        return {
            scene: _result(command, task, sources, outputs[scene])
            for scene, sources in scenes.items()
        }


def _write_one(
    command: Command, task: str, scenes: Scenes, folder: Path
) -> tuple[list[str], dict[str, Path]]:
    """Write the sources of one scene; return the words of the call, and where it is to write."""
    ((scene, sources),) = scenes.items()
    files = []
    for number, source in enumerate(sources):
        letter = "ab"[number] if number < 2 else f"source{number + 1}"
        files.append(_write(command, folder / f"{letter}.png", source))
    out = folder / "out.png"
    values = {"a": files[0], "b": files[1], "out": str(out), "task": task, "scene": scene}
    return command.words(values, files), {scene: out}


def _write_many(
    command: Command, task: str, scenes: Scenes, folder: Path
) -> tuple[list[str], dict[str, Path]]:
    """Write folders of first and second sources, in which numbers stand for the scenes' names."""
    folders = {name: folder / name for name in ("a", "b", "out")}
    for place in folders.values():
        place.mkdir()
    outputs = {}
    for number, (scene, sources) in enumerate(scenes.items()):
        file = f"{number:06d}.png"
        for name, source in zip("ab", sources, strict=False):
            _write(command, folders[name] / file, source)
        outputs[scene] = folders["out"] / file
    values = {f"{name}_dir": str(place) for name, place in folders.items()}
    return command.words(values | {"task": task}), outputs


def _write(command: Command, path: Path, source: Pixels) -> str:
    image = source
    if command.bits == 8 and source.dtype == np.uint16:
        image = colour.to_uint8(colour.to_levels(source))
    if command.colour == "merge":
        levels = colour.luminance(colour.to_levels(image))
        image = colour.to_uint16(levels) if image.dtype == np.uint16 else colour.to_uint8(levels)
    path.write_bytes(encode_png(image))
    return str(path)


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
        code = process.wait(seconds)
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


def _result(
    command: Command, task: str, sources: Sequence[Pixels], output: Path
) -> Pixels | MethodError:
    """Read what a call left for one scene."""
    try:
        pixels = read_image(_found(command, output))
    except ImageError as error:
        return MethodError("no_output", f"it left no image that can be used: {error.detail}")
    except MethodError as error:
        return error
    size = sources[0].shape[:2]
    if pixels.shape[:2] != size:
        return MethodError(
            "wrong_size",
            f"it left an image of {_text(pixels.shape)}, expected {_text(size)} (height x width)",
        )
    return pixels if command.colour == "own" else _coloured(pixels, task, sources)


def _found(command: Command, output: Path) -> Path:
    """Return the file that a call left; many networks choose the ending themselves."""
    files = [output]
    if command.many:
        files = [p for p in output.parent.glob(f"{output.stem}.*") if p.suffix.lower() in SUFFIXES]
    if len(files) > 1:
        names = " and ".join(sorted(p.name for p in files))
        raise MethodError("no_output", f"it left {names} for one scene; let it write one")
    try:
        found = files[0].lstat() if files else None
    except FileNotFoundError:
        found = None
    if found is None or not stat.S_ISREG(found.st_mode):
        raise MethodError("no_output", "it ended well, but left no file for the scene")
    if found.st_size > _MAX_BYTES:
        raise MethodError("no_output", f"it left {found.st_size:,} bytes; {_MAX_BYTES:,} are read")
    return files[0]


def _coloured(pixels: Pixels, task: str, sources: Sequence[Pixels]) -> Pixels:
    """Give a fused luminance the chroma that the task's rule takes from the sources."""
    cbcr = colour.merge_chroma(get_task(task), [colour.to_levels(s) for s in sources])
    y = colour.luminance(colour.to_levels(pixels))
    fused = y if cbcr is None else colour.to_rgb(y, cbcr)
    return colour.to_uint16(fused) if pixels.dtype == np.uint16 else colour.to_uint8(fused)


def _text(shape: Sequence[int]) -> str:
    return "x".join(str(side) for side in shape[:2])

"""A process that forks itself for every command, so that a command starts in no time.

Run as a script. Each line of stdin is one JSON job, each line of stdout its answer::

    {"argv": [...], "lab": ..., "at": n, "how": ..., "signal": s, "log": ...}  ->  {"pid": p}
    {"wait": p}                                              ->  {"code": c} or {"stopped": true}

A job runs the ``fusionlab`` command line in a fork. Just before the n-th write point, which is any
call that changes a file or folder of the lab, the fork sends itself the signal.
"""

from __future__ import annotations

import importlib
import itertools
import json
import os
import sys
from pathlib import Path

_FOR_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_FRESH = os.O_TRUNC | os.O_EXCL

#: Audit event -> which of its arguments are the path that changes and the folder it is relative to.
_CHANGES = {
    "os.rename": (1, 3),
    "os.link": (1, 3),
    "os.remove": (0, 1),
    "os.rmdir": (0, 1),
    "os.mkdir": (0, 2),
    "os.truncate": (0, None),
}

_HEAVY = (
    "cv2",
    "distributed",
    "pyarrow.parquet",
    "fusionlab.cli",
    "fusionlab.ingest",
    "fusionlab.making",
    "fusionlab.scoring",
    "fusionlab.selection",
)


class Trap:
    """An audit hook that counts the write points of a lab and sends a signal at one of them."""

    def __init__(self, job: dict) -> None:
        self.lab, self.at = os.path.abspath(job["lab"]), job.get("at")  # noqa: PTH100
        self.half, self.signal = job.get("how") == "half", job.get("signal")
        self.seen: list[tuple[str, str]] = []
        self.count = itertools.count(1)
        self.sprung = False

    def __call__(self, event: str, arguments: tuple) -> None:
        if self.sprung or (event != "open" and event not in _CHANGES):
            return
        path, flags = _changed(event, arguments)
        if path is None or not f"{path}/".startswith(f"{self.lab}/"):
            return
        if _must_fail(event, Path(path)):
            return
        self.seen.append((event, os.path.relpath(path, self.lab)))
        if next(self.count) == self.at:
            self.sprung = True
            if self.half and flags & _FRESH:
                Path(path).write_bytes(b"half")
            os.kill(os.getpid(), self.signal)


def _must_fail(event: str, path: Path) -> bool:
    """Tell whether the call cannot change anything: the folder is there already, or not yet."""
    return path.is_dir() if event == "os.mkdir" else not path.parent.is_dir()


def _changed(event: str, arguments: tuple) -> tuple[str | None, int]:
    """Return the path that an event is about to change, and the flags it is opened with."""
    if event == "open":
        path, _mode, flags = arguments
        changes = isinstance(path, str | bytes | os.PathLike) and flags & _FOR_WRITING
        return (os.path.abspath(os.fsdecode(path)), flags) if changes else (None, 0)  # noqa: PTH100
    place, relative = _CHANGES[event]
    folder = arguments[relative] if relative is not None and len(arguments) > relative else -1
    base = f"/proc/self/fd/{folder}" if isinstance(folder, int) and folder >= 0 else "."
    if isinstance(arguments[place], int):
        return os.path.realpath(f"/proc/self/fd/{arguments[place]}"), 0
    return os.path.join(os.path.realpath(base), os.fsdecode(arguments[place])), 0  # noqa: PTH118


def _run(job: dict) -> int:
    """Run one command; return its exit code."""
    from fusionlab.cli import main

    sys.argv = ["fusionlab", *job["argv"]]
    trap = Trap(job)
    sys.addaudithook(trap)
    try:
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    finally:
        trap.sprung = True
        if job.get("trace"):
            Path(job["trace"]).write_text(json.dumps(trap.seen))
    return code


def _fork(job: dict) -> int:
    """Start one command; return its process id."""
    pid = os.fork()
    if pid:
        return pid
    code = 70  # what went wrong in here is no exit code of the command line
    try:
        log = os.open(job["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        null = os.open(os.devnull, os.O_RDONLY)
        for number, target in ((null, 0), (log, 1), (log, 2)):
            os.dup2(number, target)
        code = _run(job)
        sys.stdout.flush()
        sys.stderr.flush()
    finally:
        os._exit(code)


def _warm_up() -> None:
    """Do once what every command would do first; nothing here may start a Python thread."""
    import numpy as np

    from fusionlab import metrics

    for name in _HEAVY:
        importlib.import_module(name)
    noise = np.random.default_rng(0).integers(0, 255, (48, 57), dtype=np.uint8)
    metrics.measure(noise, noise, noise, ["EN", "SD", "SF", "AG"])


def serve() -> None:
    """Answer jobs until stdin ends."""
    import threading

    _warm_up()
    assert threading.active_count() == 1, "a fork would lose the other threads"
    for line in sys.stdin:
        job = json.loads(line)
        if "wait" in job:
            _, status = os.waitpid(job["wait"], os.WUNTRACED)
            stopped = os.WIFSTOPPED(status)
            answer = {"stopped": True} if stopped else {"code": os.waitstatus_to_exitcode(status)}
        else:
            answer = {"pid": _fork(job)}
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    serve()

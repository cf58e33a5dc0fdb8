"""Commands that are killed at a write point: started, waited for, and compared."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

#: With this variable set, tests go through everything, not a sample.
THOROUGH = bool(os.environ.get("FUSIONLAB_THOROUGH"))

_ONE_THREAD = dict.fromkeys(
    ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS", "MKL_NUM_THREADS"), "1"
)


@dataclass(frozen=True)
class Command:
    """A command line that runs."""

    nursery: Nursery
    pid: int
    log: Path

    def wait(self) -> int | None:
        """Wait for the end; return the exit code, negative for a signal, None when stopped."""
        return self.nursery.ask(wait=self.pid).get("code")

    def kill(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    @property
    def output(self) -> str:
        """What it has printed, on stdout and stderr."""
        return self.log.read_text()


class Nursery:
    """Starts command lines by forking a process that has imported everything already."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.jobs = folder, 0
        paths = os.pathsep.join(path for path in sys.path if path)
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("forked.py"))],
            env={**os.environ, **_ONE_THREAD, "PYTHONPATH": paths},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def close(self) -> None:
        self.process.communicate()

    def ask(self, **job: object) -> dict:
        """Send one job to the process and return its answer."""
        self.process.stdin.write(json.dumps(job) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def start(self, lab: Path, argv: list[str], **job: object) -> Command:
        """Start a command on `lab`.

        Keywords: ``at`` and ``signal``: the write point, counted from 1, at which it sends itself
        that signal; ``how="half"``: once it has begun the file; ``trace``: where to list the write
        points.
        """
        self.jobs += 1
        log = self.folder / f"{self.jobs}.log"
        pid = self.ask(argv=[*argv, "--lab", str(lab)], lab=str(lab), log=str(log), **job)["pid"]
        return Command(self, pid, log)

    def run(self, lab: Path, argv: list[str]) -> None:
        """Run a command that must succeed."""
        command = self.start(lab, argv)
        assert command.wait() == 0, command.output

    def trace(self, lab: Path, argv: list[str]) -> list[tuple[str, str]]:
        """Run a command to its end; return the event and path of each of its write points."""
        file = self.folder / "trace.json"
        command = self.start(lab, argv, trace=str(file))
        assert command.wait() == 0, command.output
        return [tuple(point) for point in json.loads(file.read_text())]


def kind(point: tuple[str, str]) -> tuple[str, str, str, int]:
    """Return what kind of write a write point is: event, folder of the lab, form of name, depth."""
    event, path = point
    name = "" if event == "os.mkdir" else re.sub(r"[0-9a-f]{32}", "*", Path(path).name)
    folder, depth = path.partition("/")[0] if "/" in path else "", path.count("/")
    return event, folder, re.sub(r"\d+", "0", name), depth


def all_files(folder: Path) -> dict[str, bytes]:
    """Return every file below `folder`, hidden ones too, but for the lock."""
    return {
        str(file.relative_to(folder)): file.read_bytes()
        for file in sorted(folder.rglob("*"))
        if file.is_file() and file.name != ".lock"
    }


def differences(got: dict[str, bytes], want: dict[str, bytes]) -> dict[str, str]:
    """Return file -> how it differs from what it should be."""
    words = dict.fromkeys(want.keys() - got.keys(), "is missing")
    words |= dict.fromkeys(got.keys() - want.keys(), "should not be there")
    both = got.keys() & want.keys()
    return words | {name: "has other bytes" for name in both if got[name] != want[name]}

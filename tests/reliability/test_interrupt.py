"""Ctrl-C: exit 130, a sentence on how to go on, and the next run ends as if there had been none."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from helpers import write_dataset
from reliability.nursery import THOROUGH, Nursery, all_files, differences

COMMANDS = {
    "ingest": ["ingest", "{images}/toy.yaml", "--workers", "2"],
    "score": ["score", "--metrics", "EN,SD,SSIM", "--workers", "2"],
}


@pytest.fixture(scope="module")
def labs(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple]:
    """Return for each command: its arguments, the lab before it, the lab after it."""
    folder = tmp_path_factory.mktemp("whole")
    write_dataset(folder, scenes=12)
    made = {}
    for name, words in COMMANDS.items():
        before = folder / f"before-{name}"
        if (folder / "lab").exists():
            shutil.copytree(folder / "lab", before)
        argv = [word.format(images=folder) for word in words]
        points = nursery.trace(folder / "lab", argv)
        made[name] = (argv, before, all_files(folder / "lab"), len(points))
    return made


def check(code: int | None, output: str) -> None:
    assert code == 130, output
    assert "Traceback" not in output
    assert "Exception" not in output
    assert output.count("run the same command again to go on") == 1
    assert len(output.strip().splitlines()) == 1, output


def start_over(lab: Path, before: Path) -> None:
    shutil.rmtree(lab, ignore_errors=True)
    if before.exists():
        shutil.copytree(before, lab)


def nothing_half_written(lab: Path) -> list[str]:
    """Return what an interrupted run has left; the finished parts of a scoring run may stay."""
    return [name for name in all_files(lab) if "partial" in name]


@pytest.mark.parametrize("name", COMMANDS)
def test_interrupted_at_a_write_point(
    nursery: Nursery, labs: dict[str, tuple], tmp_path: Path, name: str
) -> None:
    argv, before, after, points = labs[name]
    lab = tmp_path / "lab"
    for part in range(1, 20) if THOROUGH else (2, 9, 17):
        start_over(lab, before)
        point = max(5, points * part // 20)
        command = nursery.start(lab, argv, at=point, signal=int(signal.SIGINT))
        check(command.wait(), command.output)
        assert nothing_half_written(lab) == []
        nursery.run(lab, argv)
        assert differences(all_files(lab), after) == {}


@pytest.mark.parametrize("name", COMMANDS)
def test_interrupted_from_the_keyboard(
    nursery: Nursery, labs: dict[str, tuple], tmp_path: Path, name: str
) -> None:
    """The same of a process of its own, which has threads to end and a Python to leave."""
    argv, before, after, _ = labs[name]
    lab = tmp_path / "lab"
    start_over(lab, before)
    wanted = lab / ("images.zarr" if name == "ingest" else "scores")
    process = subprocess.Popen(
        [sys.executable, "-c", "from fusionlab.cli import main; main()", *argv, "--lab", str(lab)],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    while process.poll() is None and not wanted.exists():
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate(timeout=120)
    if process.returncode != 0:  # it may have been quicker
        check(process.returncode, output)
    assert nothing_half_written(lab) == []
    nursery.run(lab, argv)
    assert differences(all_files(lab), after) == {}

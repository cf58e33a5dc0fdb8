"""One writer a lab: the second is refused at once, and a killed first one blocks nobody."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers import METHODS, write_dataset
from reliability.nursery import Command, Nursery, all_files, differences

from fusionlab.lab import Lab

POLICY = "name: one\nversion: 1\nweights:\n  ivf: {EN: 1}\n"


@pytest.fixture(scope="module")
def folder(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a data set, a policy, and a lab that was scored."""
    made = tmp_path_factory.mktemp("lock")
    (made / "one.yaml").write_text(POLICY)
    write_dataset(made, scenes=3, methods=METHODS[:2])
    nursery.run(made / "lab", ["ingest", str(made / "toy.yaml")])
    nursery.run(made / "lab", ["score", "--metrics", "EN"])
    write_dataset(made, scenes=4)  # and more to be ingested
    return made


def commands(folder: Path) -> dict[str, list[str]]:
    return {
        "ingest": ["ingest", str(folder / "toy.yaml")],
        "score": ["score", "--metrics", "EN"],
        "select": ["select", "--name", "x", "--policy", str(folder / "one.yaml")],
    }


@pytest.fixture
def lab(folder: Path, tmp_path: Path) -> Path:
    """Return a copy of that lab, with more to be ingested."""
    return Path(shutil.copytree(folder / "lab", tmp_path / "lab"))


@pytest.fixture
def holder(nursery: Nursery, folder: Path, lab: Path) -> Iterator[Command]:
    """Yield an ingest that stands still in the middle of its writes."""
    command = nursery.start(lab, commands(folder)["ingest"], at=20, signal=int(signal.SIGSTOP))
    assert command.wait() is None, command.output
    yield command
    command.kill(signal.SIGKILL)
    assert command.wait() == -signal.SIGKILL


@pytest.mark.parametrize("second", ["ingest", "score", "select"])
def test_the_second_writer_is_refused_and_changes_nothing(
    nursery: Nursery, folder: Path, lab: Path, holder: Command, second: str
) -> None:
    before = all_files(lab)
    command = nursery.start(lab, commands(folder)[second])
    assert command.wait() == 1
    assert "writing to this lab" in " ".join(command.output.split())
    assert "Traceback" not in command.output
    assert differences(all_files(lab), before) == {}


def test_readers_go_on_meanwhile(nursery: Nursery, lab: Path, holder: Command) -> None:
    nursery.run(lab, ["info"])
    nursery.run(lab, ["verify"])


def test_after_a_kill_the_lab_is_free(nursery: Nursery, folder: Path, lab: Path) -> None:
    argv = commands(folder)
    command = nursery.start(lab, argv["ingest"], at=20, signal=int(signal.SIGKILL))
    assert command.wait() == -signal.SIGKILL
    for stage in ("ingest", "score", "select"):
        nursery.run(lab, argv[stage])
    assert Lab.open(lab).labels("x")["scene"].tolist() == ["s0", "s1", "s2", "s3"]

"""kill -9 at any write point, or any moment: the next run ends as if nothing had happened.

Points are sampled, every kind of file and call among them; FUSIONLAB_THOROUGH=1 takes all.
"""

from __future__ import annotations

import random
import shutil
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers import fuse, sources, write_dataset, write_image
from reliability.nursery import THOROUGH, Nursery, all_files, differences, kind

#: A stage with more write points than this repeats the kinds of the others.
_MANY = 400

POLICY = "name: {name}\nversion: 1\nweights:\n  ivf: {{{weights}}}\n"
STAGES = (
    "ingest into no lab",
    "ingest batch by batch",
    "ingest what has changed",
    "ingest all again",
    "score",
    "score what has changed",
    "make candidates",
    "select",
    "select again",
)


@dataclass(frozen=True)
class Stage:
    """A command, the lab it finds, what it writes to, and the lab that it must leave."""

    argv: list[str]
    before: Path
    points: list[tuple[str, str]]
    after: dict[str, bytes]
    seconds: float


class Story:
    """The life of one lab: what each stage finds and leaves, made once by runs that none disturbs.

    A lab before a stage is a copy; all are used under one path, for the sake of equal arguments.
    """

    def __init__(self, folder: Path, nursery: Nursery) -> None:
        self.folder, self.nursery, self.lab = folder, nursery, folder / "lab"
        self.stages: dict[str, Stage] = {}
        for name, weights in (("one", "EN: 1, SD: 2"), ("two", "SF: 1")):
            (folder / f"{name}.yaml").write_text(POLICY.format(name=name, weights=weights))
        self._many_scenes()
        self._stage("ingest into no lab", "ingest", write_dataset(folder / "old"))
        self._stage("ingest all again", "ingest", folder / "old" / "toy.yaml", "--force")
        self._stage("score", "score", "--metrics", "EN,SD,SF", "--workers", "1")
        self._stage("select", "select", "--name", "best", "--policy", folder / "one.yaml")
        self._stage("select again", "select", "--name", "best", "--policy", folder / "two.yaml")
        self._stage("ingest what has changed", "ingest", changed(folder / "new"), "--prune")
        self._stage("score what has changed", "score", "--metrics", "EN,AG", "--workers", "1")
        self._stage("make candidates", "baselines", "--methods", "max", "--workers", "1")

    def _many_scenes(self) -> None:
        """More than one batch, both when they are read and when they are measured."""
        many = write_dataset(self.folder / "many", scenes=44, size=(16, 20))
        self._stage("ingest batch by batch", "ingest", many)
        shutil.rmtree(self.lab)

    def _stage(self, name: str, *argv: object) -> None:
        before, command = self.folder / name, [str(a) for a in argv]
        if self.lab.exists():
            shutil.copytree(self.lab, before)
        start = time.monotonic()
        points = self.nursery.trace(self.lab, command)
        seconds = time.monotonic() - start
        self.stages[name] = Stage(command, before, points, all_files(self.lab), seconds)

    def restore(self, stage: Stage) -> None:
        shutil.rmtree(self.lab, ignore_errors=True)
        if stage.before.exists():
            shutil.copytree(stage.before, self.lab)

    def kill_at(self, stage: Stage, point: int, how: str) -> None:
        command = self.nursery.start(
            self.lab, stage.argv, at=point, how=how, signal=int(signal.SIGKILL)
        )
        code = command.wait()
        assert code == -signal.SIGKILL, (code, command.output)

    def check(self, stage: Stage) -> str:
        """Run the stage again, to its end, and compare; return what is wrong."""
        command = self.nursery.start(self.lab, stage.argv)
        if command.wait() != 0:
            return command.output
        wrong = differences(all_files(self.lab), stage.after)
        return "; ".join(f"{file} {what}" for file, what in wrong.items())


def changed(folder: Path) -> Path:
    """Write the toy data set again: one scene and one method more, one method less, files changed.

    Scene s1 gets new sources and outputs, one output of s0 changes, another is damaged, and s3
    has another size.
    """
    manifest = write_dataset(folder, scenes=3, methods=("copy_ir", "mean", "noisy"))
    for scene, seed, size in (("s1", 11, (48, 57)), ("s3", 13, (40, 52))):
        a, b = sources(seed, *size)
        images = {"ir": a, "vis": b, "out/mean": fuse("mean", a, b), "out/new": fuse("sharp", a, b)}
        for place, pixels in images.items():
            write_image(folder / "toy" / place / f"{scene}.png", pixels)
    a, b = sources(0)
    write_image(folder / "toy/out/mean/s0.png", fuse("mean", a, b) // 2 + 40)
    (folder / "toy/out/noisy/s0.png").write_bytes(b"\x89PNG\r\n\x1a\nand no more")
    return manifest


@pytest.fixture(scope="module")
def story(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> Story:
    return Story(tmp_path_factory.mktemp("story"), nursery)


def chosen_points(points: list[tuple[str, str]], seed: str) -> Iterator[tuple[int, str]]:
    """Yield point and how: the first of each kind and some by chance; of many, only the latter.

    With FUSIONLAB_THOROUGH all of them, each in every way; 150 by chance of many.
    """
    first = {kind(point): number for number, point in reversed([*enumerate(points, 1)])}
    chance, many = random.Random(seed), len(points) > _MANY
    numbers = set() if many else set(first.values())
    more = (150 if many else len(points)) if THOROUGH else 7 if many else 2
    numbers |= set(chance.sample(range(1, len(points) + 1), more))
    for number in sorted(numbers):
        if points[number - 1][0] != "open":
            yield number, "before"
        elif THOROUGH:
            yield number, "before"
            yield number, "half"
        else:
            yield number, chance.choice(("before", "half"))


@pytest.mark.parametrize("name", STAGES)
def test_killed_at_a_write_point(story: Story, name: str) -> None:
    stage = story.stages[name]
    found = {}
    for point, how in chosen_points(stage.points, name):
        story.restore(stage)
        story.kill_at(stage, point, how)
        found[how, point, *stage.points[point - 1]] = story.check(stage)
    print(f"{name}: {len(found)} kills at {len(stage.points)} write points")
    assert len(found) >= min(6, len(stage.points))
    assert {place: wrong for place, wrong in found.items() if wrong} == {}


@pytest.mark.parametrize("name", STAGES)
def test_killed_again_and_again_before_it_ends(story: Story, name: str) -> None:
    stage, chance = story.stages[name], random.Random(name)
    for _ in range(10 if THOROUGH else 1):
        story.restore(stage)
        for _ in range(3):
            point = chance.randint(1, len(stage.points))
            at = {"at": point, "how": "half", "signal": int(signal.SIGKILL)}
            command = story.nursery.start(story.lab, stage.argv, **at)
            assert command.wait() in (0, -signal.SIGKILL), command.output
        assert story.check(stage) == ""


@pytest.mark.parametrize("name", STAGES)
def test_killed_at_a_random_moment(story: Story, name: str) -> None:
    stage, chance = story.stages[name], random.Random(name)
    for _ in range(20 if THOROUGH else 2):
        story.restore(stage)
        command = story.nursery.start(story.lab, stage.argv)
        moment = chance.uniform(0, stage.seconds)
        time.sleep(moment)
        command.kill(signal.SIGKILL)
        assert command.wait() in (0, -signal.SIGKILL)
        assert story.check(stage) == "", f"after {moment:.3f} s"

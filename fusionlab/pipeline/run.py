"""Running a pipeline: check all stages, pass over what has not changed, call the rest in order."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from fusionlab import __version__, terminal
from fusionlab.errors import FusionLabError, UnknownNameError, UsageError
from fusionlab.paths import to_place
from fusionlab.pipeline.checks import check_stages, image_folders
from fusionlab.pipeline.commands import stage_of
from fusionlab.pipeline.record import RunRecord, StageRecord, last_record, now, versions
from fusionlab.pipeline.state import world_of
from fusionlab.pipeline.view import shown, words

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusionlab.pipeline.commands import Command, Stage
    from fusionlab.pipeline.recipe import Recipe
    from fusionlab.pipeline.state import World
    from fusionlab.pipeline.view import View


@dataclass(frozen=True)
class Pipeline:
    """A pipeline, all stages checked.

    Attributes
    ----------
    lab : local folder of the lab, or None for one in an object store, of which nothing is known
        without asking it: there every stage is called, and finds by itself that nothing is missing.
    unchanged : how many of the first stages need not be called.
    """

    name: str
    about: str
    stages: tuple[Stage, ...]
    lab: Path | None
    world: World
    unchanged: int

    def frame(self) -> list[dict[str, Any]]:
        """Return one row a stage: its name, what is to be done, and its command line."""
        return [
            {
                "stage": stage.name,
                "state": "unchanged" if n < self.unchanged else "to run",
                "command": stage.line,
            }
            for n, stage in enumerate(self.stages)
        ]


def plan(
    name: str,
    recipe: Recipe,
    commands: Mapping[str, Command],
    first: str | None = None,
    last: str | None = None,
) -> Pipeline:
    """Check a pipeline, and find which of its stages need not be called.

    A stage need not be called when the latest run of the pipeline ended it with the same options by
    the same version, and since then nothing has changed: no file of the lab, none that any stage is
    told of. Where something has, stages are called and find by themselves what is missing.

    Parameters
    ----------
    commands : the commands that may be stages, by name.
    first, last : stages; those before and after are left out.

    Raises
    ------
    UsageError
        When a stage is unknown, has a wrong option, or takes labels that no stage before makes.
    """
    filled = recipe.filled()
    if not filled:
        raise UsageError(f"pipeline {name}: has no stages")
    every = [stage_of(stage, given, commands, recipe.place) for stage, given in filled.items()]
    stages = tuple(_between(every, first, last))
    place = to_place(recipe.place)
    lab = place if isinstance(place, Path) else None
    check_stages(stages, lab)
    world = world_of(lab, _beside(stages))
    keys, known = last_record(lab, name) if lab else ([], world)
    count = _common(keys, [_key(stage) for stage in stages])
    if not known.agrees(world, _beside(stages[:count])):
        count = 0
    return Pipeline(name, recipe.about, stages, lab, world, count)


def run(pipeline: Pipeline) -> RunRecord:
    """Call the stages in order; return the record, which is also written into the lab.

    Raises
    ------
    FusionLabError
        Of the stage that fails; those before it are done, and the next run goes on there.
    """
    record = RunRecord(pipeline.name, versions=versions())
    with shown([stage.name for stage in pipeline.stages]) as view:
        for number, stage in enumerate(pipeline.stages):
            if number < pipeline.unchanged:
                record.stages.append(StageRecord(stage.name, stage.line, "unchanged"))
                record.keys.append(_key(stage))
                view.end(stage.name, "unchanged", 0.0, "")
            else:
                _call(stage, pipeline, record, view)
    return record


def _call(stage: Stage, pipeline: Pipeline, record: RunRecord, view: View) -> None:
    """Call one stage, and write down how it ended."""
    note = StageRecord(stage.name, stage.line, "stopped")
    record.stages.append(note)
    before = record.world if record.ended else pipeline.world
    start = time.monotonic()
    view.begin(stage.name)
    try:
        with terminal.relayed(lambda label, *moved: view.advance(stage.name, label, *moved)):
            note.report = stage.call()
        note.verdict = "ran"
        record.keys.append(_key(stage))
    except FusionLabError as error:
        note.verdict, note.error = "failed", str(error)
        raise
    finally:
        note.seconds = round(time.monotonic() - start, 2)
        record.world = world_of(pipeline.lab, _beside(pipeline.stages))
        note.made = before.changed_to(record.world)
        record.ended = now()
        view.end(stage.name, note.verdict, note.seconds, note.error or words(note.report))
        if pipeline.lab and (pipeline.lab / "lab.json").exists():
            record.write(pipeline.lab)


def _key(stage: Stage) -> str:
    """Return what must be the same for a stage to be unchanged."""
    return f"{__version__}: {stage.line}"


def _common(one: Sequence[str], other: Sequence[str]) -> int:
    """Return how many of the first items are the same."""
    count = 0
    for a, b in zip(one, other, strict=False):
        if a != b:
            break
        count += 1
    return count


def _between(stages: Sequence[Stage], first: str | None, last: str | None) -> Sequence[Stage]:
    names = [stage.name for stage in stages]
    for name, option in ((first, "--from"), (last, "--until")):
        if name is not None and name not in names:
            raise UnknownNameError("stage", name, names, option)
    start = names.index(first) if first else 0
    end = names.index(last) + 1 if last else len(names)
    if end <= start:
        raise UsageError(f"--from {first} --until {last}: {last} comes before {first}")
    return stages[start:end]


def _beside(stages: Sequence[Stage]) -> list[Path]:
    """Return the files and folders beside the lab that stages are told of, and those of images."""
    return [path for stage in stages for path in (*stage.paths(), *image_folders(stage))]

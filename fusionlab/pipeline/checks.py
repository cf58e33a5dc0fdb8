"""What can be known to be wrong before the first stage runs: names that nobody knows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionlab.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from fusionlab.pipeline.commands import Stage

#: Commands that make labels, and runs, of the name that is their parameter `name`.
MAKERS = {"select", "mosaic", "refine"}
TRAINERS = {"train"}


def check_stages(stages: Sequence[Stage], lab: Path | None) -> None:
    """Check that labels which a stage takes are there, or are made by a stage before it.

    Raises
    ------
    UsageError
        Names the stage, the labels and what there is.
    """
    if lab is None:
        return  # asking an object store takes as long as the stage itself would
    labels = {file.stem for file in (lab / "labels").glob("*.parquet")}
    runs = {folder.name for folder in (lab / "runs").glob("*") if folder.is_dir()}
    for stage in stages:
        _check(stage, "labels manifest", _names(stage, "labels"), labels)
        if stage.use == "evaluate":
            _check(stage, "run", _runs(stage), runs)
        made = str(stage.values.get("name"))
        if stage.use in MAKERS:
            labels.add(made)
        if stage.use in TRAINERS:
            runs.add(made)


def _check(stage: Stage, kind: str, wanted: Sequence[str], known: set[str]) -> None:
    for name in wanted:
        if name not in known:
            raise UsageError(
                f"stage {stage.name}: {kind} {name!r} is not in the lab, and no stage before makes "
                f"it; there are then: {', '.join(sorted(known)) or 'none'}"
            )


def _names(stage: Stage, option: str) -> list[str]:
    found = stage.values.get(option)
    if found is None:
        return []
    return found if isinstance(found, list) else [str(found)]


def _runs(stage: Stage) -> list[str]:
    """Return the runs that an evaluation names; ``NAME=RUN+RUN`` names several."""
    given = str(stage.values.get("runs") or "")
    texts = [text.rpartition("=")[2] for text in given.split(",") if text.strip()]
    runs = [run for text in texts for run in text.split("+")]
    return [run.strip() for run in runs if "/" not in run]

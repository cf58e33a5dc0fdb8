"""What can be known to be wrong before the first stage runs: names that nobody knows."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from fusionlab.errors import UsageError
from fusionlab.ingest import find_manifest, listed_manifests, name_and_root
from fusionlab.lab import Lab
from fusionlab.splits import check_test

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.pipeline.commands import Stage

#: Commands that make labels, and runs, of the name that is their parameter `name`.
MAKERS = {"select", "mosaic", "refine"}
TRAINERS = {"train"}


def check_stages(stages: Sequence[Stage], lab: Path | None) -> None:
    """Check that what a stage takes is there, or is made by a stage before it.

    Raises
    ------
    UsageError
        Names the stage, the manifest, labels or run that is missing, and what there is; or a scene
        for test that stands for something else.
    """
    for number, stage in enumerate(stages):
        folders = [path for before in stages[:number] for path in before.paths()]
        for manifest in _manifests(stage):
            if not any(Path(manifest).is_relative_to(folder) for folder in folders):
                find_manifest(manifest, stage.values.get("root"))
    if lab is None:
        return  # asking an object store takes as long as the stage itself would
    there = (lab / "lab.json").exists()
    for stage in stages:
        if there and stage.use == "select" and not stage.values.get("resplit"):
            check_test(Lab.open(lab), _listed(stage.values.get("test")))
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


def image_folders(stage: Stage) -> list[Path]:
    """Return the manifests of a stage of ingest that are there, and the folders of their images."""
    found: list[Path] = []
    for manifest in _manifests(stage):
        name = name_and_root(manifest)[0]
        if "/" not in name or Path(name).is_file():  # a file may be made by a stage before
            found += [Path(name), find_manifest(manifest, stage.values.get("root"))[1]]
    return found


def _manifests(stage: Stage) -> list[str]:
    given = stage.values.get("manifests") if stage.use == "ingest" else None
    return listed_manifests(given or ())


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


def _listed(text: str | None) -> list[str]:
    return [name.strip() for name in (text or "").split(",") if name.strip()]


def _runs(stage: Stage) -> list[str]:
    """Return the runs that an evaluation names; ``NAME=RUN+RUN`` names several."""
    texts = [text.rpartition("=")[2] for text in _listed(stage.values.get("runs"))]
    runs = [run for text in texts for run in text.split("+")]
    return [run.strip() for run in runs if "/" not in run]

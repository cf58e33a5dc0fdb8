"""Reading the labels of a lab with their sources: every pixel compared with its digest."""

from __future__ import annotations

import math
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab.colour import luminance, to_levels, to_uint16
from fusionlab.errors import LabError
from fusionlab.labelled import find_labelled, place_of
from fusionlab.memory import check_fits
from fusionlab.splits import completed, groups_of
from fusionlab.tasks import get_task
from fusionlab.training.curated import LEVEL, Curated, Example

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

    from fusionlab.images import Pixels
    from fusionlab.lab import Lab
    from fusionlab.labelled import Labelled

#: Bytes a pixel of an example that is held, and of one that is being read, at most.
_HELD, _READING = 6, 72

#: Whoever else chose a label is a person, and may have chosen what has no total.
_BY_RULE = frozenset({"policy", "mosaic", "refined"})


@dataclass(frozen=True)
class LabelsPlan:
    """What of a labels manifest would be read; only its tables were looked at.

    Attributes
    ----------
    rows : of the manifest, the label of a scene each.
    found : where their pixels are, row by row.
    groups : place -> the first place of those that belong to it, itself counted.
    """

    lab: Lab
    labels: str
    rows: tuple[dict[str, Any], ...]
    found: tuple[Labelled, ...]
    groups: dict[str, str]

    @property
    def bytes(self) -> int:
        """Return the memory that the pixels will take."""
        return _HELD * sum(math.prod(labelled.size) for labelled in self.found)

    @property
    def policy_digest(self) -> str:
        """Return that of the policy that selected the labels; of several, all."""
        return ",".join(sorted({str(row["policy_digest"]) for row in self.rows}))

    def scenes(self) -> dict[str, int]:
        """Return the number of scenes by task."""
        tasks = sorted(str(row["task"]) for row in self.rows)
        return {task: tasks.count(task) for task in dict.fromkeys(tasks)}


def plan_labels(lab: Lab, labels: str, *, tasks: Sequence[str] | None = None) -> LabelsPlan:
    """Find what `read_curated` would read.

    Raises
    ------
    LabError
        When there are no such labels or none of `tasks`, a row has no total or weight, or an image
        is gone or another one than the manifest means.
    UnknownNameError
        For a task that does not exist.
    """
    rows = _rows(lab, labels, tasks)
    for row in rows:
        _check(lab, labels, row)
    found = tuple(find_labelled(lab, rows))
    return LabelsPlan(lab, labels, tuple(rows), found, groups_of(lab, rows))


def read_curated(
    lab: Lab,
    labels: str,
    *,
    tasks: Sequence[str] | None = None,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Curated:
    """Read the labels manifest `labels` with its sources; only the label of a scene counts.

    Parameters
    ----------
    tasks : only labels of these.
    workers : threads that read; as many as there are cores by default.
    on_progress : called with (scenes read, scenes in all).

    Raises
    ------
    LabError
        As `plan_labels`, and when the pixels of an image are not those that the index means.
    UsageError
        When it would not fit into the memory.
    """
    return read_plan(plan_labels(lab, labels, tasks=tasks), workers, on_progress)


def read_plan(
    plan: LabelsPlan,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Curated:
    """Read what was planned; parameters and errors are those of `read_curated`."""
    threads = workers or os.cpu_count() or 1
    largest = max(math.prod(labelled.size) for labelled in plan.found)
    check_fits(
        plan.bytes + threads * _READING * largest,
        f"{plan.lab.path}: labels {plan.labels!r}, {len(plan.rows)} scenes",
        "take fewer tasks (--tasks), or a machine with more memory",
    )

    def read(job: tuple[dict[str, Any], Labelled]) -> Example:
        return _example(plan, *job)

    examples = []
    with ThreadPoolExecutor(threads, thread_name_prefix="read") as pool:
        try:
            for example in pool.map(read, zip(plan.rows, plan.found, strict=True)):
                examples.append(example)
                on_progress(len(examples), len(plan.rows))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return Curated(examples, plan.labels, plan.policy_digest)


def _rows(lab: Lab, labels: str, tasks: Sequence[str] | None) -> list[dict[str, Any]]:
    wanted = None if tasks is None else {get_task(task, "--tasks").key for task in tasks}
    manifest = completed(lab, lab.labels(labels))
    mine = manifest[manifest["place"] == 1]
    if wanted is not None:
        mine = mine[mine["task"].isin(wanted)]
    if mine.empty:
        of = "" if wanted is None else f" of {', '.join(sorted(wanted))}"
        raise LabError(
            f"{lab.path}: the labels manifest {labels!r} has no labels{of} to learn from; select "
            f"some: fusionlab select --lab {lab.path} --name NAME"
        )
    return [{str(key): value for key, value in row.items()} for row in mine.to_dict("records")]


def _check(lab: Lab, labels: str, row: dict[str, Any]) -> None:
    """Refuse a row without a total or weight; what a person chose need not have a total."""
    judged = row["chosen_by"] in _BY_RULE
    wrong = f"total {row['total']}" if judged and not math.isfinite(row["total"]) else ""
    if not 0 <= row["weight"] <= 1:
        wrong = f"weight {row['weight']}"
    if wrong:
        raise LabError(
            f"{lab.labels_path(labels)}: the label of {place_of(row)} has {wrong}; select again: "
            f"fusionlab select --lab {lab.path} --name {labels}"
        )


def _example(plan: LabelsPlan, row: dict[str, Any], labelled: Labelled) -> Example:
    return Example(
        place=labelled.place,
        task=str(row["task"]),
        planes=np.stack([_plane(pixels) for pixels in labelled.read(plan.lab)]),
        weight=float(row["weight"]),
        method=str(row["method"]),
        digests=(str(row["digest_a"]), str(row["digest_b"]), str(row["digest_candidate"])),
        region=str(row["region"]),
        group=plan.groups[labelled.place],
        split=str(row["split"]),
    )


def _plane(pixels: Pixels) -> NDArray[np.uint16]:
    """Return luminance times 257, rounded."""
    if pixels.ndim == 2:  # nothing to round
        return pixels.astype(np.uint16) * (LEVEL if pixels.dtype == np.uint8 else np.uint16(1))
    return to_uint16(luminance(to_levels(pixels)))

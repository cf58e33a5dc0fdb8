"""Export of the labels of a lab with their sources, for training where there is no lab."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from fusionlab.paths import to_place
from fusionlab.training.reading import plan_labels, read_plan
from fusionlab.training.shards import check_target, cut, write_shards

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusionlab.lab import Lab
    from fusionlab.paths import Place


@dataclass
class ExportReport:
    """What one run of export did, or with a dry run would do.

    Attributes
    ----------
    scenes : by task.
    shards : files of pixels; `kept` of them stood from before.
    pixel_bytes : of all scenes; `written_bytes` of the shards that this run wrote.
    digest : of all that is learned from.
    """

    source: str
    labels: str
    target: str
    scenes: dict[str, int] = field(default_factory=dict)
    shards: int = 0
    kept: int = 0
    pixel_bytes: int = 0
    written_bytes: int = 0
    digest: str = ""
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def export(
    lab: Lab,
    labels: str,
    target: Place | str,
    *,
    tasks: Sequence[str] | None = None,
    workers: int | None = None,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ExportReport:
    """Write the labels manifest `labels` and its sources to `target`, as `write_shards` does.

    Parameters
    ----------
    tasks : only labels of these.
    workers : threads that read; as many as there are cores by default.
    dry_run : count, and write nothing.
    on_progress : called with (steps done, steps in all): each scene is read, then written.

    Raises
    ------
    LabError, UsageError
        As `read_curated` and `write_shards`.
    """
    start = time.monotonic()
    target = to_place(target)
    plan = plan_labels(lab, labels, tasks=tasks)
    check_target(target)
    report = ExportReport(str(lab.path), labels, str(target), plan.scenes(), pixel_bytes=plan.bytes)
    if dry_run:
        ordered = sorted(plan.found, key=lambda found: found.place)
        report.shards = len(cut([6 * math.prod(found.size) for found in ordered]))
    else:
        count = len(plan.rows)
        curated = read_plan(plan, workers, lambda done, _: on_progress(done, 2 * count))
        done = write_shards(curated, target, lambda done, _: on_progress(count + done, 2 * count))
        report.shards, report.kept, report.written_bytes = (
            done.shards,
            done.kept,
            done.written_bytes,
        )
        report.digest = curated.digest
    report.seconds = round(time.monotonic() - start, 3)
    return report

"""Probes for the labels of a lab: one set a task, trained on a labels manifest and kept."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from fusionlab import __version__
from fusionlab.devices import check_device
from fusionlab.errors import LabError
from fusionlab.images import join_digests
from fusionlab.refine.examples import draw_labels, read_examples, split
from fusionlab.refine.keeping import Losses, Origin, keep, probes_path
from fusionlab.refine.measures import limits_of
from fusionlab.refine.parts import take_apart
from fusionlab.refine.teaching import Check, Settings, teach
from fusionlab.tasks import TASKS, get_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import pandas as pd
    import torch

    from fusionlab.lab import Lab
    from fusionlab.refine.examples import Example
    from fusionlab.refine.parts import Parts
    from fusionlab.refine.probes import Probes

#: What probes are called that nobody gave a name.
DEFAULT_NAME = "probes"

#: Labels by which the limits are set, those held out first.
_CALIBRATING = 40


@dataclass
class ProbingReport:
    """What one run trained.

    Attributes
    ----------
    trained : task -> scenes learned from, scenes held out, L1 of both stages in gray levels.
    """

    name: str
    labels: str
    trained: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def train_probes(
    lab: Lab,
    labels: str,
    name: str = DEFAULT_NAME,
    *,
    task: str | None = None,
    settings: Settings | None = None,
    device: str = "cpu",
    on_check: Callable[[str, Check], None] = lambda _task, _check: None,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> ProbingReport:
    """Train probes on the labels manifest `labels`, a set for each of its tasks, and keep them.

    The labels are taken for sound: what is unlike them will be taken for damage. Probes of the same
    name are replaced, each set as soon as its training is done.

    Parameters
    ----------
    task : only this one.
    device : of torch, e.g. ``"cuda"``.
    on_check : called with the task at every check of the losses.
    on_progress : called with (steps done, steps in all); fewer are done where a stage ends early.

    Raises
    ------
    LabError
        When there are no such labels, or images are others than they mean.
    UsageError
        For a name, task or device that cannot be.
    """
    start, chosen = time.monotonic(), check_device(device)
    settings = settings or Settings()
    manifest = lab.labels(labels)
    tasks = _tasks(lab, manifest, labels, task)
    paths = {key: probes_path(lab, name, key) for key in tasks}
    report = ProbingReport(name, labels)
    whole = 2 * settings.steps
    for number, (key, path) in enumerate(paths.items()):

        def tell(check: Check, key: str = key, before: int = number * whole) -> None:
            stage = settings.steps * (check.stage == "assembler")
            on_progress(before + stage + check.step, len(paths) * whole)
            on_check(key, check)

        net, origin = _train(lab, manifest, labels, name, key, settings, chosen, tell)
        with lab.writing():
            keep(path, net, origin)
        report.trained[key] = {
            "scenes": origin.scenes,
            "held_out": len(origin.held_out),
            **origin.losses.model_dump(include={"probes", "assembler"}),
        }
    report.seconds = round(time.monotonic() - start, 3)
    return report


def _tasks(lab: Lab, manifest: pd.DataFrame, labels: str, task: str | None) -> list[str]:
    """Return the tasks to train for; LabError where the manifest has no label of any."""
    wanted = list(TASKS) if task is None else [get_task(task, "--task").key]
    found = [key for key in wanted if (manifest["task"] == key).any()]
    if not found:
        of = "" if task is None else f" of {task}"
        raise LabError(
            f"{lab.path}: the labels manifest {labels!r} has no labels{of} to learn from; select "
            f"some: fusionlab select --lab {lab.path} --name NAME"
        )
    return found


def _train(
    lab: Lab,
    manifest: pd.DataFrame,
    labels: str,
    name: str,
    task: str,
    settings: Settings,
    device: torch.device,
    on_check: Callable[[Check], None],
) -> tuple[Probes, Origin]:
    """Train and calibrate the probes of one task."""
    rows = draw_labels(manifest, task, settings.seed)
    learned, held_out = (read_examples(lab, part) for part in split(rows))
    last: dict[str, Check] = {}

    def check(found: Check) -> None:
        best = last.get(found.stage)
        if best is None or found.held_out < best.held_out:
            last[found.stage] = found
        on_check(found)

    net = teach(learned, held_out, settings, device, check)
    sound = [*held_out, *learned][:_CALIBRATING]
    reached = {stage: round(255 * found.held_out, 4) for stage, found in last.items()}
    origin = Origin(
        name=name,
        task=task,
        labels=labels,
        policy_digest=str(rows[0]["policy_digest"]),
        scenes=len(learned),
        held_out=tuple(example.place for example in held_out),
        examples_digest=join_digests([example.digest for example in (*held_out, *learned)]),
        settings=settings,
        losses=Losses(**reached, held_out=bool(held_out)),
        limits=limits_of(_parts(net, sound)),
        software_version=__version__,
    )
    return net, origin


def _parts(net: Probes, examples: Sequence[Example]) -> Iterator[Parts]:
    for example in examples:
        label, *sources = 255 * example.planes
        yield take_apart(net, label, sources)

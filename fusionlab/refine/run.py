"""Refine the labels of a manifest, and write a manifest in which the repaired ones are labels."""

from __future__ import annotations

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.errors import LabError, UsageError
from fusionlab.made import Made, add_made, drop_made
from fusionlab.refine.gate import BEYOND, NO_CHANGE, judges_of
from fusionlab.refine.plan import Plan, plan_dataset
from fusionlab.refine.ways import Way, get_way
from fusionlab.refine.work import Outcome, Settings, refined
from fusionlab.refine.write import refined_name, rejects_of, relabel, totals_of
from fusionlab.schemas import REFINEMENTS, labels_schema, normed_metrics
from fusionlab.scoring.made import score_made
from fusionlab.selection.policy import policy_of
from fusionlab.splits import completed
from fusionlab.store import is_safe_name
from fusionlab.tables import concat, rejects_frame, write_table
from fusionlab.tasks import get_task

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from fusionlab.lab import Lab
    from fusionlab.refine.plan import Job, Key

#: Labels that are held in memory before they are written.
_AT_ONCE = 128


@dataclass
class RefineReport:
    """What one run did.

    Attributes
    ----------
    labels : of the manifest that was read, of the tasks that were asked for.
    refined : labels that were repaired.
    sound : labels in which nothing to repair was found.
    refused : the other labels that stay, by reason.
    left_out : labels that cannot be any more, by reason: their pixels or sources are not there.
    known : how many of all these an earlier run had worked out.
    repaired : kind of damage -> refined labels in which it was repaired.
    """

    name: str
    way: str
    labels: int = 0
    refined: int = 0
    sound: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, int] = field(default_factory=dict)
    known: int = 0
    repaired: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def refine(
    lab: Lab,
    labels: str,
    name: str,
    *,
    way: str | Way = "statistics",
    tasks: Sequence[str] | None = None,
    margin: float = BEYOND,
    workers: int | None = None,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> RefineReport:
    """Repair the labels of the manifest `labels`, and write the manifest `name` that has them.

    `labels` is not changed; labels that are not repaired are in `name` as they are there. A label
    whose pixels or sources are gone, or are others than when it was chosen, is left out. What a
    run before, or one that was killed, worked out from the same pixels is not worked out again.

    Parameters
    ----------
    way : ``statistics``, ``probes``, ``probes:NAME`` (of `fusionlab probes`), or another way.
    tasks : whose labels are refined; all of them by default.
    margin : what the gain of the judges must exceed, in units of its noise.
    workers : threads; as many as there are cores by default.
    dry_run : repair and judge, but write nothing.
    on_progress : called with (steps done, steps in all): one a label, one a scored image.

    Raises
    ------
    LabError
        When no label can be refined or kept, or the lab's pixels are read-only.
    UsageError
        When `name` is `labels`, or the policy leaves no judge.
    """
    start = time.monotonic()
    path = lab.labels_path(name)
    manifest = completed(lab, lab.labels(labels))
    _check_names(labels, name, manifest)
    policy = policy_of(lab, labels)
    wanted = {get_task(task, "--tasks").key for task in tasks or manifest["task"].unique()}
    present = sorted(wanted & set(manifest["task"]))
    for task in present:
        judges_of(policy, task)
    chosen = get_way(way, lab, present) if isinstance(way, str) else way
    report = RefineReport(name, chosen.label)
    settings = Settings(chosen, policy, margin)
    steps = _Steps(on_progress or (lambda _done, _total: None))
    run = _Run(lab, settings, name, workers or os.cpu_count() or 1, dry_run, report, steps)
    first = manifest[(manifest["place"] == 1) & manifest["task"].isin(wanted)]
    if first.empty:
        raise LabError(f"{lab.path}: labels {labels!r} has none of {', '.join(sorted(wanted))}")
    if dry_run:
        run.everything(manifest, first)
    else:
        with lab.writing(pixels=True):
            changed = run.everything(manifest, first)
            schema = labels_schema(normed_metrics(manifest))
            write_table(path, changed, schema, policy.model_dump_json())
    report.seconds = round(time.monotonic() - start, 3)
    return report


def _check_names(labels: str, name: str, manifest: pd.DataFrame) -> None:
    if name == labels or (manifest["method"] == refined_name(name)).any():
        raise UsageError(f"--as {name}: is the manifest that is read; choose another name")
    if not is_safe_name(refined_name(name)):
        raise UsageError(f"--as {name}: is too long; choose a shorter name")


@dataclass
class _Steps:
    """How far a run is."""

    advance: Callable[[int, int], None]
    done: int = 0
    total: int = 0

    def add(self, count: int) -> None:
        self.total += count
        self.advance(self.done, self.total)

    def step(self) -> None:
        self.done += 1
        self.advance(self.done, self.total)


@dataclass(frozen=True)
class _Run:
    """The settings of one run."""

    lab: Lab
    settings: Settings
    name: str
    workers: int
    dry_run: bool
    report: RefineReport
    steps: _Steps

    def everything(self, manifest: pd.DataFrame, first: pd.DataFrame) -> pd.DataFrame:
        """Return the manifest with the labels that were refined."""
        plans = {key: self._plan(key, first[_in(first, key)]) for key in self.lab.datasets()}
        self.steps.add(sum(len(plan.todo) for plan in plans.values()))
        for key, plan in plans.items():
            manifest = self._dataset(key, plan, manifest)
        missing = first[~pd.MultiIndex.from_frame(first[["task", "dataset"]]).isin(plans)]
        manifest = _without(manifest, missing)
        if manifest.empty:
            raise LabError(
                f"{self.lab.path}: no label stands on pixels that are there; select again"
            )
        return manifest

    def _plan(self, key: Key, labels: pd.DataFrame) -> Plan:
        plan = plan_dataset(self.lab, key, labels, refined_name(self.name), self.settings.recipe)
        self.report.labels += len(labels)
        self.report.known += plan.known["scene"].nunique()
        return plan

    def _dataset(self, key: Key, plan: Plan, manifest: pd.DataFrame) -> pd.DataFrame:
        """Refine one data set."""
        rows, rejects = [plan.known], [*plan.left_out]
        gone = {reject["scene"] for reject in plan.left_out}
        for outcomes in self._worked_out(plan.todo):
            found = [{**row, **self._keys(key)} for o in outcomes for row in o.rows]
            rows.append(pd.DataFrame(found, columns=REFINEMENTS.columns.names))
            rejects += [self._reject(o) for o in outcomes if o.reason and not o.rows]
            gone |= {o.job.scene for o in outcomes if not o.valid}
            if not self.dry_run:
                self._store(key, outcomes)
                self.lab.write_refinements(*key, concat([plan.others, *rows], REFINEMENTS))
        table = concat(rows, REFINEMENTS)
        self._count(table, rejects, gone)
        manifest = _without(manifest, manifest[_in(manifest, key) & manifest["scene"].isin(gone)])
        if self.dry_run:
            return manifest
        self._finish(key, plan, table, [*rejects, *rejects_of(table)])
        return self._relabelled(key, table, manifest)

    def _keys(self, key: Key) -> dict[str, str]:
        return {"task": key[0], "dataset": key[1], "name": refined_name(self.name)}

    def _worked_out(self, jobs: list[Job]) -> Iterator[list[Outcome]]:
        """Yield the outcomes of a few labels at a time."""
        one = partial(refined, self.lab, settings=self.settings)
        for start in range(0, len(jobs), _AT_ONCE):
            found = []
            with ThreadPoolExecutor(self.workers, thread_name_prefix="refine") as threads:
                for outcome in threads.map(one, jobs[start : start + _AT_ONCE]):
                    found.append(outcome)
                    self.steps.step()
            yield found

    def _store(self, key: Key, outcomes: list[Outcome]) -> None:
        images = [
            Made(
                outcome.job.scene,
                refined_name(self.name),
                outcome.pixels,
                f"refined {outcome.job.label['method']}",
                "refined",
                outcome.job.label["region"],
            )
            for outcome in outcomes
            if outcome.pixels is not None
        ]
        if images:
            add_made(self.lab, *key, images)

    def _reject(self, outcome: Outcome) -> dict[str, str]:
        name = refined_name(self.name) if outcome.valid else outcome.job.label["method"]
        said = {"reason": outcome.reason, "detail": outcome.detail}
        return {"scene": outcome.job.scene, "role": "method", "name": name, **said}

    def _count(self, table: pd.DataFrame, rejects: list[dict[str, str]], gone: set[str]) -> None:
        """Fill in the numbers of the report."""
        report = self.report
        reasons = table.drop_duplicates("scene")["reason"]
        report.refined += int((reasons == "").sum())
        report.sound += int((reasons == NO_CHANGE).sum())
        out = [r["reason"] for r in rejects if r["scene"] in gone]
        stay = [r["reason"] for r in rejects if r["scene"] not in gone]
        stay += reasons[~reasons.isin(["", NO_CHANGE])].tolist()
        report.left_out = _sum(report.left_out, out)
        report.refused = _sum(report.refused, stay)
        repaired = table[(table["reason"] == "") & (table["change"] > 0)]
        report.repaired = _sum(report.repaired, repaired["kind"].tolist())

    def _finish(
        self, key: Key, plan: Plan, table: pd.DataFrame, rejects: list[dict[str, str]]
    ) -> None:
        """Write what was found, forget what holds no more, and score what was made."""
        lab, name = self.lab, refined_name(self.name)
        if plan.empty:
            return
        scenes = table.loc[table["reason"] == "", "scene"].unique().tolist()
        drop_made(lab, *key, name, scenes)
        lab.write_refinements(*key, concat([plan.others, table], REFINEMENTS))
        lab.replace_rejects("refine", *key, rejects_frame("refine", *key, rejects))
        self.steps.add(len(scenes))
        score_made(lab, *key, name, scenes, workers=self.workers, on_scored=self.steps.step)

    def _relabelled(self, key: Key, table: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
        kept = table[table["reason"] == ""].drop_duplicates("scene")
        if kept.empty:
            return manifest
        labels = dict(zip(kept["scene"], kept["method"], strict=True))
        policy, name = self.settings.policy, refined_name(self.name)
        return relabel(manifest, key, table, totals_of(self.lab, key, policy, name, labels))


def _in(frame: pd.DataFrame, key: Key) -> pd.Series:
    return (frame["task"] == key[0]) & (frame["dataset"] == key[1])


def _without(manifest: pd.DataFrame, labels: pd.DataFrame) -> pd.DataFrame:
    """Return a manifest without the scenes of some labels."""
    place = ["task", "dataset", "scene"]
    gone = pd.MultiIndex.from_frame(manifest[place]).isin(pd.MultiIndex.from_frame(labels[place]))
    return manifest[~gone]


def _sum(counts: dict[str, int], more: list[str]) -> dict[str, int]:
    return dict(sorted((Counter(counts) + Counter(more)).items()))

"""The evaluation: fuse and measure what is missing, then rank, compare and write the tables."""

from __future__ import annotations

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import TYPE_CHECKING, Any, Literal

from fusionlab.errors import LabError, UsageError
from fusionlab.evaluation.field import Field, open_field
from fusionlab.evaluation.kept import Kept
from fusionlab.evaluation.labelled import label_entrants
from fusionlab.evaluation.leaderboard import Entered, results_of
from fusionlab.evaluation.ranking import Ranks, rank_all
from fusionlab.evaluation.seen import check_unseen, parts_of
from fusionlab.evaluation.tables import write_results
from fusionlab.evaluation.work import Job, evaluate_scene
from fusionlab.splits import TRAIN, places_of
from fusionlab.tables import rejects_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    import pandas as pd

    from fusionlab.evaluation.entrants import Entrant
    from fusionlab.lab import Lab

_STAGE = "evaluate"
SeenScenes = Literal["refuse", "skip", "ok"]
Key = tuple[str, str]

#: Scenes that are worked on before what is done is written.
_AT_ONCE = 16


@dataclass
class Evaluation:
    """What one evaluation found.

    Attributes
    ----------
    frames : name -> table, as `fusionlab.evaluation.tables.RESULTS` says.
    entrants : names of what was evaluated, as the leaderboard has them, runs first.
    to_fuse : images that were missing; a dry run only counts them.
    qualities : data set -> quality of the JPEG that images became before they were ranked.
    left_out : data set or scene -> why it takes no part.
    rejected : reason code -> images.
    unlisted : entrants of which nobody knows what they were trained on.
    kept : what is known of each data set.
    """

    frames: dict[str, pd.DataFrame] = field(default_factory=dict)
    entrants: list[str] = field(default_factory=list)
    to_fuse: int = 0
    qualities: dict[str, int] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    rejected: dict[str, int] = field(default_factory=dict)
    unlisted: list[str] = field(default_factory=list)
    seconds: float = 0.0
    kept: list[Kept] = field(default_factory=list)


def evaluate(
    lab: Lab,
    entrants: Sequence[Entrant],
    labels: Sequence[str] | None = None,
    *,
    datasets: Sequence[str] = (),
    metrics: Sequence[str] | None = None,
    seen_scenes: SeenScenes = "refuse",
    workers: int | None = None,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> Evaluation:
    """Rank models and labels among the candidates of a lab, and write the tables of it.

    Nothing else of the lab changes: what is made here is no candidate.

    Parameters
    ----------
    entrants : models; see `open_entrants`.
    labels : manifests, each one more method; all of the lab when None. Metrics that their policies
        weigh are ``seen``.
    datasets : only these; by default all whose candidates have scores.
    metrics : names; by default all that the candidates have scores in, but for those that only tell
        defects, look at the fused image alone, or are kin of what a policy looked at.
    seen_scenes : what of scenes that a model was trained on: leave them out for all where they are
        for training, and else an error; leave them out wherever they are; or rank it there all the
        same.
    workers : threads that measure; as many as there are cores by default.
    dry_run : count what is missing, fuse and write nothing.
    on_progress : called with (images done, images in all).

    Raises
    ------
    LabError
        When nothing has scores, or another process writes to the lab.
    UsageError
        When a model was trained on a scene that is not for training, or there is no such data set,
        labels or metric.
    """
    start = time.monotonic()
    names = lab.labels_names() if labels is None else list(labels)
    found = Evaluation(unlisted=[e.name for e in entrants if e.scenes is None])
    fields = _fields(lab, names, datasets, metrics, found)
    parts = {f.key: {e.name: parts_of(f.index, e.scenes) for e in entrants} for f in fields}
    if seen_scenes == "refuse":
        check_unseen(parts, entrants, _for_training(lab))
    run = _Run(lab, entrants, names, workers, on_progress or (lambda _done, _total: None), found)
    for one in fields:
        out = _trained(parts[one.key]) if seen_scenes != "ok" else set()
        found.left_out |= {f"{one.task}/{one.dataset}/{s}": "trained on" for s in sorted(out)}
        run.plan(one, [s for s in _ranked_scenes(one) if s not in out])
    found.to_fuse = run.total
    if not any(kept.scenes for kept in run.kept.values()):
        raise UsageError("no scene is left to evaluate on: models were trained on all of them")
    if not dry_run:
        with lab.writing():
            ranks = run.everything()
            found.kept = list(run.kept.values())
            found.frames = results_of(lab, [_entered(run, f, ranks, parts) for f in fields])
            write_results(lab, found.frames)
    found.seconds = round(time.monotonic() - start, 3)
    return found


def _ranked_scenes(one: Field) -> list[str]:
    """Return the scenes of a data set that have something to rank against."""
    return sorted(set(one.scores.index.get_level_values("scene")))


def _for_training(lab: Lab) -> set[str]:
    """Return the scenes that stand for training."""
    splits = lab.splits()
    return set(places_of(splits[splits["split"] == TRAIN]))


def _trained(parts: Mapping[str, Mapping[str, str]]) -> set[str]:
    return {s for found in parts.values() for s, part in found.items() if part == TRAIN}


def _fields(
    lab: Lab,
    labels: Sequence[str],
    datasets: Sequence[str],
    metrics: Sequence[str] | None,
    found: Evaluation,
) -> list[Field]:
    """Open the data sets; of those that nobody named, one that cannot be ranked in is left out."""
    fields = []
    for name in labels:
        lab.labels(name)  # there is one of that name
    for key in lab.datasets(names=datasets):
        name = "/".join(key)
        if lab.scores(*key).empty and not datasets:
            found.left_out[name] = "has no scores; fusionlab score gives it some"
            continue
        one = open_field(lab, key, labels, metrics)
        if one.rivals == 0:
            found.left_out[name] = "has no candidates to rank among"
            continue
        if one.quality is not None:
            found.qualities[name] = one.quality
        fields.append(one)
    if not fields:
        raise LabError(
            f"{lab.path}: has no candidates with scores to rank among. Ingest some, then: "
            f"fusionlab score --lab {lab.path}"
        )
    return fields


@dataclass
class _Run:
    """The work of one evaluation, over its data sets."""

    lab: Lab
    entrants: Sequence[Entrant]
    labels: Sequence[str]
    workers: int | None
    advance: Callable[[int, int], None]
    found: Evaluation
    jobs: dict[Key, list[Job]] = field(default_factory=dict)
    kept: dict[Key, Kept] = field(default_factory=dict)
    fields: list[Field] = field(default_factory=list)
    done: int = 0

    @property
    def total(self) -> int:
        """Return how many images are to be fused or measured."""
        return sum(len(job.entrants) for jobs in self.jobs.values() for job in jobs)

    def plan(self, one: Field, scenes: Sequence[str]) -> None:
        """Find out what of one data set is missing."""
        made, borrowed, rejects = label_entrants(self.lab, one, self.labels)
        kept = Kept(self.lab, one, borrowed, rejects)
        self.fields.append(one)
        self.kept[one.key] = kept
        self.jobs[one.key] = []
        for scene in scenes:
            mine = [*self.entrants, *made.get(scene, [])]
            job = kept.missing(one.plans[scene], mine)
            if job.entrants:
                self.jobs[one.key].append(job)

    def everything(self) -> dict[Key, Ranks]:
        """Do what is missing of all data sets, and rank."""
        self.advance(0, self.total)
        rejected: Counter[str] = Counter()
        for one in self.fields:
            rows = [*self.kept[one.key].rejects, *self._work(one)]
            frame = rejects_frame(_STAGE, *one.key, rows)
            self.lab.replace_rejects(_STAGE, *one.key, frame)
            rejected += Counter(row["reason"] for row in rows)
        self.found.rejected = dict(sorted(rejected.items()))
        ranks = {}
        for one in self.fields:
            kept = self.kept[one.key]
            ranks[one.key] = rank_all(one, kept.values(), kept.scenes)
        return ranks

    def _work(self, one: Field) -> list[dict[str, str]]:
        """Fuse and measure what one data set lacks; return what failed."""
        jobs, kept, fusing = self.jobs[one.key], self.kept[one.key], Lock()
        rejects: list[dict[str, str]] = []
        with ThreadPoolExecutor(self.workers, thread_name_prefix="evaluate") as threads:
            for start in range(0, len(jobs), _AT_ONCE):
                batch = jobs[start : start + _AT_ONCE]
                for job, done in zip(
                    batch,
                    threads.map(lambda job: evaluate_scene(self.lab, job, fusing), batch),
                    strict=True,
                ):
                    kept.add(done)
                    rejects += done.rejects
                    self.done += len(job.entrants)
                    self.advance(self.done, self.total)
                kept.write()
        return rejects


def _entered(
    run: _Run,
    one: Field,
    ranks: Mapping[Key, Ranks],
    parts: Mapping[Key, Mapping[str, Mapping[str, str]]],
) -> Entered:
    """Bring together what the tables of one data set are made of."""
    groups = {entrant.name: entrant.group for entrant in run.entrants}
    names = dict.fromkeys([*groups.values(), *(f"labels:{name}" for name in run.labels)])
    run.found.entrants = list(names)
    return Entered(one, ranks[one.key], groups, list(names), parts[one.key])


#: What of an evaluation is no fact for people.
_NOT_SHOWN = ("frames", "kept")


def as_dict(found: Evaluation) -> dict[str, Any]:
    """Return an evaluation for JSON: its facts, and the rows of every table but the scenes'."""
    from fusionlab.terminal import records

    facts = {name: value for name, value in vars(found).items() if name not in _NOT_SHOWN}
    return {**facts, **{n: records(f) for n, f in found.frames.items() if n != "scenes"}}

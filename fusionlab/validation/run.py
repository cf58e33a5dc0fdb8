"""Validation: policies against the truths that a lab has, and against what would fool them."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab import terminal
from fusionlab.errors import LabError, UsageError
from fusionlab.scoring.trials import Request, as_wide, current_trials, score_trials
from fusionlab.selection.choose import is_decoy, measurable
from fusionlab.selection.scored import current_scores
from fusionlab.selection.select import datasets
from fusionlab.selection.traits import candidate_traits
from fusionlab.validation import attacks as attacking
from fusionlab.validation import choices as choosing
from fusionlab.validation.show import decoy_tables, truth_tables
from fusionlab.validation.summary import summarise_attacks, summarise_choices
from fusionlab.validation.truths import truths_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from fusionlab.lab import Lab
    from fusionlab.selection import Policy

    Dataset = tuple[str, str]


@dataclass
class Validation:
    """What a validation found.

    Attributes
    ----------
    choices : one row a scene, truth and policy, see `fusionlab.validation.choices`.
    truths : its summary, one row a task, data set, truth and policy.
    attacks : one row a scene, policy and intruder, see `fusionlab.validation.attacks`.
    decoys : its summary, one row a task, policy and intruder.
    measured : trials that this run measured; `rejected` those that could not be, by reason.
    """

    choices: pd.DataFrame = field(default_factory=pd.DataFrame)
    truths: pd.DataFrame = field(default_factory=pd.DataFrame)
    attacks: pd.DataFrame = field(default_factory=pd.DataFrame)
    decoys: pd.DataFrame = field(default_factory=pd.DataFrame)
    measured: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    @property
    def frames(self) -> dict[str, pd.DataFrame]:
        """Return every frame by its name."""
        names = ("truths", "decoys", "choices", "attacks")
        return {name: getattr(self, name) for name in names}

    def tables(self, against: str) -> Iterator[tuple[str, pd.DataFrame]]:
        """Yield title and frame of what a person reads first."""
        yield from truth_tables(self.truths, against)
        yield from decoy_tables(self.decoys)

    def as_dict(self) -> dict[str, Any]:
        """Return the summaries for JSON."""
        return {
            "truths": terminal.records(self.truths),
            "decoys": terminal.records(self.decoys),
            "measured": self.measured,
            "rejected": self.rejected,
            "seconds": self.seconds,
        }


@dataclass(frozen=True)
class Data:
    """What policies are tried on in one data set: candidates, decoys, and what ingest found."""

    task: str
    dataset: str
    policies: tuple[Policy, ...]
    scores: pd.DataFrame
    decoys: pd.DataFrame
    traits: pd.DataFrame

    @property
    def key(self) -> Dataset:
        """Return task and data set."""
        return self.task, self.dataset


def validate(
    lab: Lab,
    policies: Sequence[Policy],
    against: Policy,
    *,
    task: str | None = None,
    dataset: str | None = None,
    trials: bool = True,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> Validation:
    """Try `policies` on what the lab knows: opinions, references, decoys, spoiled winners.

    Parameters
    ----------
    against : every policy's regret is also compared, scene by scene, with that of this one.
    task, dataset : only these scenes.
    trials : measure the trials that are missing; else what was measured before is used.
    workers : threads that measure them.
    on_progress : called with (trials done, trials in all).

    Raises
    ------
    LabError
        When scores are missing, with the command that measures them.
    UsageError
        When there is no such data set, or two policies have one name.
    """
    start = time.monotonic()
    tried = _distinct([*policies, against])
    data = load_data(lab, tried, task, dataset)
    report = Validation()
    if trials:
        requests = {d.key: [_request(d, policy) for policy in d.policies] for d in data}
        made = score_trials(lab, requests, workers=workers, on_progress=on_progress)
        report.measured, report.rejected = made.measured, made.rejected
    report.choices = _choices(lab, data)
    report.truths = summarise_choices(report.choices, against.name)
    report.attacks = _attacks(lab, data)
    report.decoys = summarise_attacks(report.attacks)
    report.seconds = round(time.monotonic() - start, 3)
    return report


def _distinct(policies: Sequence[Policy]) -> list[Policy]:
    """Return the policies, each once; two that differ must differ in name."""
    by_name: dict[str, Policy] = {}
    for policy in policies:
        known = by_name.setdefault(policy.name, policy)
        if known.digest != policy.digest:
            raise UsageError(
                f"two different policies are called {policy.name!r}; give one another name"
            )
    return list(by_name.values())


def load_data(
    lab: Lab, policies: Sequence[Policy], task: str | None, dataset: str | None
) -> list[Data]:
    """Read the scores of all data sets that are meant; those without candidates are left out.

    A policy without weights for a task takes no part in it.
    """
    keys = datasets(lab, task, dataset)
    able = {t: tuple(p for p in policies if t in p.weights) for t, _ in keys}
    found = [_read(lab, key, able) for key in keys if able[key[0]]]
    data = [d for d in found if len(d.scores)]
    if not data:
        raise LabError(
            f"{lab.path}: no scene has candidates that these policies have weights for; "
            "ingest outputs of methods first"
        )
    return data


def _metrics(able: Iterable[tuple[Policy, str]]) -> list[str]:
    return list(dict.fromkeys(m for policy, task in able for m in policy.task_metrics(task)))


def _read(lab: Lab, key: Dataset, able: Mapping[str, tuple[Policy, ...]]) -> Data:
    task, dataset = key
    try:
        scores = current_scores(lab, *key, _metrics((p, task) for p in able[task]))
    except LabError:  # name the metrics of all tasks at once: they are scored by one command
        current_scores(lab, *key, _metrics((p, t) for t in able for p in able[t]))
        raise
    scores = measurable(scores)
    decoys = is_decoy(scores)
    traits = candidate_traits(lab.index(*key))
    return Data(task, dataset, able[task], scores[~decoys], scores[decoys], traits)


def _request(data: Data, policy: Policy) -> Request:
    chosen = attacking.chosen_by(data.scores, policy, data.task, data.traits)
    return Request(chosen, policy.task_metrics(data.task))


def _choices(lab: Lab, data: Sequence[Data]) -> pd.DataFrame:
    frames = []
    for d in data:
        for truth in truths_of(lab, *d.key):
            found = [choosing.choices(truth, d.scores, p, d.task, d.traits) for p in d.policies]
            found.append(choosing.always(truth))
            of_truth = pd.concat([frame for frame in found if len(frame)], ignore_index=True)
            named = {"task": d.task, "dataset": d.dataset, "truth": truth.name, "unit": truth.unit}
            frames.append(of_truth.assign(**named))
    columns = ["task", "dataset", "truth", "unit", *choosing.COLUMNS]
    if not frames:
        return pd.DataFrame(columns=columns)
    return pd.concat(frames, ignore_index=True)[columns]


def _attacks(lab: Lab, data: Sequence[Data]) -> pd.DataFrame:
    frames = []
    for d in data:
        trials = current_trials(lab, *d.key)
        for policy in d.policies:
            wanted = policy.task_metrics(d.task)
            tried = as_wide(trials, wanted)
            found = attacking.attacks(
                d.scores[wanted], d.decoys[wanted], tried, policy, d.task, d.traits
            )
            frames.append(found.assign(task=d.task, dataset=d.dataset))
    return pd.concat(frames, ignore_index=True)[["task", "dataset", *attacking.COLUMNS]]

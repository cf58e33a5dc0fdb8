"""The field that entrants meet in one data set: its candidates, decoys, metrics and truths."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionlab import metrics as metric_library
from fusionlab.errors import LabError
from fusionlab.evaluation.compression import quality_of
from fusionlab.metrics.registry import family_of
from fusionlab.refine.judges import HALVINGS
from fusionlab.scoring.plan import plan_scenes, stamps_of
from fusionlab.selection.choose import is_decoy
from fusionlab.selection.policy import policy_of
from fusionlab.selection.scored import current_scores, eligible

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from fusionlab.lab import Lab
    from fusionlab.metrics import Metric
    from fusionlab.scoring.plan import ScenePlan

SEEN, UNSEEN, TRUTH = "seen", "unseen", "truth"
GROUPS = (SEEN, UNSEEN, TRUTH)

#: Families that tell defects, for guards, or repeat the bugs of published programs.
_NO_QUALITY = frozenset({"guards", "overdone", "explained", "as_run"})

#: A metric that fewer of the images have numbers in, in shares of the most, is left out.
_MOSTLY = 0.9


@dataclass(frozen=True)
class Field:
    """One data set as an entrant meets it.

    Attributes
    ----------
    index : of the data set.
    plans : scene -> its images.
    groups : metric -> ``seen``, ``unseen`` or ``truth``.
    scores : one row a candidate or decoy, index (scene, method), one column a metric.
    quality : of the JPEG files that the candidates are; None where they are not.
    """

    task: str
    dataset: str
    index: pd.DataFrame
    plans: Mapping[str, ScenePlan]
    groups: Mapping[str, str]
    scores: pd.DataFrame
    quality: int | None

    @property
    def key(self) -> tuple[str, str]:
        """Return task and data set."""
        return self.task, self.dataset

    @property
    def rivals(self) -> int:
        """Return how many candidates have scores."""
        return int((~is_decoy(self.scores)).sum())

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """Return the declarations of the metrics that count."""
        return metric_library.resolve(list(self.groups))


@dataclass(frozen=True)
class Known:
    """What the labels' policies and the refiner looked at when they chose, in one task."""

    weighed: frozenset[str]
    asked: frozenset[str]

    @classmethod
    def of(cls, lab: Lab, labels: Sequence[str], task: str) -> Known:
        """Gather it of some manifests; one without labels of the task says nothing."""
        weighed: set[str] = set()
        asked: set[str] = set()
        for name in labels:
            frame = lab.labels(name)
            mine = frame[frame["task"] == task]
            if mine.empty:
                continue
            policy = policy_of(lab, name)
            weighed |= set(policy.task_weights(task))
            asked |= set(policy.task_metrics(task))
            if (mine["chosen_by"] == "refined").any():
                asked |= set(HALVINGS)
        return cls(frozenset(weighed), frozenset(asked))

    def group_of(self, metric: Metric, named: bool) -> str | None:
        """Return the group of a metric; None where it is to be left out.

        Of metrics that nobody named, those are unseen that look at sources and image, tell quality
        and no defect, and stand on other intermediate values (another family) than all that the
        policy weighed.
        """
        if metric.arity == "reference":
            return TRUTH
        if metric.name in self.weighed:
            return SEEN
        if metric.name in self.asked:
            return None
        family = family_of(metric.name).name
        kin = {family_of(name).name for name in self.weighed | self.asked}
        plain = metric.arity == "sources" and family not in _NO_QUALITY | kin
        return UNSEEN if named or plain else None


def open_field(
    lab: Lab, key: tuple[str, str], labels: Sequence[str], named: Sequence[str] | None = None
) -> Field:
    """Read one data set.

    Parameters
    ----------
    labels : manifests whose policies say what was seen.
    named : metrics; by default all that every candidate has scores in.

    Raises
    ------
    LabError
        When the candidates have no scores, or lack some of `named`.
    """
    index = lab.index(*key)
    known = Known.of(lab, labels, key[0])
    scored = lab.scores(*key)
    if scored.empty:
        raise LabError(
            f"{lab.path}: {key[0]}/{key[1]} has no scores to rank by. Score first: "
            f"fusionlab score --lab {lab.path}"
        )
    able = set(metric_library.names()) & set(scored["metric"].unique())
    chosen = list(named) if named is not None else sorted(able)
    found = {m: known.group_of(metric_library.get(m), named is not None) for m in chosen}
    groups = {metric: group for metric, group in found.items() if group is not None}
    if named is not None:  # tells what is lacking
        current_scores(lab, *key, [m for m, group in groups.items() if group != TRUTH])
    rivals = index[(index["role"] != "method") | index.index.isin(eligible(index).index)]
    plans = {plan.scene: plan for plan in plan_scenes(rivals)}
    scores = _scores(lab, key, plans, groups)
    kept = [str(m) for m in scores] if named is not None else _complete(scores, groups)
    own = {metric: groups[metric] for metric in kept}
    return Field(*key, index, plans, own, scores[kept], quality_of(lab, index))


def _scores(
    lab: Lab, key: tuple[str, str], field_plans: Mapping[str, ScenePlan], groups: Mapping[str, str]
) -> pd.DataFrame:
    """Return the scores of candidates and decoys that stand on the pixels of now."""
    metrics = metric_library.resolve(list(groups))
    wanted = {stamp for plan in field_plans.values() for stamp in plan.stamps(metrics)}
    scores = lab.scores(*key)
    scores = scores[scores["metric"].isin(list(groups))]
    stands = [stamp in wanted for stamp in stamps_of(scores)]
    wide: pd.DataFrame = scores[np.array(stands, dtype=bool)].pivot(
        index=["scene", "method"], columns="metric", values="value"
    )
    return wide


def _complete(scores: pd.DataFrame, groups: Mapping[str, str]) -> list[str]:
    """Return the metrics that as many images have scores in as any; a truth is not everywhere."""
    counts = {str(metric): int(count) for metric, count in scores.count().items()}
    most = max((n for metric, n in counts.items() if groups[metric] != TRUTH), default=0)
    return [m for m, n in counts.items() if groups[m] == TRUTH or n >= _MOSTLY * most]

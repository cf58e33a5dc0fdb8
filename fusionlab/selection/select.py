"""The stage: choose the labels of a lab by a policy, and write them."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.errors import LabError, UsageError
from fusionlab.schemas import labels_schema
from fusionlab.selection.choose import Chosen, choose
from fusionlab.splits import PARTS, plan_split
from fusionlab.tables import read_table, rejects_frame, write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.lab import Lab
    from fusionlab.paths import Place
    from fusionlab.selection.policy import Policy
    from fusionlab.splits import Split


@dataclass
class SelectReport:
    """What one selection did.

    Attributes
    ----------
    labels : scenes that got a pseudo-label.
    ties : labels whose runner-up has the same total.
    stability : median stability of the labels.
    turned_away : guard or flag -> candidates that took no part because of it.
    decoy_wins : decoy -> scenes where it would have won had it been allowed to.
    abstained : scenes without a label because the choice was too doubtful for the policy.
    overridden : labels that a person chose or accepted.
    vetoed : scenes without a label because a person wants none.
    stale_overrides : decisions of people about pixels that are no longer there; not applied.
    unlabelled : all scenes without a label: those, and scenes without any candidate, or with none
        that the policy allows.
    split : labels for train, for validation and for test, and those that are in no part because
        they tie two of them together.
    replaced : the policy that had chosen the labels that stood under this name, if another.
    """

    name: str
    policy: str
    policy_digest: str
    path: str
    labels: int = 0
    ties: int = 0
    stability: float = float("nan")
    turned_away: dict[str, int] = field(default_factory=dict)
    decoy_wins: dict[str, int] = field(default_factory=dict)
    abstained: int = 0
    overridden: int = 0
    vetoed: int = 0
    stale_overrides: int = 0
    unlabelled: int = 0
    split: dict[str, int] = field(default_factory=dict)
    replaced: str = ""
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def select(
    lab: Lab,
    policy: Policy,
    name: str,
    *,
    task: str | None = None,
    dataset: str | None = None,
    top: int = 1,
    shares: tuple[float, float, float] | None = None,
    test: Sequence[str] = (),
    resplit: bool = False,
    dry_run: bool = False,
) -> SelectReport:
    """Choose one candidate a scene by `policy` and write the labels manifest `name`.

    Parameters
    ----------
    task, dataset : choose for these scenes only.
    top : labels a scene at the most, the best first, with soft weights.
    shares, test, resplit : of `fusionlab.splits.plan_split`, the last is its `anew`.
    dry_run : choose and count, but write nothing.

    Raises
    ------
    LabError
        When scores are missing, or no scene gets a label.
    UsageError
        When there is no such data set, `top` is below 1, or a scene would have to move from one
        part of the split to another.
    """
    start = time.monotonic()
    path = lab.labels_path(name)
    if top < 1:
        raise UsageError(f"--top {top}: ask for one label a scene or more")
    keys = datasets(lab, task, dataset)
    chosen = {key: choose(lab, policy, *key, top=top) for key in keys}
    labels = pd.concat([part.labels for part in chosen.values()], ignore_index=True)
    report = SelectReport(name, policy.label, policy.digest, str(path))
    _count(report, labels, list(chosen.values()))
    if labels.empty:
        raise LabError(_no_label(lab, report))
    metrics = list(dict.fromkeys(m for t, _ in keys for m in policy.task_weights(t)))
    schema = labels_schema(metrics)
    report.replaced = _replaced(path, policy)

    def split(labels: pd.DataFrame) -> tuple[pd.DataFrame, Split]:
        found = plan_split(lab, keys, labels, shares=shares, test=test, anew=resplit)
        labels = labels.assign(split=found.column(labels)).reindex(columns=schema.columns.names)
        report.split = _parts(labels)
        return labels, found

    if dry_run:
        split(labels)
    else:
        with lab.writing():
            labels, found = split(labels)
            for key, part in chosen.items():
                rejects = [*part.rejects, *found.rejects(key)]
                lab.replace_rejects("select", *key, rejects_frame("select", *key, rejects))
            found.write(lab, anew=resplit)
            write_table(path, labels, schema, note=policy.model_dump_json())
    report.seconds = round(time.monotonic() - start, 3)
    return report


def datasets(lab: Lab, task: str | None, dataset: str | None) -> list[tuple[str, str]]:
    """Return the data sets of a lab that are meant; None means any.

    Raises
    ------
    UsageError
        When there is none.
    """
    keys = [k for k in lab.datasets() if task in (None, k[0]) and dataset in (None, k[1])]
    if not keys:
        held = ", ".join("/".join(key) for key in lab.datasets()) or "nothing yet"
        wanted = f"{task or '*'}/{dataset or '*'}"
        raise UsageError(f"{lab.path}: no data set is {wanted}; the lab holds {held}")
    return keys


def _count(report: SelectReport, labels: pd.DataFrame, parts: list[Chosen]) -> None:
    """Fill in the numbers of the report."""
    first = labels[labels["place"] == 1]
    report.labels = len(first)
    report.ties = int(first["tied"].sum())
    report.stability = round(float(first["stability"].median()), 4)
    wins = first.loc[first["decoy"] != "", "decoy"].value_counts()
    report.decoy_wins = {str(decoy): int(count) for decoy, count in wins.items()}
    away = pd.concat([part.turned_away for part in parts]).value_counts()
    report.turned_away = {str(reason): int(count) for reason, count in away.items()}
    rejects = [row for part in parts for row in part.rejects]
    report.overridden = int((first["chosen_by"] != "policy").sum())
    counts = Counter(row["reason"] for row in rejects)
    report.abstained, report.vetoed = counts["abstained"], counts["vetoed"]
    report.stale_overrides = counts["stale_override"]
    report.unlabelled = sum(row["role"] == "scene" for row in rejects)


def _parts(labels: pd.DataFrame) -> dict[str, int]:
    """Return how many labels each part has."""
    counts = labels.loc[labels["place"] == 1, "split"].value_counts()
    return {part or "none": int(counts[part]) for part in (*PARTS, "") if part in counts}


def _no_label(lab: Lab, report: SelectReport) -> str:
    if report.vetoed:
        return (
            f"{lab.path}: no scene gets a label, and people vetoed {report.vetoed}; see: "
            f"fusionlab overrides --lab {lab.path}"
        )
    if report.abstained:
        return (
            f"{lab.path}: policy {report.policy} abstains on all {report.abstained} scenes that it "
            "could choose in; lower its 'abstain' thresholds"
        )
    if report.turned_away:
        return (
            f"{lab.path}: no scene has a candidate that policy {report.policy} allows; turned away "
            f"{report.turned_away}. Look at them: fusionlab validate --lab {lab.path}"
        )
    return f"{lab.path}: no scene has a candidate; ingest outputs of methods first"


def _replaced(path: Place, policy: Policy) -> str:
    """Return the other policy that chose what stands at `path`, or the empty text."""
    if not path.exists():
        return ""
    old = read_table(path)[["policy", "policy_digest"]].iloc[0]
    return "" if old["policy_digest"] == policy.digest else str(old["policy"])

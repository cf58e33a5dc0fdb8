"""What changed from one labels manifest to another, scene by scene, and why."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd
from pydantic import ValidationError

from fusionlab.audit.ranked import in_words, rank_again, shares
from fusionlab.errors import ConfigError, LabError
from fusionlab.lab import Lab
from fusionlab.overrides import standing
from fusionlab.paths import to_place
from fusionlab.selection.policy import Policy
from fusionlab.tables import read_labels, read_note

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.paths import Place

_SCENE = ["task", "dataset", "scene"]
_TOLD = ["method", "margin", "stability", "chosen_by"]
_DIGESTS = ["digest_a", "digest_b", "digest_candidate"]

#: What `diff` gives as the reason of a change, in the order in which it is looked for.
REASONS = {
    "overridden": "a person chose one of the two, or vetoed the scene",
    "mosaic": "one of the two is a mosaic of several candidates",
    "refined": "one of the two is a label that was repaired",
    "gone": "the candidate is not in the lab any more",
    "pixels": "the pixels of a candidate or source have changed",
    "turned_away": "one of the policies let one of the two take no part",
    "new": "the first policy chooses the other one too, by the scores there are now",
    "metrics": "the policies weigh differently: the totals under the second one say how",
    "scores": "the second policy would choose otherwise by the scores there are now",
    "no_label": "one of the two has no label there",
    "unknown": "the policy of the second, or the scores that it wants, are not there",
}


@dataclass(frozen=True)
class Manifest:
    """A labels manifest.

    Attributes
    ----------
    name : as it was given.
    labels : one row a scene.
    policy : None where the file does not say, or not as this FusionLab understands it.
    """

    name: str
    labels: pd.DataFrame
    policy: Policy | None


def open_manifest(lab: Lab, name: str) -> Manifest:
    """Open a labels manifest of a lab by its name, or any by its path (``FOLDER/FILE.parquet``).

    Raises
    ------
    LabError
        When there is no such file, or no such labels in the lab.
    """
    if name.endswith(".parquet") or "/" in name:
        path = to_place(name)
        if not path.exists():
            raise LabError(f"{path}: there is no such file; name labels, or the file of some")
        labels = read_labels(path)
    else:
        path, labels = lab.labels_path(name), lab.labels(name)
    lacking = {*_SCENE, *_TOLD, *_DIGESTS} - set(labels.columns)
    if lacking:
        raise LabError(f"{path}: is no labels manifest, it lacks {', '.join(sorted(lacking))}")
    try:
        policy = Policy.model_validate_json(read_note(path))
    except ValidationError:
        policy = None
    return Manifest(name, labels[labels["place"] == 1], policy)


def diff(a: str, b: str, lab: Lab | Place | str = "lab") -> pd.DataFrame:
    """Compare two labels manifests.

    Parameters
    ----------
    a, b : names in the lab, or paths of manifests.

    Returns
    -------
    One row a scene that either has: ``task, dataset, scene``, ``change`` (same, changed, only_a or
    only_b), and of both ``method, margin, stability, chosen_by`` with ``_a`` and ``_b`` behind;
    ``reason``, a key of `REASONS`, and ``detail``, a sentence; then for each metric of the second
    policy ``delta_<metric>``, its part of the lead of b's label over a's under that policy.

    Raises
    ------
    LabError
        When there is no lab, or no such labels.
    """
    opened = Lab.of(lab)
    first, second = open_manifest(opened, a), open_manifest(opened, b)
    both = _beside(first.labels, second.labels)
    told = pd.DataFrame("", index=both.index, columns=["reason", "detail"])
    deltas: dict[Any, dict[str, float]] = {}
    decisions = standing(opened)
    vetoed = decisions[decisions["verdict"] == "veto"].set_index(_SCENE)["by"].to_dict()
    for key, mine in both[both["change"] != "same"].groupby(["task", "dataset"]):
        place = str(key[0]), str(key[1])
        evidence = _Evidence(opened, *place, first, second, vetoed)
        for number, record in zip(mine.index, mine.to_dict("records"), strict=True):
            row = {str(column): value for column, value in record.items()}
            told.loc[number] = evidence.reason(row)
            deltas[number] = evidence.deltas(row)
    frame = pd.DataFrame.from_dict(deltas, orient="index").reindex(both.index)
    frame.columns = [f"delta_{metric}" for metric in frame.columns]
    return pd.concat([both.drop(columns=_both(_DIGESTS)), told, frame], axis=1)


def summary(changes: pd.DataFrame) -> pd.DataFrame:
    """Return by task how many labels are the same, changed, or only in one of the two."""
    kinds = pd.CategoricalDtype(["same", "changed", "only_a", "only_b"])
    counts = pd.crosstab(changes["task"], changes["change"].astype(kinds), dropna=False)
    counts.columns = pd.Index([str(kind) for kind in counts.columns])
    return counts.reset_index()


def _both(columns: list[str]) -> list[str]:
    return [f"{column}_{side}" for side in "ab" for column in columns]


def _beside(a: pd.DataFrame, b: pd.DataFrame) -> pd.DataFrame:
    """Return the scenes of both, with what either says, and what kind of change it is."""
    wanted = [*_SCENE, *_TOLD, *_DIGESTS]
    both = a[wanted].merge(
        b[wanted], on=_SCENE, how="outer", suffixes=("_a", "_b"), indicator="change"
    )
    names = {"left_only": "only_a", "right_only": "only_b", "both": "changed"}
    both["change"] = both["change"].astype(str).map(names)
    equal = [both[f"{c}_a"].eq(both[f"{c}_b"]) for c in ("method", *_DIGESTS)]
    both.loc[pd.concat(equal, axis=1).all(axis=1), "change"] = "same"
    texts = _both(["method", "chosen_by", *_DIGESTS])
    both[texts] = both[texts].fillna("")
    return both[[*_SCENE, "change", *_both(_TOLD), *_both(_DIGESTS)]]


class _Evidence:
    """What explains the changes in one data set."""

    def __init__(
        self,
        lab: Lab,
        task: str,
        dataset: str,
        first: Manifest,
        second: Manifest,
        vetoed: Mapping[Any, str],
    ) -> None:
        self.place, self.vetoed = (task, dataset), vetoed
        self.first, self.second = first, second
        index = lab.index(task, dataset)
        methods = index[index["role"] == "method"]
        self.now = methods.set_index(["scene", "name"])["digest"].to_dict()
        self.under = {m.name: _under(lab, m.policy, task, dataset) for m in (first, second)}
        rejects = lab.rejects()
        mine = (rejects["stage"] == "select") & (rejects["role"] == "scene")
        mine &= (rejects["task"] == task) & (rejects["dataset"] == dataset)
        self.refused = rejects[mine].set_index("scene")["reason"].to_dict()

    def reason(self, row: Mapping[str, Any]) -> tuple[str, str]:
        """Return the first reason that holds: its code, and a sentence."""
        looked = (self._person, self._missing, self._pixels, self._turned_away, self._policies)
        return next((found for look in looked if (found := look(row))), ("unknown", ""))

    def _person(self, row: Mapping[str, Any]) -> tuple[str, str] | None:
        for side, manifest in (("b", self.second), ("a", self.first)):
            who = row[f"chosen_by_{side}"]
            if who == "mosaic":
                return "mosaic", f"{row[f'method_{side}']} is a mosaic in {manifest.name}"
            if who == "refined":
                return "refined", self._refined(row[f"method_{side}"], row["scene"], manifest)
            if who and who != "policy":
                return "overridden", f"{who} chose {row[f'method_{side}']} in {manifest.name}"
        place = (*self.place, row["scene"])
        if row["change"] != "changed" and place in self.vetoed:
            return "overridden", f"{self.vetoed[place]} vetoed the scene"
        return None

    def _refined(self, method: str, scene: str, manifest: Manifest) -> str:
        labels = manifest.labels
        here = (labels["task"] == self.place[0]) & (labels["dataset"] == self.place[1])
        label = labels[here & (labels["scene"] == scene)].iloc[0]
        return f"{method} is {label['runner_up']}, {label['because']}"

    def _missing(self, row: Mapping[str, Any]) -> tuple[str, str] | None:
        if row["change"] == "changed":
            return None
        without = self.second if row["change"] == "only_a" else self.first
        why = self.refused.get(row["scene"], "")
        last = f"; the last selection says: {why}" if why else ""
        return "no_label", f"{without.name} has no label for it{last}"

    def _pixels(self, row: Mapping[str, Any]) -> tuple[str, str] | None:
        if row["digest_a_a"] != row["digest_a_b"] or row["digest_b_a"] != row["digest_b_b"]:
            return "pixels", "the sources have changed from one to the other"
        for side in "ab":
            method = row[f"method_{side}"]
            now = self.now.get((row["scene"], method))
            if now is None:
                return "gone", f"{method} is not in the lab any more"
            if now != row[f"digest_candidate_{side}"]:
                return "pixels", f"the pixels of {method} have changed since"
        return None

    def _turned_away(self, row: Mapping[str, Any]) -> tuple[str, str] | None:
        sides = ((self.second, row["method_a"]), (self.first, row["method_b"]))
        for manifest, method in sides:
            under = self.under[manifest.name]
            why = under and under.turned_away.get((row["scene"], method))
            if why:
                return "turned_away", f"{manifest.name} turns {method} away: {why}"
        return None

    def _policies(self, row: Mapping[str, Any]) -> tuple[str, str] | None:
        scene, a, b = row["scene"], row["method_a"], row["method_b"]
        before, after = self.under[self.first.name], self.under[self.second.name]
        if before is not None and before.winners.get(scene) == b:
            said = f"the policy of {self.first.name} chooses {b} too by the scores there are now"
            return "new", f"{said}: candidates or scores came after it"
        parts = self.deltas(row)
        if after is None or not parts:
            return None
        lead = f"{b} leads {a} by {sum(parts.values()):.4f} under the policy of {self.second.name}"
        if after.winners.get(scene) != b:
            return (
                "scores",
                f"{after.winners.get(scene)} would be chosen by the scores there are now",
            )
        return "metrics", f"{lead}, made of {in_words(parts)}"

    def deltas(self, row: Mapping[str, Any]) -> dict[str, float]:
        """Return what b's lead over a is made of under the policy of b."""
        under = self.under[self.second.name]
        if under is None or row["change"] != "changed":
            return {}
        first, second = (under.rows.get((row["scene"], row[f"method_{side}"])) for side in "ba")
        return shares(first, second, under.weights) if first and second else {}


@dataclass(frozen=True)
class _Under:
    """One data set under one policy, by scene and method.

    Attributes
    ----------
    rows : what each candidate that takes part has got, as in `Ranked.real`.
    winners : scene -> method.
    turned_away : the guard or flag by which a candidate takes no part.
    """

    weights: Mapping[str, float]
    rows: Mapping[tuple[str, str], dict[str, Any]]
    winners: Mapping[str, str]
    turned_away: Mapping[tuple[str, str], str]


def _under(lab: Lab, policy: Policy | None, task: str, dataset: str) -> _Under | None:
    """Rank a data set as a policy would now; None where that cannot be."""
    if policy is None:
        return None
    try:
        ranked = rank_again(lab, policy, task, dataset)
    except (LabError, ConfigError):  # scores or weights are missing: the labels can be compared yet
        return None
    real, away = ranked.real.to_dict("records"), ranked.away[ranked.away != ""]
    return _Under(
        ranked.weights,
        {(row["scene"], row["method"]): {str(k): v for k, v in row.items()} for row in real},
        {row["scene"]: row["method"] for row in real if row["place"] == 1},
        dict(zip(away.index.tolist(), away.tolist(), strict=True)),
    )

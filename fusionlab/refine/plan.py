"""What is to be refined of a data set: the images of its labels, and what is known of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from fusionlab.images import join_digests

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd

    from fusionlab.lab import Lab

#: Task and data set.
Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True)
class Job:
    """One label to refine.

    Attributes
    ----------
    label : its row of the manifest.
    candidate : the row of the index of its pixels.
    sources : those of its sources, in order.
    """

    label: Mapping[str, Any]
    candidate: Mapping[str, Any]
    sources: Sequence[Mapping[str, Any]]

    @property
    def scene(self) -> str:
        """Return the name of the scene."""
        return str(self.label["scene"])

    @property
    def sources_digest(self) -> str:
        """Return one digest for the sources."""
        return join_digests([row["digest"] for row in self.sources])


@dataclass(frozen=True)
class Plan:
    """What is to be done in one data set.

    Attributes
    ----------
    todo : labels to refine.
    known : rows of the table of refinements that still hold.
    others : its rows of other labels manifests.
    left_out : rejects.
    empty : whether there is neither a label nor anything that an earlier run left.
    """

    todo: list[Job]
    known: pd.DataFrame
    others: pd.DataFrame
    left_out: list[dict[str, str]]
    empty: bool


def plan_dataset(lab: Lab, key: Key, labels: pd.DataFrame, name: str, recipe: str) -> Plan:
    """Find out which labels of a data set a run before has not worked out.

    Parameters
    ----------
    labels : first places of the manifest, of this data set.
    name : what refined labels are called as candidates.
    recipe : digest of everything but pixels that an outcome depends on.
    """
    index = lab.index(*key)
    jobs, left_out = jobs_of(index, _records(labels))
    table = lab.refinements(*key)
    mine = table["name"] == name
    known = table[mine & (table["recipe"] == recipe)]
    stored = index[(index["role"] == "method") & (index["name"] == name)]
    digests = dict(zip(stored["scene"], stored["digest"], strict=True))
    outcomes = {str(row["scene"]): row for row in _records(known)}
    todo = [job for job in jobs if not _holds(outcomes.get(job.scene), job, digests)]
    done = {job.scene for job in jobs} - {job.scene for job in todo}
    empty = labels.empty and stored.empty and not mine.any()
    return Plan(todo, known[known["scene"].isin(done)], table[~mine], left_out, empty)


def jobs_of(
    index: pd.DataFrame, labels: Sequence[Mapping[str, Any]]
) -> tuple[list[Job], list[dict[str, str]]]:
    """Find the images of the labels of one data set.

    Returns
    -------
    What is to be refined; and as rejects the labels whose pixels or sources are not in the index,
    or are others than when they were chosen.
    """
    rows: dict[str, dict[tuple[str, str], dict[str, Any]]] = {}
    wanted = index["scene"].isin([label["scene"] for label in labels])
    wanted &= (index["role"] == "source") | index["name"].isin([x["method"] for x in labels])
    for row in _records(index[wanted]):
        rows.setdefault(row["scene"], {})[row["role"], row["name"]] = row
    jobs, changed = [], []
    for label in labels:
        mine = rows.get(label["scene"], {})
        candidate = mine.get(("method", label["method"]))
        sources = sorted(
            (row for (role, _), row in mine.items() if role == "source"),
            key=lambda row: int(row["position"]),
        )
        if candidate is None or candidate["digest"] != label["digest_candidate"]:
            changed.append(_reject(label, "refine_label_changed", "its pixels"))
        elif [s["digest"] for s in sources[:2]] != [label["digest_a"], label["digest_b"]]:
            changed.append(_reject(label, "refine_sources_changed", "its sources"))
        else:
            jobs.append(Job(label, candidate, sources))
    return jobs, changed


def _holds(row: dict[str, Any] | None, job: Job, stored: dict[str, str]) -> bool:
    """Tell whether what an earlier run worked out of a label is what this one would."""
    return (
        row is not None
        and row["digest_before"] == job.candidate["digest"]
        and row["sources_digest"] == job.sources_digest
        and row["method"] == job.label["method"]
        and (bool(row["reason"]) or row["digest_after"] == stored.get(job.scene))
    )


def _records(frame: pd.DataFrame) -> list[dict[str, Any]]:
    return [{str(k): v for k, v in row.items()} for row in frame.to_dict("records")]


def _reject(label: Mapping[str, Any], reason: str, what: str) -> dict[str, str]:
    return {
        "scene": label["scene"],
        "role": "method",
        "name": label["method"],
        "reason": reason,
        "detail": f"{what} are gone, or others than when it was chosen; select again",
    }

"""Looking after a lab: what is in it, and whether its pixels are still the ones it was given."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.errors import LabError
from fusionlab.images import digest
from fusionlab.splits import PARTS, completed
from fusionlab.store import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from fusionlab.lab import Lab

#: Images handed to the threads ahead of the one that is waited for: enough to keep them busy.
_AHEAD = 256


@dataclass
class VerifyReport:
    """What `verify` found.

    Attributes
    ----------
    images : images that the index names.
    wrong : one dictionary an image whose pixels are not those of the index: ``task, dataset,
        scene, role, name, file`` and ``finding``, a sentence.
    """

    images: int = 0
    wrong: list[dict[str, str]] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def info(lab: Lab) -> pd.DataFrame:
    """Return what `lab` holds, one row a data set.

    Columns ``task, dataset, scenes, methods, images, references, metrics`` (how many metrics have
    scores), ``scores`` (rows), ``rejects`` (rows of all stages).
    """
    rejects = lab.rejects()
    rows = []
    for task, dataset in lab.datasets():
        index, scores = lab.index(task, dataset), lab.scores(task, dataset)
        of_role = index.groupby("role")["name"]
        mine = (rejects["task"] == task) & (rejects["dataset"] == dataset)
        rows.append(
            {
                "task": task,
                "dataset": dataset,
                "scenes": index.loc[index["role"] == "source", "scene"].nunique(),
                "methods": int(of_role.nunique().get("method", 0)),
                "images": len(index),
                "references": int(of_role.size().get("reference", 0)),
                "metrics": scores["metric"].nunique(),
                "scores": len(scores),
                "rejects": int(mine.sum()),
            }
        )
    columns = ["task", "dataset", "scenes", "methods", "images", "references"]
    return pd.DataFrame(rows, columns=[*columns, "metrics", "scores", "rejects"])


def labels_info(lab: Lab) -> pd.DataFrame:
    """Return the labels manifests of `lab`, one row a manifest and task.

    Columns ``name, policy, task, labels, ties``, and how many labels are for ``train``,
    ``validation`` and ``test``.
    """
    rows = []
    for name in lab.labels_names():
        labels = completed(lab, lab.labels(name))
        for task, mine in labels[labels["place"] == 1].groupby("task"):
            policies = ", ".join(sorted(mine["policy"].unique()))
            facts = {"name": name, "policy": policies, "task": str(task), "labels": len(mine)}
            parts = {part: int((mine["split"] == part).sum()) for part in PARTS}
            rows.append({**facts, "ties": int(mine["tied"].sum()), **parts})
    return pd.DataFrame(rows, columns=["name", "policy", "task", "labels", "ties", *PARTS])


def verify(
    lab: Lab,
    *,
    workers: int | None = None,
    on_progress: Callable[[int, int], None] | None = None,
) -> VerifyReport:
    """Read every image that the index names and compare its pixels with their digest.

    A deleted, damaged or overwritten chunk is found; nothing is changed.

    Parameters
    ----------
    workers : threads that read; as many as there are cores by default.
    on_progress : called with (images done, images in all).
    """
    report = VerifyReport()
    advance = on_progress or (lambda _done, _total: None)
    indices = {key: lab.index(*key) for key in lab.datasets()}
    total = sum(len(index) for index in indices.values())
    advance(0, total)
    with ThreadPoolExecutor(workers or os.cpu_count() or 1, thread_name_prefix="verify") as pool:
        for index in indices.values():
            for start in range(0, len(index), _AHEAD):
                rows = index.iloc[start : start + _AHEAD].to_dict("records")
                findings = pool.map(lambda row: _finding(lab, row), rows)
                report.wrong += _wrong(rows, findings)
                report.images += len(rows)
                advance(report.images, total)
    return report


def _wrong(rows: list[dict[Any, Any]], findings: Iterator[str]) -> list[dict[str, str]]:
    place = ("task", "dataset", "scene", "role", "name", "file")
    return [
        {**{key: str(row[key]) for key in place}, "finding": finding}
        for row, finding in zip(rows, findings, strict=True)
        if finding
    ]


def _finding(lab: Lab, row: dict[Any, Any]) -> str:
    """Return what is wrong with one image, or the empty text."""
    try:
        pixels = lab.images.read(Address.of(row))
    except LabError as error:
        return str(error)
    found = digest(pixels)
    if found == row["digest"]:
        return ""
    return f"its pixels have digest {found[:12]}..., the index says {row['digest'][:12]}..."

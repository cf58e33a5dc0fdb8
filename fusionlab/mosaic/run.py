"""Mosaics of the scenes of a labels manifest, and a manifest in which they are labels."""

from __future__ import annotations

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from fusionlab.errors import UsageError
from fusionlab.images import digest, luminance
from fusionlab.made import Made, add_made, drop_made
from fusionlab.metrics import prepare
from fusionlab.mosaic.blend import blend
from fusionlab.mosaic.choice import shown_map
from fusionlab.mosaic.gate import Verdict, judge
from fusionlab.mosaic.pool import Pool, find_pool
from fusionlab.mosaic.propose import Proposal, propose
from fusionlab.mosaic.write import mosaic_name, relabel, tile_rows
from fusionlab.pixels import read_checked
from fusionlab.schemas import MOSAICS, labels_schema, normed_metrics
from fusionlab.scoring.made import score_made
from fusionlab.selection.policy import Policy, policy_of
from fusionlab.splits import completed
from fusionlab.tables import concat, rejects_frame, write_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionlab.images import Pixels
    from fusionlab.lab import Lab

LEAD, SMOOTH, MARGIN = 0.2, 0.2, 0.1

#: Mosaics that are held in memory before they are written.
_AT_ONCE = 128


@dataclass
class MosaicReport:
    """What one run did.

    Attributes
    ----------
    labels : of the manifest that was read.
    proposed : scenes in which a tile shows another candidate than the label.
    made : of those, scenes whose mosaic became the label; `refused` the others, by reason.
    """

    name: str
    labels: int = 0
    proposed: int = 0
    made: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Judged:
    """A mosaic that was made, and what became of it."""

    proposal: Proposal
    pixels: Pixels
    verdict: Verdict


def mosaic(
    lab: Lab,
    labels: str,
    name: str,
    *,
    lead: float = LEAD,
    smooth: float = SMOOTH,
    margin: float = MARGIN,
    workers: int | None = None,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> MosaicReport:
    """Make mosaics for the labels manifest `labels`, and write the manifest `name` that has them.

    The policy is that of `labels`, which is not changed. A mosaic becomes the label only where it
    passes `judge`; every refused one is a row of the rejects.

    Parameters
    ----------
    lead, smooth : of `fusionlab.mosaic.choose`, in units of the policy's totals.
    margin : of `fusionlab.mosaic.gate.judge`.
    workers : threads; as many as there are cores by default.
    dry_run : make and judge, but write nothing.
    on_progress : called with (mosaics done, mosaics in all).

    Raises
    ------
    LabError
        When scores of images or tiles are missing, with the command that measures them.
    UsageError
        When `name` is `labels`.
    """
    start = time.monotonic()
    path = lab.labels_path(name)
    if name == labels:
        raise UsageError(f"--name {name}: is the manifest that is read; choose another name")
    manifest = completed(lab, lab.labels(labels))
    policy = policy_of(lab, labels)
    report = MosaicReport(name, int((manifest["place"] == 1).sum()))
    run = _Run(lab, policy, name, lead, smooth, margin, workers or os.cpu_count() or 1, dry_run)
    advance = on_progress or (lambda _done, _total: None)
    if dry_run:
        run.all_datasets(manifest, report, advance)
    else:
        with lab.writing(pixels=True):
            changed = run.all_datasets(manifest, report, advance)
            schema = labels_schema(normed_metrics(manifest))
            write_table(path, changed, schema, policy.model_dump_json())
    report.seconds = round(time.monotonic() - start, 3)
    return report


@dataclass(frozen=True)
class _Run:
    """The settings of one run."""

    lab: Lab
    policy: Policy
    name: str
    lead: float
    smooth: float
    margin: float
    workers: int
    dry_run: bool

    def all_datasets(
        self, manifest: pd.DataFrame, report: MosaicReport, advance: Callable[[int, int], None]
    ) -> pd.DataFrame:
        """Return the manifest with the mosaics that became labels."""
        plans = {}
        for (task, dataset), mine in manifest.groupby(["task", "dataset"], sort=True):
            key = str(task), str(dataset)
            pool = find_pool(self.lab, *key, mine, self.policy)
            plans[key] = pool, self._propose(key, pool)
        report.proposed = sum(len(proposals) for _, proposals in plans.values())
        done = 0
        for key, (pool, proposals) in plans.items():
            made, refused = [], []
            for first in range(0, len(proposals), _AT_ONCE):
                judged = self._make(key, pool, proposals[first : first + _AT_ONCE])
                accepted = [j for j in judged if not j.verdict.reason]
                refused += [_reject(j, self.name) for j in judged if j.verdict.reason]
                made += [(j.proposal, j.verdict, digest(j.pixels)) for j in accepted]
                if accepted and not self.dry_run:
                    images = [_image(j, self.name) for j in accepted]
                    add_made(self.lab, *key, images)
                done += len(judged)
                advance(done, report.proposed)
            report.made += len(made)
            counts = Counter(row["reason"] for row in refused)
            report.refused = dict(sorted((Counter(report.refused) + counts).items()))
            if not self.dry_run:
                self._save(key, made, refused)
            manifest = relabel(manifest, key, made, self.name)
        return manifest

    def _propose(self, key: tuple[str, str], pool: Pool) -> list[Proposal]:
        if not pool.best:
            return []
        found = propose(
            self.lab, *key, self.policy, pool.members, pool.best, self.lead, self.smooth
        )
        return [proposal for proposal in found if not proposal.is_whole]

    def _make(self, key: tuple[str, str], pool: Pool, proposals: list[Proposal]) -> list[Judged]:
        """Blend and judge a few mosaics."""
        index = self.lab.index(*key)
        index = index[index["scene"].isin([p.scene for p in proposals])]
        rows: dict[str, dict[tuple[str, str], Any]] = {}
        for row in index.to_dict("records"):
            rows.setdefault(row["scene"], {})[row["role"], row["name"]] = row
        with ThreadPoolExecutor(self.workers, thread_name_prefix="mosaic") as threads:
            return list(
                threads.map(lambda p: self._judged(key[0], pool, p, rows[p.scene]), proposals)
            )

    def _judged(
        self, task: str, pool: Pool, proposal: Proposal, rows: dict[tuple[str, str], Any]
    ) -> Judged:
        read = partial(read_checked, self.lab)
        shown = {*proposal.methods, proposal.best}
        pixels = _blended(proposal, {method: read(rows["method", method]) for method in shown})
        ordered = sorted(
            (row for (role, _), row in rows.items() if role == "source"),
            key=lambda row: row["position"],
        )
        metrics = list(pool.scores.columns)
        scene = prepare([luminance(read(row)) for row in ordered], metrics)
        values = scene.measure(luminance(pixels))
        members = [(proposal.scene, method) for method in pool.members[proposal.scene]]
        rivals = pool.scores.reindex(pd.MultiIndex.from_tuples(members)).droplevel(0)
        verdict = judge(values, rivals, proposal.best, self.policy, task, pool.judges, self.margin)
        return Judged(proposal, pixels, verdict)

    def _save(
        self,
        key: tuple[str, str],
        made: list[tuple[Proposal, Verdict, str]],
        refused: list[dict[str, str]],
    ) -> None:
        """Write what the mosaics of one data set show, their scores, and who was refused."""
        lab = self.lab
        drop_made(lab, *key, mosaic_name(self.name), [p.scene for p, _, _ in made])
        lab.replace_rejects("mosaic", *key, rejects_frame("mosaic", *key, refused))
        old = lab.mosaics(*key)
        old = old[old["name"] != mosaic_name(self.name)]
        index = lab.index(*key)
        rows = [row for p, _, _ in made for row in tile_rows(p, key, index, self.name)]
        lab.write_mosaics(*key, concat([old, pd.DataFrame(rows)], MOSAICS))
        scenes = [p.scene for p, _, _ in made]
        score_made(lab, *key, mosaic_name(self.name), scenes, workers=self.workers)


def _blended(proposal: Proposal, images: dict[str, Pixels]) -> Pixels:
    """Return the pixels of a mosaic; the best whole candidate decides its form."""
    methods = list(dict.fromkeys([proposal.best, *proposal.methods]))
    number = np.array([methods.index(method) for method in proposal.methods], dtype=np.intp)
    size = images[proposal.best].shape[:2]
    return blend([images[m] for m in methods], shown_map(proposal.tiles, number, size))


def _image(judged: Judged, name: str) -> Made:
    counts = Counter(judged.proposal.methods).most_common()
    shown = " ".join(f"{method}:{count}" for method, count in counts)
    return Made(
        judged.proposal.scene, mosaic_name(name), judged.pixels, f"mosaic {shown}", "mosaic"
    )


def _reject(judged: Judged, name: str) -> dict[str, str]:
    return {
        "scene": judged.proposal.scene,
        "role": "method",
        "name": mosaic_name(name),
        "reason": judged.verdict.reason,
        "detail": judged.verdict.detail,
    }

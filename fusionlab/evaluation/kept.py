"""What an evaluation knows of one data set: what was fused and measured before, and now."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.audit.cells import records
from fusionlab.evaluation.compression import LOSSLESS, form_of
from fusionlab.evaluation.tables import FUSED, FUSED_SCORES, read_fused, write_fused
from fusionlab.evaluation.work import Done, Job, measured_in, source_digests, sources_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.evaluation.entrants import Entrant
    from fusionlab.evaluation.field import Field
    from fusionlab.evaluation.labelled import Borrowed
    from fusionlab.lab import Lab
    from fusionlab.scoring.plan import ScenePlan


class Kept:
    """Images and scores of the entrants of one data set.

    An image stands while its recipe does: the model's digest, the steps, the pixels of the sources
    and the version of FusionLab. A score stands as any score does, by the digests of its pixels.

    Parameters
    ----------
    borrowed : labels that are candidates, and have their scores.
    rejects : rows of what takes no part.

    Attributes
    ----------
    scenes : those in which entrants are ranked: of all that `missing` was asked about.
    """

    def __init__(
        self, lab: Lab, field: Field, borrowed: Borrowed, rejects: Sequence[dict[str, str]]
    ) -> None:
        self.lab, self.field = lab, field
        self.borrowed, self.rejects = borrowed, list(rejects)
        fused, scores = read_fused(lab, field.key)
        self._fused = {_row_key(row): row for row in records(fused)}
        self._scores = {_score_key(row): row for row in records(scores)}
        self._asked: dict[tuple[str, str], set[str]] = {}
        self.scenes: set[str] = set()
        self._changed = False

    @property
    def forms(self) -> list[str]:
        """Return the forms of an image, the one on a level with the candidates last."""
        quality = self.field.quality
        return [LOSSLESS] if quality is None else [LOSSLESS, form_of(quality)]

    def missing(self, plan: ScenePlan, entrants: Sequence[Entrant]) -> Job:
        """Return what is left to do of one scene."""
        left = []
        self.scenes.add(plan.scene)
        for entrant in entrants:
            self._asked.setdefault((plan.scene, entrant.name), set()).update(self.forms)
            rows = [self._standing(plan, entrant, form) for form in self.forms]
            image = next((row["image"] for row in rows if row), "")
            if not all(row and self._measured(plan, row["digest"]) for row in rows):
                left.append((entrant, str(image)))
        return Job(plan, tuple(left), self.field.quality, self.field.metrics)

    def _standing(self, plan: ScenePlan, entrant: Entrant, form: str) -> dict[str, Any] | None:
        """Return what was fused by a recipe that still holds; forget what was by another."""
        key = plan.scene, entrant.name, form
        row = self._fused.get(key)
        if row and row["recipe"] != entrant.recipe(plan.task, source_digests(plan)):
            del self._fused[key]
            return None
        return row

    def _measured(self, plan: ScenePlan, digest: str) -> bool:
        wanted = measured_in(self.field.metrics, plan)
        return all(self._value(plan, digest, metric) is not None for metric in wanted)

    def _value(self, plan: ScenePlan, digest: str, metric: Any) -> float | None:
        row = self._scores.get((plan.scene, digest, metric.name))
        stamp = metric.version, sources_of(plan, metric)
        if row is None or (row["metric_version"], row["sources_digest"]) != stamp:
            return None
        return float(row["value"])

    def add(self, done: Done) -> None:
        """Take what became of a scene."""
        self._fused |= {_row_key(row): row for row in done.fused}
        self._scores |= {_score_key(row): row for row in done.scores}
        self._changed |= bool(done.fused)

    def write(self) -> None:
        """Write what changed; scores of images that no row has any more are dropped."""
        if not self._changed:
            return
        held = {(row["scene"], row["digest"]) for row in self._fused.values()}
        scores = [r for r in self._scores.values() if (r["scene"], r["candidate_digest"]) in held]
        write_fused(
            self.lab,
            self.field.key,
            pd.DataFrame(list(self._fused.values()), columns=FUSED.columns.names),
            pd.DataFrame(scores, columns=FUSED_SCORES.columns.names),
        )
        self._changed = False

    def images(self) -> dict[tuple[str, str], str]:
        """Return (scene, entrant) -> digest of the pixels that were fused for this evaluation."""
        return {
            (scene, name): str(row["image"])
            for (scene, name), forms in self._asked.items()
            for form in forms
            if (row := self._fused.get((scene, name, form)))
        }

    def values(self) -> pd.DataFrame:
        """Return the values of all entrants, index (scene, method, form), one column a metric."""
        columns = [metric.name for metric in self.field.metrics]
        rows = {}
        for (scene, name), forms in self._asked.items():
            plan = self.field.plans[scene]
            for form in forms:
                row = self._fused.get((scene, name, form))
                if row is not None and self._measured(plan, row["digest"]):
                    rows[scene, name, form] = [
                        self._value(plan, row["digest"], metric) for metric in self.field.metrics
                    ]
        index = pd.MultiIndex.from_tuples(list(rows), names=["scene", "method", "form"])
        frame = pd.DataFrame(list(rows.values()), index, columns, dtype=float)
        return pd.concat([frame, *self._lent(frame)])

    def _lent(self, made: pd.DataFrame) -> list[pd.DataFrame]:
        """Return the values of labels that are candidates, in the form of those that are not."""
        found = []
        for name, chosen in self.borrowed.items():
            places = [
                (scene, method)
                for scene, method in chosen.items()
                if scene in self.scenes and (scene, method) in self.field.scores.index
            ]
            wanted = pd.MultiIndex.from_tuples(places, names=["scene", "method"])
            mine = self.field.scores.reindex(wanted)
            both = name in made.index.get_level_values("method")
            for form in self.forms if both else self.forms[-1:]:
                keys = [(scene, name, form) for scene, _ in places]
                named = pd.MultiIndex.from_tuples(keys, names=["scene", "method", "form"])
                found.append(mine.set_axis(named) if keys else made.iloc[:0])
        return found


def _row_key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["scene"], row["method"], row["form"]


def _score_key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["scene"], row["candidate_digest"], row["metric"]

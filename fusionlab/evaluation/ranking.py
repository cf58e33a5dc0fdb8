r"""Ranks of images among the candidates of their scene, each as if it alone had entered.

With :math:`c_1 \dots c_n` the candidates' values of one metric, all pointing upwards, an image of
value e has, ties averaged,

.. math:: r(e) = 1 + \sum_j [c_j > e] + \tfrac12 [c_j = e], \qquad
          r'(c_j) = r(c_j) + [e > c_j] + \tfrac12 [e = c_j]

r is from 1 to n + 1 and does not depend on who else is evaluated; r(c_j) is that of a candidate
among the others, from 1 to n, and r' that after the image has entered. What is not a number is
worse than every number. Of a scene, ranks are averaged over the metrics of a group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab.decoys import DECOY_PREFIX

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from numpy.typing import NDArray

    from fusionlab.evaluation.field import Field

    Floats = NDArray[np.float64]

_CLOSE = 1e-9


@dataclass(frozen=True)
class Ranks:
    """Ranks in one data set.

    Attributes
    ----------
    metrics : one row a scene, image and metric: ``scene, method, form, metric, value, rank``.
    scenes : one row a scene, image and group: ``scene, method, form, group, rank, rivals, metrics,
        wins``.
    entered : one row a scene, entrant, group and candidate: ``scene, method, form, group,
        candidate, rank, theirs``; the mean ranks of both, r and r'.
    """

    metrics: pd.DataFrame
    scenes: pd.DataFrame
    entered: pd.DataFrame


@dataclass(frozen=True)
class _Scene:
    """The images of one scene: rows are candidates, or others, columns metrics; upwards."""

    name: str
    candidates: pd.DataFrame
    others: pd.DataFrame
    raw: pd.DataFrame


def rank_all(field: Field, entered: pd.DataFrame, scenes: Collection[str]) -> Ranks:
    """Rank candidates, decoys and entrants.

    Parameters
    ----------
    field : the data set.
    entered : values of entrants, index (scene, method, form), one column a metric.
    scenes : only these.
    """
    metric_rows: list[pd.DataFrame] = []
    scene_rows: list[pd.DataFrame] = []
    pair_rows: list[pd.DataFrame] = []
    for scene in _scenes(field, entered, scenes):
        own = _among(_values(scene.candidates)) if len(scene.candidates) else np.empty((0, 0))
        lead = _lead(_values(scene.candidates), _values(scene.others))
        ranks = np.concatenate([own, 1.0 + lead.sum(axis=1)])
        metric_rows.append(_by_metric(scene, ranks))
        for group, columns in _columns(field, scene).items():
            theirs = (own[None] + 1.0 - lead)[:, :, columns].mean(axis=2)
            rows = _by_group(scene, group, ranks[:, columns].mean(axis=1), theirs, len(columns))
            scene_rows.append(rows)
            pair_rows.append(_pairs(scene, rows, theirs))
    return Ranks(_stacked(metric_rows), _stacked(scene_rows), _stacked(pair_rows))


def _scenes(field: Field, entered: pd.DataFrame, wanted: Collection[str]) -> Iterator[_Scene]:
    """Yield scenes with what counts there: a metric of which no candidate has a number does not."""
    forms = field.scores.assign(form="").set_index("form", append=True)
    together = pd.concat([forms, entered.reindex(columns=forms.columns)])
    for name, rows in together.groupby(level="scene"):
        if str(name) not in wanted:
            continue
        images = rows.droplevel("scene")
        methods = images.index.get_level_values("method")
        ours = (images.index.get_level_values("form") != "") | methods.str.startswith(DECOY_PREFIX)
        images = images.loc[:, images[~ours].notna().any()]
        if (~ours).any() and len(images.columns):
            upward = _upward(field, images)
            yield _Scene(str(name), upward[~ours], upward[ours], images)


def _upward(field: Field, images: pd.DataFrame) -> pd.DataFrame:
    lower = {metric.name for metric in field.metrics if metric.direction == "lower"}
    signs = [-1.0 if column in lower else 1.0 for column in images.columns]
    return images.mul(signs, axis=1).fillna(-np.inf)


def _values(frame: pd.DataFrame) -> Floats:
    return frame.to_numpy(dtype=np.float64)


def _lead(candidates: Floats, others: Floats) -> Floats:
    """Return (k, n, M): 1 where a candidate is ahead of another image, 1/2 where it is equal."""
    ahead = candidates[None] > others[:, None]
    lead: Floats = ahead + 0.5 * (candidates[None] == others[:, None])
    return lead


def _among(candidates: Floats) -> Floats:
    """Return the ranks (n, M) of candidates among each other."""
    ranks: Floats = 0.5 + _lead(candidates, candidates).sum(axis=1)  # each is equal to itself
    return ranks


def _columns(field: Field, scene: _Scene) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for place, metric in enumerate(scene.raw.columns):
        found.setdefault(field.groups[metric], []).append(place)
    return found


def _names(scene: _Scene) -> pd.DataFrame:
    """Return ``method, form`` of all images, candidates first."""
    both = [frame.index.to_frame(index=False) for frame in (scene.candidates, scene.others)]
    return pd.concat(both, ignore_index=True).assign(scene=scene.name)


def _by_metric(scene: _Scene, ranks: Floats) -> pd.DataFrame:
    names, columns = _names(scene), list(scene.raw.columns)
    order = pd.MultiIndex.from_frame(names[["method", "form"]])
    values = scene.raw.reindex(order).to_numpy(dtype=np.float64)
    rows = names.loc[names.index.repeat(len(columns))].reset_index(drop=True)
    return rows.assign(metric=columns * len(names), value=values.ravel(), rank=ranks.ravel())


def _by_group(
    scene: _Scene, group: str, ranks: Floats, theirs: Floats, metrics: int
) -> pd.DataFrame:
    count = len(scene.candidates)
    own = ranks[:count]
    least = np.partition(own, 1)[:2] if count > 1 else np.array([own[0], np.inf])
    others = np.where(own <= least[0], least[1], least[0])
    best = np.concatenate([others, theirs.min(axis=1)])
    rivals = np.where(np.arange(len(ranks)) < count, count - 1, count)
    return _names(scene).assign(
        group=group, rank=ranks, rivals=rivals, metrics=metrics, wins=ranks <= best + _CLOSE
    )


def _pairs(scene: _Scene, rows: pd.DataFrame, theirs: Floats) -> pd.DataFrame:
    count = len(scene.candidates)
    entrants = rows.iloc[count:][["scene", "method", "form", "group", "rank"]]
    pairs = entrants.loc[entrants.index.repeat(count)].reset_index(drop=True)
    names = list(scene.candidates.index.get_level_values("method"))
    return pairs.assign(candidate=names * len(entrants), theirs=theirs.ravel())


def _stacked(frames: list[pd.DataFrame]) -> pd.DataFrame:
    return pd.concat(frames, ignore_index=True) if frames else pd.DataFrame()

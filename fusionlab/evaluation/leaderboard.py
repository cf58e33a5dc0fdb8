"""The tables of an evaluation: leaderboard, comparisons, means, and what people think."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from fusionlab.evaluation.comparing import (
    ALL,
    CLOSE,
    OURS,
    comparisons,
    interval_of,
    kind_of,
    levels,
)
from fusionlab.evaluation.compression import LOSSLESS
from fusionlab.evaluation.tables import COMPARISONS, LEADERBOARD, MEANS, OPINIONS, SCENES
from fusionlab.splits import TRAIN, VALIDATION
from fusionlab.validation.intervals import spearman

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusionlab.evaluation.field import Field
    from fusionlab.evaluation.ranking import Ranks
    from fusionlab.lab import Lab
    from fusionlab.schemas import TableSchema

_IMAGE = ["method", "form", "group"]


@dataclass(frozen=True)
class Entered:
    """What the tables of one data set are made of.

    Attributes
    ----------
    groups : entrant -> what its rows are called; seeds of one run share it.
    names : those, in the order in which they are compared.
    parts : entrant -> scene -> part of its training.
    """

    field: Field
    ranks: Ranks
    groups: Mapping[str, str]
    names: Sequence[str]
    parts: Mapping[str, Mapping[str, str]]


def results_of(lab: Lab, entered: Sequence[Entered]) -> dict[str, pd.DataFrame]:
    """Return the tables by their names; see `fusionlab.evaluation.tables`."""
    entered = [one for one in entered if len(one.ranks.scenes)]
    scenes = _joined([_scenes(one) for one in entered], SCENES)
    pairs = pd.concat([_pairs(one) for one in entered], ignore_index=True)
    names = entered[0].names if entered else []
    return {
        LEADERBOARD.name: _leaderboard(scenes, pairs),
        COMPARISONS.name: comparisons(scenes, pairs, names),
        MEANS.name: _joined([_means(one) for one in entered], MEANS),
        SCENES.name: scenes[SCENES.columns.names],
        OPINIONS.name: _joined([_opinions(lab, one) for one in entered], OPINIONS),
    }


def _joined(frames: Sequence[pd.DataFrame], schema: TableSchema) -> pd.DataFrame:
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else schema.empty()


def _grouped(one: Entered, frame: pd.DataFrame) -> pd.DataFrame:
    """Give entrants the names of their groups."""
    return frame.assign(method=frame["method"].map(lambda name: one.groups.get(name, name)))


def _scenes(one: Entered) -> pd.DataFrame:
    """Return the rows of `SCENES`, seeds averaged."""
    frame = _grouped(one, one.ranks.scenes)
    places = one.ranks.scenes[["method", "scene"]].itertuples(index=False)
    parts = [one.parts.get(method, {}).get(scene, "") for method, scene in places]
    worst = {"": 0, VALIDATION: 1, TRAIN: 2}
    frame = frame.assign(part=parts, worst=[worst[part] for part in parts], seeds=1)
    grouped = frame.sort_values("worst").groupby(["scene", *_IMAGE])
    kept = grouped.agg(
        rank=("rank", "mean"),
        rivals=("rivals", "first"),
        metrics=("metrics", "first"),
        wins=("wins", "all"),
        part=("part", "last"),
        seeds=("seeds", "sum"),
    ).reset_index()
    best = _pairs(one).groupby(["scene", *_IMAGE])[["rank", "theirs"]].min()
    better = (best["rank"] <= best["theirs"] + CLOSE).rename("ahead").reset_index()
    kept = kept.merge(better, on=["scene", *_IMAGE], how="left")
    kept["wins"] = kept["ahead"].fillna(kept["wins"]).astype(bool)
    kept["kind"] = kept["method"].map(kind_of)
    lossless = kept["kind"].isin(OURS) & (kept["form"] == LOSSLESS)
    kept["level"] = ~lossless | (one.field.quality is None)
    return kept.assign(task=one.field.task, dataset=one.field.dataset)


def _pairs(one: Entered) -> pd.DataFrame:
    """Return the ranks of entrants beside those of the candidates, seeds averaged."""
    keys = ["scene", *_IMAGE, "candidate"]
    pairs = _grouped(one, one.ranks.entered).groupby(keys)[["rank", "theirs"]].mean()
    return pairs.reset_index().assign(task=one.field.task, dataset=one.field.dataset)


def _leaderboard(scenes: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    rows = []
    for task, dataset, frame in levels(scenes):
        positions = {} if dataset == ALL else _positions(pairs, task, dataset)
        for (group, method, form), mine in frame.groupby(["group", "method", "form"]):
            position = positions.get((str(method), str(form), str(group)), (np.nan, 0))
            rows.append([task, dataset, group, method, form, *_facts(mine, position)])
    frame = pd.DataFrame(rows, columns=LEADERBOARD.columns.names)
    return frame.sort_values(["task", "dataset", "group", "rank", "method"], ignore_index=True)


def _facts(mine: pd.DataFrame, position: tuple[float, int]) -> list[object]:
    """Return what stands in a row of `LEADERBOARD` from ``kind`` on."""
    rank = interval_of(mine["rank"])
    validation = int((mine["part"] == VALIDATION).sum())
    kind, level, seeds = mine["kind"].iloc[0], bool(mine["level"].all()), int(mine["seeds"].max())
    found = [kind, level, len(mine), validation, float(mine["rivals"].mean())]
    found += [rank.mean, rank.low, rank.high, _beaten(mine), int(mine["wins"].sum())]
    return [*found, *position, seeds]


def _beaten(mine: pd.DataFrame) -> float:
    """Return the mean share of the rivals that an image is better than; ties count half."""
    rivals = mine["rivals"].where(mine["rivals"] > 0)
    return float((1.0 - (mine["rank"] - 1.0) / rivals).mean())


def _positions(
    pairs: pd.DataFrame, task: str, dataset: str
) -> dict[tuple[str, str, str], tuple[float, int]]:
    """Return (method, form, group) -> place among the methods that are in all of its scenes."""
    mine = pairs[(pairs["task"] == task) & (pairs["dataset"] == dataset)]
    found = {}
    for (method, form, group), rows in mine.groupby(_IMAGE):
        scenes = rows["scene"].nunique()
        means = rows.groupby("candidate").agg(count=("scene", "size"), theirs=("theirs", "mean"))
        everywhere = means.loc[means["count"] == scenes, "theirs"]
        own = rows.drop_duplicates("scene")["rank"].mean()
        place = (
            1.0 + (everywhere < own - CLOSE).sum() + (everywhere - own).abs().le(CLOSE).sum() / 2
        )
        position = place if len(everywhere) else np.nan
        found[str(method), str(form), str(group)] = float(position), len(everywhere) + 1
    return found


def _means(one: Entered) -> pd.DataFrame:
    """Return the rows of `MEANS`."""
    grouped = _grouped(one, one.ranks.metrics).groupby(["method", "form", "metric"])
    frame = grouped.agg(
        scenes=("scene", "nunique"), value=("value", "mean"), rank=("rank", "mean")
    ).reset_index()
    frame["group"] = frame["metric"].map(dict(one.field.groups))
    frame["kind"] = frame["method"].map(kind_of)
    frame = frame.assign(task=one.field.task, dataset=one.field.dataset)
    return frame.reindex(columns=MEANS.columns.names)


def _opinions(lab: Lab, one: Entered) -> pd.DataFrame:
    """Say how alike each group of metrics and people order the candidates: -1..1."""
    opinions = lab.opinions(*one.field.key)
    ranks = one.ranks.scenes.merge(opinions[["scene", "method", "score"]], on=["scene", "method"])
    rows = []
    for group, mine in ranks.groupby("group"):
        found = interval_of(spearman(-mine["rank"], mine["score"], mine["scene"]).dropna())
        said = {"spearman": found.mean, "low": found.low, "high": found.high}
        rows.append({"group": group, "scenes": found.count, **said})
    frame = pd.DataFrame(rows, columns=OPINIONS.columns.names)
    return frame.assign(task=one.field.task, dataset=one.field.dataset)

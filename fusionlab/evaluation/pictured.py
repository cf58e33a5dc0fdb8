"""One scene of an evaluation in pictures: sources, who is evaluated, the best candidates."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.audit.cells import Cell, Column, Row, Table, number_cell, records
from fusionlab.audit.links import picture_url
from fusionlab.audit.pictures import LONGEST
from fusionlab.audit.scene import Picture, ScenePage, picture_of
from fusionlab.evaluation.comparing import OURS, kind_of
from fusionlab.evaluation.field import GROUPS
from fusionlab.tasks import get_task

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.evaluation.kept import Kept

#: Candidates that are shown beside those that are evaluated.
_BEST = 3


@dataclass(frozen=True)
class Shot:
    """A picture, and the row of the index that its pixels lie at; None for what was fused here."""

    picture: Picture
    entry: Mapping[str, Any] | None


def shots_of(kept: Kept, scene: str, scenes: pd.DataFrame) -> list[Shot]:
    """Return the pictures of one scene: sources, truth, entrants and the best candidates."""
    index = kept.field.index
    rows = records(index[index["scene"] == scene].sort_values("position"))
    entries = {(row["role"], row["name"]): row for row in rows}
    shots = [Shot(picture_of(row), row) for row in rows if row["role"] in ("source", "reference")]
    first = shots[0].picture
    ranks = _ranks(kept, scene, scenes)
    for (place, name), digest in kept.images().items():
        if place == scene:
            shots.append(Shot(_fused(name, digest, first), None))
    for name, chosen in kept.borrowed.items():
        if scene in chosen:
            row = entries["method", chosen[scene]]
            label = replace(picture_of(row), name=name, badges={chosen[scene]: "its candidate"})
            shots.append(Shot(label, row))
    best = [m for m in ranks if kind_of(m) == "candidate"][:_BEST]
    shots += [Shot(picture_of(entries["method", m]), entries["method", m]) for m in best]
    return [replace(shot, picture=_ranked(shot.picture, ranks)) for shot in shots]


def _ranks(kept: Kept, scene: str, scenes: pd.DataFrame) -> dict[str, float]:
    """Return method -> mean rank on the unseen metrics (else on others), the best first."""
    task, dataset = kept.field.key
    here = (scenes["task"] == task) & (scenes["dataset"] == dataset) & (scenes["scene"] == scene)
    mine = scenes[here & scenes["level"]]
    group = next(g for g in ("unseen", "seen", "truth") if (mine["group"] == g).any())
    ordered = mine[mine["group"] == group].sort_values(["rank", "method"])
    return dict(ordered[["method", "rank"]].itertuples(index=False))


def _ranked(picture: Picture, ranks: Mapping[str, float]) -> Picture:
    if picture.role != "method":
        return picture
    name = picture.name.split("+")[0] if picture.name not in ranks else picture.name
    return replace(picture, total=ranks.get(name))


def _fused(name: str, digest: str, first: Picture) -> Picture:
    """Return the picture of an image that was fused for the evaluation."""
    small = max(first.height, first.width) <= LONGEST["thumb"]
    full = picture_url(digest, "full")
    thumb = full if small else picture_url(digest, "thumb")
    size = first.height, first.width
    return Picture("method", name, thumb, full, *size, first.region, digest=digest)


def evaluated_scene(
    kept: Kept, scene: str, shots: list[Shot], frames: Mapping[str, pd.DataFrame]
) -> ScenePage:
    """Gather what the page of one scene shows."""
    pictures = [shot.picture for shot in shots]
    first, fused = pictures[0], [p for p in pictures if p.role == "method"]
    task, dataset = kept.field.key
    mine = frames["scenes"]
    mine = mine[(mine["task"] == task) & (mine["dataset"] == dataset) & (mine["scene"] == scene)]
    scenes = sorted({name for name, _ in kept.field.scores.index})
    part = {m: p for m, p in mine[["method", "part"]].itertuples(index=False) if p}
    nothing = Table([], [])
    return ScenePage(
        task=task,
        dataset=dataset,
        scene=scene,
        task_title=get_task(task).title,
        height=first.height,
        width=first.width,
        label=None,
        facts={},
        cautions=[f"{m} had this scene for its {p}." for m, p in sorted(part.items())],
        reasons=[],
        sources=[p for p in pictures if p.role == "source"],
        candidates=fused,
        truths=[p for p in pictures if p.role == "reference"],
        table=_table(mine),
        turned_away=nothing,
        decisions=nothing,
        files=nothing,
        repaired=None,
        before="",
        after="",
        up="index.html",
        task_page="index.html",
        number=scenes.index(scene) + 1,
        of=len(scenes),
    )


def _table(scenes: pd.DataFrame) -> Table:
    """Return the mean ranks of everyone in one scene."""
    groups = [group for group in GROUPS if (scenes["group"] == group).any()]
    wide = scenes.pivot(
        index=["kind", "method", "form"], columns="group", values=["rank", "rivals"]
    ).sort_values(("rank", groups[-1]))
    rows = []
    for (kind, method, form), values in zip(wide.index.to_list(), wide.to_numpy(), strict=True):
        row = pd.Series(values, wide.columns)
        cells = [Cell(kind), Cell(method), Cell(form)]
        for group in groups:
            rank, rivals = float(row["rank", group]), float(row["rivals", group])
            share = 1.0 - (rank - 1.0) / max(rivals, 1.0)
            cells.append(number_cell(rank, share, text=f"{rank:.2f}"))
        rows.append(Row(cells, "label" if kind in OURS else "decoy" if kind == "decoy" else ""))
    columns = [Column("kind"), Column("method"), Column("form")]
    return Table([*columns, *(Column(f"rank {group}", True) for group in groups)], rows)

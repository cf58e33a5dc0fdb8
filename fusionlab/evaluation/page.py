"""The report of an evaluation: one page of tables and figures, and one of pictures a scene."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd

from fusionlab.audit.cells import Cell, Column, Row, Table, number_cell, table_of
from fusionlab.audit.links import scene_url
from fusionlab.audit.pages import assets, plotly_script, render, render_scene
from fusionlab.audit.pictures import encode_picture
from fusionlab.audit.sections import Listed, Page, Scenes, Section, Tabled
from fusionlab.audit.shelf import Shelf
from fusionlab.errors import LabError
from fusionlab.evaluation.comparing import ALL, OURS
from fusionlab.evaluation.field import GROUPS
from fusionlab.evaluation.figure import rank_figure
from fusionlab.evaluation.pictured import Shot, evaluated_scene, shots_of
from fusionlab.evaluation.tables import kept_image
from fusionlab.store import Address

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from fusionlab.audit.figures import Figure
    from fusionlab.evaluation.kept import Kept
    from fusionlab.evaluation.run import Evaluation
    from fusionlab.images import Pixels
    from fusionlab.lab import Lab

_KINDS = {"run": "label", "decoy": "decoy"}
_INDEX = "index.html"


@dataclass(frozen=True)
class _Report:
    """What the pages are made of."""

    lab: Lab
    found: Evaluation

    @property
    def frames(self) -> Mapping[str, pd.DataFrame]:
        return self.found.frames


def write_pages(
    lab: Lab, found: Evaluation, out: Path, on_progress: Callable[[int, int], None]
) -> Path:
    """Write the report into a folder that is empty, not there yet, or holds one; return its index.

    Raises
    ------
    UsageError
        When `out` holds other things.
    """
    report, shelf = _Report(lab, found), Shelf(out)
    for name, data in {**assets(), "plotly.min.js": plotly_script()}.items():
        shelf.put(f"assets/{name}", data)
    scenes = [(kept, str(s)) for kept in found.kept for s in _scenes_of(report, kept)]
    listed: dict[tuple[str, str], list[Listed]] = {}
    for done, (kept, scene) in enumerate(scenes, 1):
        shots = shots_of(kept, scene, found.frames["scenes"])
        for shot in shots:
            _draw(lab, shelf, shot)
        page = evaluated_scene(kept, scene, shots, found.frames)
        key = kept.field.key
        shelf.put(
            scene_url(*key, scene),
            render_scene(page, "leaderboard", template="evaluated.html.j2").encode(),
        )
        listed.setdefault(key, []).append(_listed(report, kept, scene, shots))
        on_progress(done, len(scenes))
    index = render("leaderboard.html.j2", "", page=_index(report, listed), labels="leaderboard")
    shelf.put(_INDEX, index.encode())
    shelf.close()
    return out / _INDEX


def _scenes_of(report: _Report, kept: Kept) -> list[str]:
    frame = report.frames["scenes"]
    task, dataset = kept.field.key
    mine = frame[(frame["task"] == task) & (frame["dataset"] == dataset)]
    return sorted(mine["scene"].unique())


def _draw(lab: Lab, shelf: Shelf, shot: Shot) -> None:
    """Write both sizes of a picture, unless they are there or the image is not."""
    missing = [
        size
        for size, path in (("full", shot.picture.full), ("thumb", shot.picture.thumb))
        if not shelf.has(path)
    ]
    pixels = _pixels(lab, shot) if missing else None
    if pixels is not None:
        paths = {"full": shot.picture.full, "thumb": shot.picture.thumb}
        for size in missing:
            if size == "full" or paths["thumb"] != paths["full"]:
                shelf.put(paths[size], encode_picture(pixels, size))


def _pixels(lab: Lab, shot: Shot) -> Pixels | None:
    if shot.entry is None:
        return kept_image(lab, shot.picture.digest)
    try:
        return lab.images.read(Address.of(shot.entry))
    except LabError:
        return None


def _listed(report: _Report, kept: Kept, scene: str, shots: list[Shot]) -> Listed:
    """Return one scene of the list: its mean ranks, entrant by entrant."""
    ranks = _level_ranks(report, kept, scene)
    cells = [number_cell(ranks.get(name)) for name in report.found.entrants]
    fused = [shot.picture.thumb for shot in shots if shot.picture.role == "method"]
    return Listed(scene, scene_url(*kept.field.key, scene), fused[0], cells, scene.lower())


def _level_ranks(report: _Report, kept: Kept, scene: str) -> dict[str, float]:
    """Return entrant -> mean rank on the unseen metrics, or on what there is."""
    frame = report.frames["scenes"]
    task, dataset = kept.field.key
    mine = frame[
        (frame["task"] == task)
        & (frame["dataset"] == dataset)
        & (frame["scene"] == scene)
        & frame["level"]
    ]
    group = next(g for g in ("unseen", "seen", "truth") if (mine["group"] == g).any())
    return dict(mine.loc[mine["group"] == group, ["method", "rank"]].itertuples(index=False))


def _index(report: _Report, listed: Mapping[tuple[str, str], list[Listed]]) -> Page:
    found = report.found
    facts = {
        "data sets": f"{len(found.kept)}",
        "scenes": f"{sum(map(len, listed.values()))}",
        "evaluated": ", ".join(found.entrants),
    }
    if found.rejected:
        facts["failed images"] = ", ".join(f"{k} {n}" for k, n in found.rejected.items())
    return Page(
        "Leaderboard",
        "",
        [],
        [
            "Every image is ranked among the candidates of its scene as if it alone had entered; "
            "1 is the best. Square brackets hold 95 % intervals over scenes.",
            "Seen are the metrics that the labels' policy weighed, unseen those that it never "
            "looked at, truth those that compare with a known fused image. A row marked lossless "
            "stands among compressed files and is not on a level with them.",
        ],
        facts,
        [*_overall(report), *(s for kept in found.kept for s in _dataset(report, kept, listed))],
    )


def _overall(report: _Report) -> Iterator[Section]:
    """Yield what is said over several data sets."""
    board, against = report.frames["leaderboard"], report.frames["comparisons"]
    mine = board[board["dataset"] == ALL]
    if mine.empty:
        return
    tables = []
    for task, rows in mine.groupby("task"):
        name = "all tasks" if task == ALL else str(task)
        tables.append(Tabled(_board(rows), f"Mean ranks, {name}."))
        differences = against[(against["dataset"] == ALL) & (against["task"] == task)]
        tables.append(Tabled(_compared(differences), f"Differences of mean ranks, {name}."))
    yield Section("Over data sets", tables=tables)


def _dataset(
    report: _Report, kept: Kept, listed: Mapping[tuple[str, str], list[Listed]]
) -> Iterator[Section]:
    task, dataset = kept.field.key
    board, against = (
        frame[(frame["task"] == task) & (frame["dataset"] == dataset)]
        for frame in (report.frames["leaderboard"], report.frames["comparisons"])
    )
    quality = kept.field.quality
    words = (
        []
        if quality is None
        else [
            f"The candidates are JPEG files, by their pixels of quality {quality}: what is "
            "evaluated was encoded the same way before it was ranked (chroma halved, 4:2:0). "
            "Pictures show it without loss."
        ]
    )
    figure = rank_figure(board, f"{dataset}: mean ranks; nearer to the lower left is better.")
    figures: list[Figure] = [] if figure is None else [figure]
    columns = [Column(name, numeric=True) for name in report.found.entrants]
    yield Section(
        f"{task} {dataset}",
        words,
        figures,
        [
            Tabled(_board(board), "Leaderboard."),
            Tabled(_compared(against), "Differences of mean ranks: below 0 the first is better."),
            Tabled(_opinions(report, task, dataset), "Do the ranks agree with people?"),
        ],
        Scenes(columns, listed.get((task, dataset), [])),
    )


def _opinions(report: _Report, task: str, dataset: str) -> Table:
    frame = report.frames["opinions"]
    mine = frame[(frame["task"] == task) & (frame["dataset"] == dataset)]
    return table_of(mine.drop(columns=["task", "dataset"]))


def _board(board: pd.DataFrame) -> Table:
    """Return one row a method and form, the groups side by side."""
    groups = [group for group in GROUPS if (board["group"] == group).any()]
    columns = [Column("kind"), Column("method"), Column("form"), Column("scenes", numeric=True)]
    placed = bool(board["position"].notna().any())  # over several data sets there is no position
    for group in groups:
        columns.append(Column(f"rank {group}", True))
        if placed:
            columns.append(Column(f"position {group}", True))
        columns.append(Column(f"wins {group}", True, "scenes in which no candidate is better"))
    order = board[board["group"] == ("unseen" if "unseen" in groups else groups[0])]
    rows = []
    for first in order.to_dict("records"):
        same = (board["method"] == first["method"]) & (board["form"] == first["form"])
        mine = board[same].set_index("group")
        form = first["form"] if first["level"] else f"{first['form']} ✱"
        cells = [Cell(first["kind"]), Cell(first["method"]), Cell(form)]
        cells.append(number_cell(first["scenes"]))
        for group in groups:
            cells += _ranked(mine.loc[group] if group in mine.index else None, placed)
        rows.append(Row(cells, _KINDS.get(first["kind"], "")))
    return Table(columns, rows)


def _ranked(row: pd.Series | None, placed: bool) -> list[Cell]:
    if row is None:
        return [number_cell(None)] * (3 if placed else 2)
    low, high = row["low"], row["high"]
    note = "one scene: no interval" if pd.isna(low) else f"[{low:.2f}, {high:.2f}]"
    if row["kind"] not in OURS and pd.isna(low):
        note = ""
    place = "" if pd.isna(row["position"]) else f"of {row['of']}"
    rank = number_cell(-row["rank"], row["beaten"], note, f"{row['rank']:.2f}")
    position = [number_cell(row["position"], note=place)] if placed else []
    return [rank, *position, number_cell(row["wins"])]


def _compared(frame: pd.DataFrame) -> Table:
    columns = [Column("metrics"), Column("method"), Column("against"), Column("scenes", True)]
    columns += [Column("difference", True), Column("excludes zero"), Column("better", True)]
    columns.append(Column("worse", True))
    rows = []
    for row in frame.to_dict("records"):
        known = not pd.isna(row["low"])
        note = f"[{row['low']:.2f}, {row['high']:.2f}]" if known else "one scene: no interval"
        cells = [Cell(row["group"]), Cell(row["method"]), Cell(row["against"])]
        cells += [number_cell(row["scenes"])]
        cells.append(number_cell(row["difference"], None, note, f"{row['difference']:+.2f}"))
        cells += [Cell("yes" if row["excludes_zero"] else "no")]
        rows.append(Row([*cells, number_cell(row["better"]), number_cell(row["worse"])]))
    return Table(columns, rows)

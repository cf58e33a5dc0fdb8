"""The tables of an evaluation: what they hold, and where in a lab they lie.

::

    lab/evaluations/fused/<task>-<dataset>.parquet   what was fused, of which model and sources
    lab/evaluations/scores/<task>-<dataset>.parquet  metric values of it
    lab/evaluations/images/<xx>/<digest>.png         its pixels, named by what they are
    lab/evaluations/leaderboard.parquet              the last leaderboard, and what stands beside it

All of it lies apart from the lab's candidates. No other stage reads it, so that no policy,
mosaic, refiner or statistic of a population can ever see what a model made.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyarrow as pa

from fusionlab.atomic import replace_bytes
from fusionlab.images import Pixels, decode, digest, encode_png
from fusionlab.schemas import SCORES, TableSchema
from fusionlab.tables import read_table, write_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd

    from fusionlab.lab import Lab
    from fusionlab.paths import Place

_STR, _I32, _F64, _BOOL = pa.string(), pa.int32(), pa.float64(), pa.bool_()
_DATASET = (("task", _STR), ("dataset", _STR))


def _table(name: str, key: tuple[str, ...], *columns: tuple[str, pa.DataType]) -> TableSchema:
    return TableSchema(name, pa.schema([pa.field(*column) for column in columns]), key)


#: One row an image that was fused for an evaluation.
FUSED = _table(
    "fused",
    ("task", "dataset", "scene", "method", "form"),
    *(*_DATASET, ("scene", _STR)),
    ("method", _STR),  # the entrant
    ("form", _STR),  # "lossless", or "jpeg:QUALITY"
    ("recipe", _STR),  # digest of model, steps, task, sources and version of FusionLab
    ("digest", _STR),  # of the pixels that were measured
    ("image", _STR),  # of the pixels that were fused
)

#: One row a metric value of such an image.
FUSED_SCORES = TableSchema(
    "fused scores", SCORES.columns, ("task", "dataset", "scene", "candidate_digest", "metric")
)

#: One row a method, a form of it, a group of metrics and a data set; "*" is all of them.
LEADERBOARD = _table(
    "leaderboard",
    ("task", "dataset", "group", "method", "form"),
    *_DATASET,
    ("group", _STR),  # of metrics: seen | unseen | truth
    ("method", _STR),  # "run:NAME", "labels:NAME", "decoy:NAME", or a candidate
    ("form", _STR),  # "" for candidates: their files are what they are
    ("kind", _STR),  # run | labels | decoy | candidate
    ("level", _BOOL),  # false for a lossless image among compressed ones
    ("scenes", _I32),
    ("validation", _I32),  # of them, those that the run was judged by while it was trained
    ("rivals", _F64),  # mean number of candidates that it is ranked against
    ("rank", _F64),  # mean over scenes of the mean rank over the metrics; 1 is the best
    ("low", _F64),
    ("high", _F64),
    ("beaten", _F64),  # 0..1, share of its rivals that it is better than
    ("wins", _I32),  # scenes in which no candidate has a better mean rank
    ("position", _F64),  # among the methods that are in all scenes, if it entered alone
    ("of", _I32),
    ("seeds", _I32),
)

#: One row a pair of entrants: the mean rank of the one less that of the other, scene by scene.
COMPARISONS = _table(
    "comparisons",
    ("task", "dataset", "group", "method", "against"),
    *_DATASET,
    *(("group", _STR), ("method", _STR), ("against", _STR)),
    *(("scenes", _I32), ("difference", _F64), ("low", _F64), ("high", _F64)),
    ("excludes_zero", _BOOL),
    *(("better", _I32), ("worse", _I32)),  # scenes
)

#: One row a method, form and metric: means over the scenes.
MEANS = _table(
    "metrics",
    ("task", "dataset", "metric", "method", "form"),
    *_DATASET,
    *(("metric", _STR), ("group", _STR), ("method", _STR), ("form", _STR), ("kind", _STR)),
    *(("scenes", _I32), ("value", _F64), ("rank", _F64)),
)

#: One row a scene, group of metrics, method and form.
SCENES = _table(
    "scenes",
    ("task", "dataset", "scene", "group", "method", "form"),
    *(*_DATASET, ("scene", _STR)),
    *(("group", _STR), ("method", _STR), ("form", _STR), ("kind", _STR), ("level", _BOOL)),
    ("part", _STR),  # "train" or "validation" where the run had the scene; "" elsewhere
    *(("rank", _F64), ("rivals", _I32), ("metrics", _I32), ("wins", _BOOL)),
)

#: One row a data set and group of metrics: how alike they and people order the candidates.
OPINIONS = _table(
    "opinions",
    ("task", "dataset", "group"),
    *(*_DATASET, ("group", _STR)),
    *(("scenes", _I32), ("spearman", _F64), ("low", _F64), ("high", _F64)),
)

RESULTS = {schema.name: schema for schema in (LEADERBOARD, COMPARISONS, MEANS, SCENES, OPINIONS)}


def place_of(lab: Lab) -> Place:
    """Return the folder of a lab's evaluations."""
    return lab.path / "evaluations"


def read_fused(lab: Lab, key: tuple[str, str]) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return what was fused of one data set (`FUSED`), and its scores (`FUSED_SCORES`)."""
    folder, file = place_of(lab), f"{key[0]}-{key[1]}.parquet"
    return read_table(folder / "fused" / file, FUSED), read_table(
        folder / "scores" / file, FUSED_SCORES
    )


def write_fused(lab: Lab, key: tuple[str, str], fused: pd.DataFrame, scores: pd.DataFrame) -> None:
    """Replace both; scores first, for without its row of `fused` a score is not looked for."""
    folder, file = place_of(lab), f"{key[0]}-{key[1]}.parquet"
    write_table(folder / "scores" / file, scores, FUSED_SCORES)
    write_table(folder / "fused" / file, fused, FUSED)


def write_results(lab: Lab, frames: Mapping[str, pd.DataFrame]) -> None:
    """Replace the tables of the last evaluation."""
    for name, frame in frames.items():
        write_table(place_of(lab) / f"{name}.parquet", frame, RESULTS[name])


def keep_image(lab: Lab, pixels: Pixels) -> str:
    """Store pixels under their digest, and return that."""
    found = digest(pixels)
    place = _image_place(lab, found)
    if not place.exists():
        replace_bytes(place, encode_png(pixels), place_of(lab) / ".staging")
    return found


def kept_image(lab: Lab, wanted: str) -> Pixels | None:
    """Return the pixels with a digest; None where they are gone or are others."""
    place = _image_place(lab, wanted)
    if not place.exists():
        return None
    pixels = decode(place.read_bytes()).pixels
    return pixels if digest(pixels) == wanted else None


def _image_place(lab: Lab, wanted: str) -> Place:
    return place_of(lab) / "images" / wanted[:2] / f"{wanted}.png"

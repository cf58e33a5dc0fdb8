"""What each Parquet table of a lab or a run holds: its columns, and the key that sorts it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


@dataclass(frozen=True)
class TableSchema:
    """Columns of one table, and the key its rows are sorted by and unique in.

    Attributes
    ----------
    added : columns that files of an older lab lack -> the value that they are read with.
    """

    name: str
    columns: pa.Schema
    key: tuple[str, ...]
    added: Mapping[str, str | float] = field(default_factory=dict)

    def empty(self) -> pd.DataFrame:
        """Return a frame with the right columns and no rows."""
        frame: pd.DataFrame = self.columns.empty_table().to_pandas()
        return frame


def _schema(*pairs: tuple[str, pa.DataType]) -> pa.Schema:
    return pa.schema([pa.field(name, kind) for name, kind in pairs])


_STR, _I32, _I8, _F64, _BOOL = pa.string(), pa.int32(), pa.int8(), pa.float64(), pa.bool_()
_BYTES = pa.binary()
_SCENE = (("task", _STR), ("dataset", _STR), ("scene", _STR))

#: One row an image in the store.
INDEX = TableSchema(
    "index",
    _schema(
        *_SCENE,
        ("role", _STR),  # source | method | reference
        ("name", _STR),  # modality, method, or "truth"
        ("position", _I8),  # sources: 0 is a, 1 is b, ...; -1 elsewhere
        ("height", _I32),
        ("width", _I32),
        ("channels", _I8),
        ("dtype", _STR),
        ("bucket", _STR),
        ("row", _I32),
        ("digest", _STR),  # of the pixels
        ("file", _STR),  # as found, relative to the manifest's root
        ("file_digest", _STR),  # of the file's bytes
        ("file_format", _STR),
        ("file_mode", _STR),
        ("notes", _STR),
        ("region", _STR),  # "y,x,h,w": the part of its scene that it shows; "" is the whole
        ("alignment", _STR),  # the rule that made it fit its scene; "" where none was needed
        ("fit", _F64),  # 0..1, how well the sources explain a candidate; NaN where not judged
        ("shift", _F64),  # sources: estimated displacement against a, in pixels; else NaN
        ("flags", _STR),  # what was done to it: fingerprint codes, commas between
        ("twin", _STR),  # role/name of the image, or scene/name of the scene, that it nearly equals
        ("family", _STR),  # candidates of a scene that go together; "" where it stands alone
        ("inspected", _STR),  # digest of what the columns from region on were judged from
        ("group", _STR),  # sources: what the manifest says that the scene belongs to; else ""
    ),
    ("task", "dataset", "scene", "role", "position", "name"),
    {
        "region": "",
        "alignment": "",
        "fit": math.nan,
        "shift": math.nan,
        "flags": "",
        "twin": "",
        "family": "",
        "inspected": "",
        "group": "",
    },
)

#: One row an input that did not make it.
REJECTS = TableSchema(
    "rejects",
    _schema(
        ("stage", _STR),
        *_SCENE,
        ("role", _STR),
        ("name", _STR),
        ("file", _STR),
        ("reason", _STR),
        ("detail", _STR),
    ),
    ("stage", "task", "dataset", "scene", "role", "name", "file", "reason"),
)

#: One row a candidate (or decoy) and metric.
SCORES = TableSchema(
    "scores",
    _schema(
        *_SCENE,
        ("method", _STR),
        ("metric", _STR),
        ("value", _F64),
        ("metric_version", _I32),
        ("sources_digest", _STR),
        ("candidate_digest", _STR),
    ),
    ("task", "dataset", "scene", "method", "metric"),
)


#: One row a candidate (or decoy), metric and tile of its scene.
TILES = TableSchema(
    "tiles",
    _schema(
        *_SCENE,
        ("method", _STR),
        ("metric", _STR),
        ("tile", _STR),  # "y,x,h,w", in pixels of the scene
        ("value", _F64),
        ("metric_version", _I32),
        ("sources_digest", _STR),
        ("candidate_digest", _STR),
    ),
    ("task", "dataset", "scene", "method", "metric", "tile"),
)

#: One row a tile of a mosaic: which candidate it shows there.
MOSAICS = TableSchema(
    "mosaics",
    _schema(
        *_SCENE,
        ("name", _STR),  # of the mosaic, as a candidate
        ("tile", _STR),
        ("method", _STR),  # the candidate that is shown
        ("total", _F64),  # its total in the tile
        ("whole_total", _F64),  # that of the best whole candidate there
        ("digest_candidate", _STR),
    ),
    ("task", "dataset", "scene", "name", "tile"),
)

#: One row a label that the refiner looked at and a kind of damage.
REFINEMENTS = TableSchema(
    "refinements",
    _schema(
        *_SCENE,
        ("name", _STR),  # of the refined label, as a candidate
        ("kind", _STR),  # of damage
        ("method", _STR),  # the label that was refined
        ("reason", _STR),  # why nothing was kept; "" where something was
        ("detail", _STR),  # what the judges said
        ("area", _F64),  # 0..1, share of the pixels that have this damage
        ("strength", _F64),  # 0..1, how sure it is there
        ("change", _F64),  # mean change of luminance that was kept there, in grey levels
        ("kept", _F64),  # 0..1, share of the repair there that was kept
        ("gain", _F64),  # mean gain of the judges, in units of its noise
        ("map", _BYTES),  # where the damage is: a small gray PNG
        ("way", _STR),  # how it was repaired, and the version of that
        ("recipe", _STR),  # digest of all that the outcome depends on but pixels
        ("sources_digest", _STR),
        ("digest_before", _STR),
        ("digest_after", _STR),  # "" where nothing was kept
    ),
    ("task", "dataset", "scene", "name", "kind"),
)

#: One row a scene that was given a part; only ever added to.
SPLITS = TableSchema(
    "splits",
    _schema(
        *_SCENE,
        ("split", _STR),  # train | validation | test
        ("group", _STR),  # that it went with
    ),
    ("task", "dataset", "scene"),
)

#: One row a candidate that people judged.
OPINIONS = TableSchema(
    "opinions",
    _schema(*_SCENE, ("method", _STR), ("score", _F64), ("file", _STR)),
    ("task", "dataset", "scene", "method"),
)

#: One row a decision of a person about a scene, never changed; the last of a scene counts.
OVERRIDES = TableSchema(
    "overrides",
    _schema(
        *_SCENE,
        ("number", _I32),  # 1, 2, ... within the scene
        ("verdict", _STR),  # choose | accept | veto | withdraw
        ("method", _STR),  # the candidate that is meant; "" for veto and withdraw
        ("digest_candidate", _STR),  # of its pixels as they were judged
        ("by", _STR),
        ("because", _STR),
        ("at", _STR),  # UTC, ISO 8601
    ),
    ("task", "dataset", "scene", "number"),
)

#: One row a scene that a run was trained on, or validated by.
RUN_SCENES = TableSchema(
    "run_scenes",
    _schema(
        *_SCENE,
        ("part", _STR),  # train | validation
        ("method", _STR),  # whose image was the label
        ("digest_a", _STR),
        ("digest_b", _STR),
        ("digest_candidate", _STR),
    ),
    ("task", "dataset", "scene"),
)

#: One row a scene that a model was judged by, and metric.
RUN_JUDGED = TableSchema(
    "judged",
    _schema(*_SCENE, ("metric", _STR), ("value", _F64)),
    ("task", "dataset", "scene", "metric"),
)

#: One row a cell of a study, stage, task that it was judged by, and metric.
FORGETTING = TableSchema(
    "forgetting",
    _schema(
        ("strategy", _STR),
        ("order", _STR),  # tasks with "-" between, as they were learned
        ("seed", _I32),
        ("stage", _I32),  # from 1
        ("task", _STR),
        ("metric", _STR),
        ("value", _F64),  # mean over the scenes
    ),
    ("strategy", "order", "seed", "stage", "task", "metric"),
)

#: Columns that labels manifests of earlier versions lack -> the value that they are read with.
LABELS_ADDED: Mapping[str, str | int | float] = {
    "place": 1,
    "weight": 1.0,
    "stability": math.nan,
    "stability_weights": math.nan,
    "stability_metrics": math.nan,
    "stability_tiles": math.nan,
    "chosen_by": "policy",
    "because": "",
    "policy_method": "",
}


def normed_metrics(labels: pd.DataFrame) -> list[str]:
    """Return the metrics whose normalised scores a labels manifest has."""
    columns = [str(column) for column in labels]
    return [c.removeprefix("norm_") for c in columns if c.startswith("norm_")]


def labels_schema(metrics: list[str]) -> TableSchema:
    """Return the schema of a labels manifest whose policy uses `metrics`."""
    return TableSchema(
        "labels",
        _schema(
            *_SCENE,
            ("place", _I8),  # 1 is the label; further ones where several were asked for
            ("split", _STR),  # train | validation | test; "" is none of them
            ("method", _STR),
            ("weight", _F64),  # soft weight, 0..1; the rows of a scene sum to 1
            ("total", _F64),
            ("margin", _F64),
            ("runner_up", _STR),
            ("tied", _BOOL),
            ("candidates", _I32),
            *((f"norm_{metric}", _F64) for metric in metrics),
            ("flags", _STR),  # those of the chosen candidate
            ("family", _STR),
            ("stability", _F64),  # 0..1, how often the choice survives when it is shaken
            ("stability_weights", _F64),
            ("stability_metrics", _F64),
            ("stability_tiles", _F64),  # missing where tiles were not scored
            ("chosen_by", _STR),  # "policy", or the name of a person
            ("because", _STR),  # what that person said
            ("policy_method", _STR),  # what the policy chose
            ("decoy", _STR),  # the decoy that would have won, if one would
            ("decoy_lead", _F64),  # best decoy's total minus best candidate's, decoys in the pool
            ("digest_a", _STR),
            ("digest_b", _STR),
            ("digest_candidate", _STR),
            ("region", _STR),  # "y,x,h,w": the part of the sources that the label shows; "" is all
            ("policy", _STR),
            ("policy_digest", _STR),
            ("software_version", _STR),
        ),
        ("task", "dataset", "scene", "place"),
    )

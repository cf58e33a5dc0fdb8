"""The Parquet tables of a lab: their schemas, and how they are checked and written.

A table is sorted by its key, holds exactly the columns of its schema, and is written atomically;
the same rows always give the same bytes.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fusionlab.atomic import atomic_write_bytes
from fusionlab.errors import LabError
from fusionlab.objects import ObjectPath

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusionlab.paths import Place


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


_NOTE = b"fusionlab"
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


def rejects_frame(
    stage: str, task: str, dataset: str, rows: Iterable[Mapping[str, str]]
) -> pd.DataFrame:
    """Return what one stage rejected of one data set; a column that a row leaves out is empty."""
    columns = REJECTS.columns.names
    common = {**dict.fromkeys(columns, ""), "stage": stage, "task": task, "dataset": dataset}
    return pd.DataFrame([{**common, **row} for row in rows], columns=columns)


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


def write_table(
    path: Place, frame: pd.DataFrame, schema: TableSchema, note: str | None = None
) -> None:
    """Check `frame` against `schema`, sort it by its key and write it atomically.

    Parameters
    ----------
    note : text to keep in the file's metadata; `read_note` gives it back.

    Raises
    ------
    LabError
        When columns are missing or too many, a value has the wrong type, or two rows share a key.
    """
    want, got = set(schema.columns.names), set(frame.columns)
    if want != got:
        raise LabError(
            f"{path}: table {schema.name!r} lacks columns {sorted(want - got)} and has "
            f"unknown columns {sorted(got - want)}; this is a bug in whoever wrote it"
        )
    try:
        table = pa.Table.from_pandas(frame, schema=schema.columns, preserve_index=False)
    except (pa.ArrowException, ValueError, TypeError, OverflowError) as error:
        raise LabError(
            f"{path}: table {schema.name!r} has a value of the wrong type: {error}"
        ) from error
    table = table.sort_by([(column, "ascending") for column in schema.key])
    _check_unique(path, table, schema)
    # The dtypes that pandas happened to hold, which it would note here, are no part of the rows.
    table = table.replace_schema_metadata(None if note is None else {_NOTE: note})
    buffer = io.BytesIO()
    pq.write_table(table, buffer, compression="zstd")
    atomic_write_bytes(path, buffer.getvalue())


def _check_unique(path: Place, table: pa.Table, schema: TableSchema) -> None:
    groups = table.group_by(list(schema.key)).aggregate([([], "count_all")])
    if groups.num_rows == table.num_rows:
        return
    twice = next(row for row in groups.to_pylist() if row["count_all"] > 1)
    place = ", ".join(f"{column} {twice[column]!r}" for column in schema.key)
    raise LabError(
        f"{path}: table {schema.name!r} has {twice['count_all']} rows for {place}; "
        "this is a bug in whoever wrote it"
    )


def read_table(path: Place, schema: TableSchema | None = None) -> pd.DataFrame:
    """Read one table; with `schema`, a file that does not exist is an empty table.

    Raises
    ------
    LabError
        When the file is not a readable Parquet table, or has other columns than `schema`.
    """
    if schema is not None and not path.exists():
        return schema.empty()
    try:
        table = pq.ParquetFile(_source(path)).read()
    except (OSError, pa.ArrowException) as error:
        raise LabError(
            f"{path}: is not a readable table: {error}; remove it and run the stage that makes it"
        ) from error
    if schema is not None:
        table = _with_added(table, schema)
    if schema is not None and not table.schema.equals(schema.columns):
        raise LabError(
            f"{path}: has columns {_columns(table.schema)}, expected {_columns(schema.columns)}; "
            "it was written by another version of FusionLab: remove it and run the stage that "
            "makes it again"
        )
    frame: pd.DataFrame = table.to_pandas()
    return frame


def read_labels(path: Place) -> pd.DataFrame:
    """Read a labels manifest; columns that those of earlier versions lack are filled in.

    Raises
    ------
    LabError
        When the file is not a readable Parquet table.
    """
    frame = read_table(path)
    return frame.assign(**{c: v for c, v in LABELS_ADDED.items() if c not in frame})


def _source(path: Place) -> Any:
    """Return what Parquet can read from: a local file, or an object's content."""
    return io.BytesIO(path.read_bytes()) if isinstance(path, ObjectPath) else path


def _with_added(table: pa.Table, schema: TableSchema) -> pa.Table:
    """Give a table of an older lab the columns that came since."""
    if set(table.column_names) & set(schema.added):
        return table
    for column, value in schema.added.items():
        kind = schema.columns.field(column).type
        table = table.append_column(column, pa.array([value] * len(table), kind))
    return table


def _columns(schema: pa.Schema) -> str:
    return ", ".join(f"{column.name} ({column.type})" for column in schema)


def read_note(path: Place) -> str:
    """Return the note that `write_table` put into `path`, or the empty text.

    Raises
    ------
    LabError
        When the file is not a readable Parquet table.
    """
    try:
        metadata = pq.read_schema(_source(path)).metadata or {}
    except (OSError, pa.ArrowException) as error:
        raise LabError(f"{path}: is not a readable table: {error}") from error
    return str(metadata.get(_NOTE, b"").decode())


def concat(frames: list[pd.DataFrame], schema: TableSchema) -> pd.DataFrame:
    """Stack frames of one schema; none at all give the empty table."""
    filled = [frame for frame in frames if len(frame)]
    return pd.concat(filled, ignore_index=True) if filled else schema.empty()

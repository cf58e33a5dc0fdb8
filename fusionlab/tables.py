"""The Parquet tables of a lab: how they are checked against `fusionlab.schemas` and written.

A table is sorted by its key, holds exactly the columns of its schema, and is written atomically;
the same rows always give the same bytes.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from fusionlab.atomic import atomic_write_bytes
from fusionlab.errors import LabError
from fusionlab.objects import ObjectPath
from fusionlab.schemas import LABELS_ADDED, REJECTS, TableSchema

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusionlab.paths import Place

_NOTE = b"fusionlab"


def rejects_frame(
    stage: str, task: str, dataset: str, rows: Iterable[Mapping[str, str]]
) -> pd.DataFrame:
    """Return what one stage rejected of one data set; a column that a row leaves out is empty."""
    columns = REJECTS.columns.names
    common = {**dict.fromkeys(columns, ""), "stage": stage, "task": task, "dataset": dataset}
    return pd.DataFrame([{**common, **row} for row in rows], columns=columns)


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
    lacking = [column for column in schema.added if column not in table.column_names]
    for column in lacking:
        kind = schema.columns.field(column).type
        table = table.append_column(column, pa.array([schema.added[column]] * len(table), kind))
    same = set(table.column_names) == set(schema.columns.names)
    return table.select(schema.columns.names) if lacking and same else table


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

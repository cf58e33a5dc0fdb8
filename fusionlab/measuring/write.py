"""Tables to files, by their ending: the values of every image, and beside them the means."""

from __future__ import annotations

import io
import os
from typing import TYPE_CHECKING

from fusionlab.atomic import atomic_write_bytes
from fusionlab.errors import UsageError
from fusionlab.measuring import layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

    import pandas as pd

    from fusionlab.measuring.table import FolderTable


def _csv(frame: pd.DataFrame) -> bytes:
    return frame.to_csv(index=False).encode()


def _parquet(frame: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    frame.to_parquet(buffer, index=False)
    return buffer.getvalue()


_WRITERS: dict[str, tuple[Callable[[FolderTable], bytes], Callable[[FolderTable], bytes]]] = {
    ".csv": (lambda t: _csv(t.images), lambda t: _csv(t.summary)),
    ".parquet": (lambda t: _parquet(t.images), lambda t: _parquet(t.summary)),
    ".md": (
        lambda t: layout.images_markdown(t).encode(),
        lambda t: layout.summary_markdown(t).encode(),
    ),
    ".tex": (
        lambda t: layout.images_latex(t).encode(),
        lambda t: layout.summary_latex(t).encode(),
    ),
}
"""Ending -> what writes the values of every image, and the means."""


def check(paths: Iterable[Path]) -> None:
    """Refuse files whose ending is not known or whose folder is read-only, before measuring.

    Raises
    ------
    UsageError
    """
    for path in paths:
        if path.suffix.lower() not in _WRITERS:
            raise UsageError(
                f"--out {path}: the ending says the format; expected one of {', '.join(_WRITERS)}"
            )
        folder = next(parent for parent in path.absolute().parents if parent.exists())
        if not os.access(folder, os.W_OK):
            raise UsageError(f"--out {path}: {folder} cannot be written to; name another folder")


def mean_path(path: Path) -> Path:
    """Return where the means go: ``table.tex`` -> ``table-mean.tex``."""
    return path.with_name(f"{path.stem}-mean{path.suffix}")


def write(table: FolderTable, path: Path) -> list[Path]:
    """Write the values of every image to `path` and the means to `mean_path(path)`, atomically.

    Returns
    -------
    The files that were written.
    """
    check([path])
    images, summary = _WRITERS[path.suffix.lower()]
    atomic_write_bytes(path, images(table))
    atomic_write_bytes(mean_path(path), summary(table))
    return [path, mean_path(path)]

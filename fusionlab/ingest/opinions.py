"""What people think of the candidates: a CSV table that comes with a data set.

It is kept apart from everything that a choice is made of: validation alone reads it.
"""

from __future__ import annotations

import io
import math
from collections import defaultdict
from typing import TYPE_CHECKING

import pandas as pd

from fusionlab.errors import ImageError
from fusionlab.ingest.find import FoundFile
from fusionlab.ingest.rejects import Reject
from fusionlab.schemas import OPINIONS

if TYPE_CHECKING:
    from collections.abc import Iterator, Set

    from fusionlab.ingest.manifest import Manifest, OpinionFile
    from fusionlab.ingest.tree import FileTree

    Place = tuple[str, str]


def read_opinions(
    manifest: Manifest, tree: FileTree, known: Set[Place]
) -> tuple[pd.DataFrame, list[Reject]]:
    """Read the table of opinion scores that the manifest names, if it names one.

    Parameters
    ----------
    known : (scene, method) of the candidates in the lab.

    Returns
    -------
    The rows that can be used, of schema `fusionlab.schemas.OPINIONS`, and what was turned away:
    ``opinions_unreadable`` for the file, ``opinion_unknown``, ``opinion_twice`` and
    ``opinion_not_finite`` for its rows.
    """
    declared = manifest.opinions
    if declared is None:
        return OPINIONS.empty(), []
    table = _read(declared, tree)
    if isinstance(table, Reject):
        return OPINIONS.empty(), [table]
    rows, rejects = [], []
    for place, texts in table.items():
        judged = _judge(place, texts, known)
        if isinstance(judged, float):
            rows.append((manifest.task, manifest.dataset, *place, judged, declared.file))
        else:
            found = FoundFile(3, -1, place[1], "opinion", place[0], declared.file)
            rejects.append(Reject(*judged, found))
    return pd.DataFrame(rows, columns=OPINIONS.columns.names), rejects


def _read(declared: OpinionFile, tree: FileTree) -> dict[Place, list[tuple[int, str]]] | Reject:
    """Return (scene, method) -> the row numbers and scores that the file has for it."""
    wanted = [declared.scene, declared.method, declared.score]
    try:
        data = io.BytesIO(tree.read(declared.file))
        table = pd.read_csv(data, dtype=str, keep_default_na=False, encoding="utf-8-sig")
    except ImageError as error:
        return _unreadable(declared, error.detail)
    except KeyError:
        return _unreadable(declared, "no such member of the archive")
    except (ValueError, pd.errors.ParserError) as error:  # no UTF-8, no columns, ragged
        return _unreadable(declared, f"is not a CSV table: {error}")
    if not isinstance(table.index, pd.RangeIndex):
        return _unreadable(declared, "is not a CSV table: rows have more cells than columns")
    if lacking := [column for column in wanted if column not in table]:
        has = ", ".join(map(str, table.columns))
        return _unreadable(declared, f"has columns {has}; lacks {', '.join(lacking)}")
    places: dict[Place, list[tuple[int, str]]] = defaultdict(list)
    for row, (scene, method, score) in enumerate(_texts(table[wanted]), start=1):
        places[scene, method].append((row, score))
    return places


def _texts(table: pd.DataFrame) -> Iterator[tuple[str, str, str]]:
    for texts in table.itertuples(index=False, name=None):
        scene, method, score = (str(text).strip() for text in texts)
        yield scene, method, score


def _unreadable(declared: OpinionFile, finding: str) -> Reject:
    detail = f"{finding}; correct 'opinions' in the manifest, or the file"
    return Reject("opinions_unreadable", detail, file=declared.file)


def _judge(place: Place, rows: list[tuple[int, str]], known: Set[Place]) -> float | tuple[str, str]:
    """Return the one score of a candidate, or the code and sentence of why there is none."""
    numbers = ", ".join(str(row) for row, _ in rows)
    if place not in known:
        detail = f"row {numbers}: the lab has no candidate {place[1]!r} of a scene {place[0]!r}"
        return "opinion_unknown", detail
    if len(rows) > 1:
        return "opinion_twice", f"rows {numbers} judge the same candidate; keep one"
    score = _number(rows[0][1])
    if math.isfinite(score):
        return score
    return "opinion_not_finite", f"row {numbers}: {rows[0][1]!r} is not a finite number"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan

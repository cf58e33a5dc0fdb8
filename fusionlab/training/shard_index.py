"""What an export says of itself: ``index.json``."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from fusionlab import __version__
from fusionlab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.paths import Place

FORMAT = 2
INDEX_FILE = "index.json"

#: What the index says, and what it says of a scene.
_KEYS = {"labels": str, "policy_digest": str, "digest": str, "shards": dict, "examples": list}
_ROW_KEYS = {
    **dict.fromkeys(
        ("place", "task", "method", "region", "group", "split", "shard", "pixels"), str
    ),
    **dict.fromkeys(("size", "digests"), list),
    "weight": float,
}


def read_index(folder: Place) -> dict[str, Any]:
    """Return what an export says of itself, every key of the kind that it must be.

    Raises
    ------
    LabError
        When there is none, or it is broken or of a newer version.
    """
    path = folder / INDEX_FILE
    again = f"export again: fusionlab export --lab LAB --labels LABELS --out {folder}"
    try:
        index: dict[str, Any] = json.loads(path.read_bytes())
        found = index["format"]
    except (FileNotFoundError, NotADirectoryError):
        raise LabError(f"{folder}: there is no finished export here; {again}") from None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise LabError(f"{path}: is not the index of an export: {error!r}; {again}") from None
    if found != FORMAT:
        raise LabError(
            f"{path}: an export of format {found}, this FusionLab ({__version__}) reads format "
            f"{FORMAT}; {again}"
        )
    if not (_holds(index, _KEYS) and all(_is_row(row, index) for row in index["examples"])):
        raise LabError(f"{path}: is not a whole index of an export; {again}")
    return index


def _is_row(row: Any, index: dict[str, Any]) -> bool:
    """Tell whether that is what an index says of a scene."""
    return (
        _holds(row, _ROW_KEYS)
        and is_shard(row["shard"])
        and row["shard"] in index["shards"]
        and [type(part) for part in row["digests"]] == [str] * 3
        and [type(part) for part in row["size"]] == [int] * 2
    )


def _holds(content: Any, kinds: Mapping[str, type]) -> bool:
    """Tell whether `content` has all keys, with values of their kinds."""
    return isinstance(content, dict) and all(isinstance(content.get(k), kinds[k]) for k in kinds)


def is_shard(name: str) -> bool:
    """Tell whether a file of that name may be a shard."""
    return name.startswith("shard-") and name.endswith(".safetensors") and "/" not in name

"""Images that FusionLab made itself, put into a lab beside the candidates that were ingested.

Such an image has no file. Its row of the index says ``made:WHAT`` in its notes, and of which
sources in ``inspected``; ingest keeps it, pruning too, while its scene has those sources.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.images import digest, join_digests
from fusionlab.schemas import INDEX
from fusionlab.store import Address, bucket_name
from fusionlab.tables import concat

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fusionlab.images import Pixels
    from fusionlab.lab import Lab

_MADE = "made:"


@dataclass(frozen=True)
class Made:
    """One image that was made.

    Attributes
    ----------
    scene, name : its place among the candidates; an image that stands there is replaced.
    pixels : (H, W) or (H, W, 3), of the size of the scene, or of `region`.
    what : how it was made, for the index; no commas.
    flags : codes of `fusionlab.flags.FLAGS`, commas between.
    region : the part of the scene that it shows, as in the index; the empty text is all of it.
    twin : role/name of the image that it nearly equals.
    """

    scene: str
    name: str
    pixels: Pixels
    what: str
    flags: str = ""
    region: str = ""
    twin: str = ""


def add_made(lab: Lab, task: str, dataset: str, images: Sequence[Made]) -> None:
    """Store images and take them into the index as candidates; `lab` is held for writing pixels.

    As ever, the row of an image that is replaced goes before its pixels, and a new row comes after
    them: whoever is killed in between leaves an index that tells the truth.
    """
    index = lab.index(task, dataset)
    replaced = pd.MultiIndex.from_tuples([(m.scene, "method", m.name) for m in images])
    standing = pd.MultiIndex.from_frame(index[["scene", "role", "name"]]).isin(replaced)
    if standing.any():
        index = index[~standing]
        lab.write_index(task, dataset, index)
    stamps = source_stamps(index[index["role"] == "source"].to_dict("records"))
    rows = [{**_stored(lab, task, dataset, m), "inspected": stamps[m.scene]} for m in images]
    added = pd.DataFrame(rows, columns=INDEX.columns.names)
    lab.write_index(task, dataset, concat([index, added], INDEX))


def drop_made(lab: Lab, task: str, dataset: str, name: str, keep: Iterable[str]) -> None:
    """Forget the images called `name`, which were made, of all scenes but those to `keep`."""
    index = lab.index(task, dataset)
    made = index["notes"].str.startswith(_MADE) & (index["name"] == name)
    gone = made & ~index["scene"].isin(list(keep))
    if gone.any():
        lab.write_index(task, dataset, index[~gone])


def note_of(what: str) -> str:
    """Return the notes of an image that was made in the way `what`."""
    return f"{_MADE}{what}"


def is_made(row: Mapping[str, Any]) -> bool:
    """Tell whether a row of the index is that of an image without a file."""
    return str(row["notes"]).startswith(_MADE)


def outdated(rows: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """Return which images of an index were made of sources that its scenes have no more."""
    held = list(rows)
    stamps = source_stamps(held)
    return [row for row in held if is_made(row) and row["inspected"] != stamps.get(row["scene"])]


def source_stamps(rows: Iterable[Mapping[Any, Any]]) -> dict[str, str]:
    """Return, by scene, one digest of its sources: the column ``inspected`` of what was made."""
    sources = sorted((r for r in rows if r["role"] == "source"), key=lambda r: int(r["position"]))
    digests: dict[str, list[str]] = {}
    for row in sources:
        digests.setdefault(row["scene"], []).append(row["digest"])
    return {scene: join_digests(found) for scene, found in digests.items()}


def _stored(lab: Lab, task: str, dataset: str, made: Made) -> dict[str, Any]:
    """Write the pixels of one image; return its row of the index."""
    pixels = made.pixels
    folder = f"{task}/{dataset}/{bucket_name(pixels)}"
    scenes = lab.images.scenes(folder)
    if made.scene not in scenes:
        scenes.append(made.scene)
    address = Address(folder, f"method/{made.name}", scenes.index(made.scene))
    lab.images.grow(folder, scenes, [address.array], pixels.shape, str(pixels.dtype))
    lab.images.write(address, pixels)
    return {
        **INDEX.added,
        **dict.fromkeys(("file", "file_digest", "file_format", "file_mode"), ""),
        "task": task,
        "dataset": dataset,
        "scene": made.scene,
        "role": "method",
        "name": made.name,
        "position": -1,
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "channels": 1 if pixels.ndim == 2 else pixels.shape[2],
        "dtype": str(pixels.dtype),
        "bucket": bucket_name(pixels),
        "row": address.row,
        "digest": digest(pixels),
        "notes": note_of(made.what),
        "flags": made.flags,
        "region": made.region,
        "twin": made.twin,
        "fit": math.nan,
    }

"""Labels with their sources, as the probes are trained on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab.errors import LabError
from fusionlab.images import digest, join_digests, luminance
from fusionlab.regions import Region, crop
from fusionlab.store import Address

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from fusionlab.lab import Lab

    Floats = NDArray[np.float32]

#: Labels of a task that are held in memory and learned from; of more, so many are drawn.
MOST = 400

#: Share of the scenes that is held out, and at most so many.
_HELD_OUT, _MOST_HELD_OUT = 0.1, 32


@dataclass(frozen=True)
class Example:
    """One label with the pair of sources that metrics use, the first two.

    Attributes
    ----------
    place : ``task/dataset/scene``.
    planes : (3, H, W), the label, the first and the second source; luminances in 0..1.
    digest : of the pixels of all three.
    """

    place: str
    planes: Floats
    digest: str


def draw_labels(manifest: pd.DataFrame, task: str, seed: int) -> list[dict[str, Any]]:
    """Return the rows of the labels of `task`, `MOST` of them at most, in an order by chance.

    Only the label of a scene counts, not what comes in second place.
    """
    mine = manifest[(manifest["task"] == task) & (manifest["place"] == 1)]
    rows = mine.sort_values(["dataset", "scene"]).to_dict("records")
    order = np.random.default_rng(seed).permutation(len(rows))[:MOST]
    return [{str(key): value for key, value in rows[i].items()} for i in order]


def split(rows: Sequence[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Return the labels to learn from and those held out: of two scenes and more, one at least."""
    count = 0 if len(rows) < 2 else min(max(1, round(_HELD_OUT * len(rows))), _MOST_HELD_OUT)
    return list(rows[count:]), list(rows[:count])


def read_examples(lab: Lab, rows: Sequence[dict[str, Any]]) -> list[Example]:
    """Return the pixels of some rows of a labels manifest.

    Raises
    ------
    LabError
        When an image is gone, or is another one than the manifest means.
    """
    images: dict[tuple[str, str], dict[tuple[str, str, str], dict[str, Any]]] = {}
    for key in {(row["task"], row["dataset"]) for row in rows}:
        index = lab.index(*key).to_dict("records")
        images[key] = {_key(entry): {str(k): v for k, v in entry.items()} for entry in index}
    return [_read_example(lab, row, images[row["task"], row["dataset"]]) for row in rows]


def _key(entry: dict[Any, Any]) -> tuple[str, str, str]:
    """Return what an image is found by: scene, role, and the name or, of a source, the position."""
    source = entry["role"] == "source"
    return entry["scene"], entry["role"], str(entry["position"] if source else entry["name"])


def _read_example(
    lab: Lab, label: dict[str, Any], images: dict[tuple[str, str, str], dict[str, Any]]
) -> Example:
    region = Region.parse(label["region"])
    wanted = {
        "digest_candidate": ("method", str(label["method"])),
        "digest_a": ("source", "0"),
        "digest_b": ("source", "1"),
    }
    planes = []
    for column, (role, name) in wanted.items():
        entry = images.get((label["scene"], role, name))
        pixels = None if entry is None else lab.images.read(Address.of(entry))
        if pixels is None or digest(pixels) != label[column]:
            raise LabError(
                f"{lab.path}: {role} {name} of {label['task']}/{label['dataset']}/{label['scene']} "
                "is not the image that the labels mean; select labels again, then train again"
            )
        planes.append(crop(luminance(pixels), region if role == "source" else None))
    stacked = np.stack([plane.astype(np.float32) for plane in planes]) / np.float32(255)
    place = f"{label['task']}/{label['dataset']}/{label['scene']}"
    return Example(place, stacked, join_digests([label[column] for column in wanted]))

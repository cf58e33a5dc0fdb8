"""Labels with their sources, as the probes are trained on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab.images import join_digests, luminance
from fusionlab.labelled import find_labelled

if TYPE_CHECKING:
    from collections.abc import Sequence

    import pandas as pd
    from numpy.typing import NDArray

    from fusionlab.lab import Lab
    from fusionlab.labelled import Labelled

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
    return [
        _example(lab, row, labelled)
        for row, labelled in zip(rows, find_labelled(lab, rows), strict=True)
    ]


def _example(lab: Lab, row: dict[str, Any], labelled: Labelled) -> Example:
    planes = [luminance(pixels).astype(np.float32) for pixels in labelled.read(lab)]
    digests = [row[column] for column in ("digest_candidate", "digest_a", "digest_b")]
    return Example(labelled.place, np.stack(planes) / np.float32(255), join_digests(digests))

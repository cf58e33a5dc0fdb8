r"""Labels with their sources, checked and held in memory: all that a network is trained on.

.. math:: p = \mathrm{round}(257\, Y), \quad x = p / 32767.5 - 1

Luminance :math:`Y` in 0..255 is kept as uint16 `p`, and a network sees `x` in -1..1. Of a gray
8-bit image nothing is lost: :math:`x = Y / 127.5 - 1`, to the last bit of float32. Of a gray 16-bit
image nothing is lost either; the luminance of a colour image is off by 1/514 of a level at most.

Reading what was exported needs no more than this file does: NumPy.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab.errors import LabError, UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    import pandas as pd
    from numpy.typing import NDArray

#: ``x = p / SCALE - 1``: the values of `Example.planes` as a network sees them.
SCALE = np.float32(32767.5)

#: One of 255 gray levels in `Example.planes`.
LEVEL = np.uint16(257)


@dataclass(frozen=True, eq=False)
class Example:
    """One label with its pair of sources.

    Attributes
    ----------
    place : ``task/dataset/scene``.
    planes : (3, H, W) uint16, the label, the first and the second source: luminance times 257.
    weight : the label's weight in the manifest, 0..1.
    method : whose image the label is.
    digests : of the pixels of the first source, the second and the label, as the lab has them.
    region : the part of the sources that the label shows, ``"y,x,h,w"``; "" is all of them.
    group : scenes that belong together have one group: the first place among them; "" is a scene
        by itself.
    split : ``train``, ``validation`` or ``test``; "" is none of them.
    """

    place: str
    task: str
    planes: NDArray[np.uint16]
    weight: float
    method: str
    digests: tuple[str, str, str]
    region: str = ""
    group: str = ""
    split: str = "train"

    def describe(self) -> dict[str, Any]:
        """Return all but the pixels, for JSON: two equal descriptions mean the same example."""
        names = ("place", "task", "weight", "method", "region", "split")
        return {
            **{name: getattr(self, name) for name in names},
            "group": group_of(self),
            "digests": list(self.digests),
            "size": list(self.planes.shape[1:]),
        }


def group_of(example: Example) -> str:
    """Return the name of the group that the example belongs to; alone, that is its place."""
    return example.group or example.place


def as_seen(planes: NDArray[np.uint16]) -> NDArray[np.float32]:
    """Return `planes` of any shape as a network sees them, in -1..1."""
    found = planes.astype(np.float32)
    found /= SCALE
    found -= np.float32(1)
    return found


class Curated:
    """The examples of one labels manifest, or some of them, sorted by place.

    Parameters
    ----------
    labels : name of the manifest.
    policy_digest : of the policy that selected the labels.
    """

    def __init__(self, examples: Sequence[Example], labels: str, policy_digest: str) -> None:
        self.examples = tuple(sorted(examples, key=lambda example: example.place))
        self.labels, self.policy_digest = labels, policy_digest
        twice = [a.place for a, b in pairwise(self.examples) if a.place == b.place]
        if twice:
            raise LabError(f"labels {labels!r}: {twice[0]} is there twice; select labels again")

    def __len__(self) -> int:
        return len(self.examples)

    @property
    def digest(self) -> str:
        """Return the digest of all that is learned from, in hex: pixels, weights and places."""
        lines = [json.dumps(example.describe(), sort_keys=True) for example in self.examples]
        return hashlib.sha256(
            "\n".join([self.labels, self.policy_digest, *lines]).encode()
        ).hexdigest()

    @property
    def bytes(self) -> int:
        """Return the memory that the pixels take."""
        return sum(example.planes.nbytes for example in self.examples)

    def tasks(self) -> list[str]:
        """Return the tasks that there are examples of, sorted."""
        return sorted({example.task for example in self.examples})

    def of_task(self, task: str) -> Curated:
        """Return the examples of one task.

        Raises
        ------
        UnknownNameError
            When there are none.
        """
        if task not in self.tasks():
            raise UnknownNameError("task", task, self.tasks(), f"labels {self.labels!r}")
        return self._with([example for example in self.examples if example.task == task])

    def only(self, places: Collection[str]) -> Curated:
        """Return the examples of some places.

        Raises
        ------
        UnknownNameError
            When one of them is not there.
        """
        known = {example.place: example for example in self.examples}
        for place in places:
            if place not in known:
                raise UnknownNameError("scene", place, known, f"labels {self.labels!r}")
        return self._with([known[place] for place in set(places)])

    def frame(self, part: str) -> pd.DataFrame:
        """Return one row an example, of the schema `fusionlab.schemas.RUN_SCENES`.

        Parameters
        ----------
        part : ``"train"`` or ``"validation"``.
        """
        import pandas as pd

        from fusionlab.schemas import RUN_SCENES

        columns = RUN_SCENES.columns.names
        places = [example.place.split("/") for example in self.examples]
        rows = [
            (*place, part, example.method, *example.digests)
            for place, example in zip(places, self.examples, strict=True)
        ]
        return pd.DataFrame(rows, columns=columns)

    def _with(self, examples: Sequence[Example]) -> Curated:
        return Curated(examples, self.labels, self.policy_digest)

"""What a run puts into the lab: images, a few at a time, and what could not be made; and back."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.errors import UnknownNameError
from fusionlab.made import Made, add_made
from fusionlab.making.plan import is_ours
from fusionlab.schemas import REJECTS
from fusionlab.tables import concat, rejects_frame

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.lab import Lab
    from fusionlab.making.plan import DatasetPlan
    from fusionlab.making.work import Fused, Lost

#: Each time that images are stored, the index of their data set is written too: in a large lab that
#: takes half a second. So they wait until there are many, but no longer than this.
_IMAGES_AT_ONCE = 512
_BYTES_AT_ONCE = 256 * 2**20
_SECONDS = 5.0

_STAGE = "baselines"


@dataclass
class Writer:
    """Stores the images of one data set in the order in which it gets them.

    Attributes
    ----------
    written : images stored so far.
    """

    lab: Lab
    task: str
    dataset: str
    prefix: str
    written: int = 0
    _waiting: list[Made] = field(default_factory=list)
    _since: float = 0.0

    def put(self, images: Sequence[Fused]) -> None:
        """Take images, and store what waits if that is enough, or has waited long enough."""
        if not self._waiting:
            self._since = time.monotonic()
        self._waiting += [
            Made(i.scene, f"{self.prefix}{i.method}", i.pixels, i.what, i.flags, twin=i.twin)
            for i in images
        ]
        heavy = sum(made.pixels.nbytes for made in self._waiting) >= _BYTES_AT_ONCE
        late = time.monotonic() - self._since >= _SECONDS
        if heavy or late or len(self._waiting) >= _IMAGES_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Store what waits."""
        if self._waiting:
            add_made(self.lab, self.task, self.dataset, self._waiting)
            self.written += len(self._waiting)
            self._waiting = []


def write_rejects(
    lab: Lab, plan: DatasetPlan, lost: Sequence[Lost], names: Sequence[str], prefix: str
) -> list[dict[str, str]]:
    """Replace what was rejected of the methods `names` in one data set; return the new rows."""
    rows = [_lost_row(prefix, one) for one in lost]
    rows += [_taken_row(f"{prefix}{name}", count) for name, count in sorted(plan.taken.items())]
    key = plan.task, plan.dataset
    old = lab.rejects()
    mine = (old["stage"] == _STAGE) & (old["task"] == key[0]) & (old["dataset"] == key[1])
    others = old[mine & ~old["name"].isin([f"{prefix}{name}" for name in names])]
    new = rejects_frame(_STAGE, *key, rows)
    lab.replace_rejects(_STAGE, *key, concat([others, new], REJECTS))
    return rows


def drop(
    lab: Lab, names: Sequence[str], *, tasks: Sequence[str] = (), datasets: Sequence[str] = ()
) -> dict[str, int]:
    """Take candidates that methods made here out of the lab again; return how many, by name.

    Parameters
    ----------
    names : of candidates, with their prefix. Those of other origin stay.

    Raises
    ------
    UnknownNameError
        When no method made a candidate of such a name.
    """
    with lab.writing():
        found: Counter[str] = Counter()
        known: set[str] = set()
        for key in lab.datasets(tasks, datasets):
            index = lab.index(*key)
            ours = np.array([is_ours(row) for row in index.to_dict("records")], dtype=bool)
            known |= set(index["name"][ours])
            gone = ours & index["name"].isin(list(names)).to_numpy()
            found += Counter(index["name"][gone])
            if gone.any():
                lab.write_index(*key, index[~gone])
        for name in names:
            if name not in known:
                raise UnknownNameError("made candidate", name, known, str(lab.path))
    return {name: found[name] for name in names}


def _lost_row(prefix: str, lost: Lost) -> dict[str, str]:
    return {
        "scene": lost.scene,
        "role": "method",
        "name": f"{prefix}{lost.method}",
        "reason": lost.reason,
        "detail": lost.detail,
    }


def _taken_row(name: str, count: int) -> dict[str, str]:
    """Return one row for all scenes where a name is taken: to stay out of there is no failure."""
    detail = (
        f"{count} scenes have a candidate {name!r} that no method made here; it stays, and ours "
        "are not made: give ours other names with --prefix"
    )
    return {"role": "method", "name": name, "reason": "name_taken", "detail": detail}

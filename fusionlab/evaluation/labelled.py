"""Labels as methods: what a manifest chose, ranked beside the models that learn from it.

A label that is a candidate's image has that candidate's scores, and ties with it. One that
FusionLab made itself, a refined one say, is treated as a model's image is: measured, and
compressed first where the candidates are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionlab.evaluation.entrants import LABELS, Entrant
from fusionlab.flags import MADE_OF_LABELS, split_flags
from fusionlab.scoring.plan import block_of
from fusionlab.scoring.work import read_block

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.evaluation.field import Field
    from fusionlab.images import Pixels
    from fusionlab.lab import Lab
    from fusionlab.scoring.work import Block

#: Label's name -> scene -> the candidate that it is.
Borrowed = dict[str, dict[str, str]]


@dataclass(frozen=True)
class Stored:
    """An image of the lab in the place of a model."""

    lab: Lab
    block: Block

    @property
    def name(self) -> str:
        """Return what it is called in messages."""
        return self.block.address.array

    @property
    def digest(self) -> str:
        """Return the digest of the pixels."""
        return self.block.digest

    def fuse(
        self, sources: Sequence[Pixels], task: str = "", *, steps: int | None = None
    ) -> Pixels:
        """Return the pixels."""
        del sources, task, steps
        return read_block(self.lab.images, self.block)


def label_entrants(
    lab: Lab, one: Field, labels: Sequence[str]
) -> tuple[dict[str, list[Entrant]], Borrowed, list[dict[str, str]]]:
    """Return the labels of one data set.

    Returns
    -------
    Scene -> labels that were made; those that are candidates; reject rows of those whose pixels are
    gone or others than when they were chosen.
    """
    methods = one.index[one.index["role"] == "method"]
    rows = {(row["scene"], row["name"]): row for row in methods.to_dict("records")}
    made: dict[str, list[Entrant]] = {}
    borrowed: Borrowed = {}
    rejects = []
    for name in labels:
        manifest = lab.labels(name)
        mine = manifest[(manifest["task"] == one.task) & (manifest["dataset"] == one.dataset)]
        for label in mine[mine["place"] == 1].to_dict("records"):
            scene, method = label["scene"], label["method"]
            row = rows.get((scene, method))
            place = {"scene": scene, "role": "method", "name": LABELS + name}
            if row is None or row["digest"] != label["digest_candidate"]:
                detail = f"{method} is gone, or another image than the one chosen; select again"
                rejects.append({**place, "reason": "label_changed", "detail": detail})
            elif MADE_OF_LABELS.isdisjoint(split_flags(row["flags"])):
                borrowed.setdefault(LABELS + name, {})[scene] = method
            elif row["region"]:
                detail = f"{method} shows {row['region']} of its scene, and models all of it"
                rejects.append({**place, "reason": "label_partial", "detail": detail})
            else:
                stored = Stored(lab, block_of(row))
                made.setdefault(scene, []).append(Entrant(LABELS + name, LABELS + name, stored))
    return made, borrowed, rejects

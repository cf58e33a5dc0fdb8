"""Which of some labels to learn from, and which to judge progress by: as their manifest says."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionlab.errors import UsageError
from fusionlab.splits import TRAIN, VALIDATION
from fusionlab.splits.names import named_places
from fusionlab.training.curated import group_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.training.curated import Curated


def split(curated: Curated, exclude: Sequence[str] = ()) -> tuple[Curated, Curated]:
    """Return the scenes to learn from and those for validation; the others are in neither.

    Parameters
    ----------
    exclude : tasks, data sets and scenes, as ``ivf``, ``ivf/vifb`` and ``ivf/vifb/01``, that are in
        neither too. So is what belongs to an excluded scene.

    Raises
    ------
    UsageError
        When nothing is left to learn from.
    UnknownNameError
        When `exclude` names what is not there, of a task that is.
    """
    named = named_places(exclude, [e.place for e in curated.examples], "excluded from training")
    gone = {group_of(e) for e in curated.examples if e.place in named}
    kept = [e for e in curated.examples if group_of(e) not in gone]
    learned, judged = ([e.place for e in kept if e.split == s] for s in (TRAIN, VALIDATION))
    if not learned:
        raise UsageError(
            f"labels {curated.labels!r}: of {len(curated)} scenes {len(curated) - len(kept)} are "
            "excluded, and none of the others is for training; exclude fewer, or split otherwise: "
            "fusionlab select --help"
        )
    return curated.only(learned), curated.only(judged)

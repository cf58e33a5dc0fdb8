"""Which scenes a run measures: of some tasks, of some data sets, of some parts of the split."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionlab.errors import LabError, UnknownNameError
from fusionlab.splits import PARTS

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from fusionlab.lab import Lab
    from fusionlab.scoring.plan import ScenePlan

    Chooser = Callable[[list[ScenePlan]], list[ScenePlan]]


@dataclass(frozen=True)
class Only:
    """What scenes have to have in common; where a field is empty, nothing.

    Attributes
    ----------
    tasks, datasets : their keys and names.
    parts : some of ``train``, ``validation`` and ``test``, as the lab's split says.
    """

    tasks: Sequence[str] = ()
    datasets: Sequence[str] = ()
    parts: Sequence[str] = ()

    def keys(self, lab: Lab) -> list[tuple[str, str]]:
        """Return the data sets that are concerned.

        Raises
        ------
        UnknownNameError
            When there is no such task, or the lab has no such data set.
        """
        return lab.datasets(self.tasks, self.datasets)

    def chooser(self, lab: Lab) -> Chooser:
        """Return what takes those plans of a data set that are concerned.

        Raises
        ------
        UnknownNameError
            When there is no such part.
        LabError
            When parts are asked for and the lab was not split yet.
        """
        for part in self.parts:
            if part not in PARTS:
                raise UnknownNameError("part of the split", part, PARTS, "--split")
        if not self.parts:
            return list
        split = lab.splits()
        if split.empty:
            raise LabError(
                f"{lab.path}: has no split yet, so no scene is for {' or '.join(self.parts)}; "
                f"selecting makes it: fusionlab select --lab {lab.path} --name NAME"
            )
        mine = split[split["split"].isin(self.parts)]
        chosen = set(mine[["task", "dataset", "scene"]].itertuples(index=False, name=None))
        return lambda plans: [p for p in plans if (p.task, p.dataset, p.scene) in chosen]


EVERYTHING = Only()

"""The ways to repair a label, by name. One more is one line of `WAYS`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from fusionlab.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from fusionlab.colour import Plane
    from fusionlab.lab import Lab
    from fusionlab.refine.damage import Repair

    Repairing: TypeAlias = Callable[[Plane, Sequence[Plane], str], Repair]


@dataclass(frozen=True)
class Way:
    """A way to repair a label.

    Attributes
    ----------
    name : what it is called.
    version : changes with everything that changes what it makes.
    repair : (luminance of the label (H, W), those of its K >= 2 sources, task) to its repair;
        called from several threads at once.
    """

    name: str
    version: str
    repair: Repairing

    @property
    def label(self) -> str:
        """Return name and version, as the tables write them."""
        return f"{self.name} v{self.version}"


def _statistics(_lab: Lab, _variant: str, _tasks: Collection[str]) -> Way:
    from fusionlab.refine.repair import VERSION, repair

    return Way("statistics", str(VERSION), repair)


def _probes(lab: Lab, variant: str, tasks: Collection[str]) -> Way:
    from fusionlab.refine.learned import load_repairs

    name = variant or "probes"
    repair, version = load_repairs(lab, name, sorted(tasks))
    return Way(f"probes:{name}", version, repair)


#: Name -> what readies it for labels of some tasks; what follows a colon is the variant.
WAYS: Mapping[str, Callable[[Lab, str, Collection[str]], Way]] = {
    "statistics": _statistics,
    "probes": _probes,
}


def get_way(text: str, lab: Lab, tasks: Collection[str]) -> Way:
    """Return the way called ``NAME`` or ``NAME:VARIANT``, ready for labels of `tasks`.

    Raises
    ------
    UnknownNameError
        When there is none of that name.
    LabError
        When the lab has no such probes for one of the tasks.
    """
    name, _, variant = text.partition(":")
    if name not in WAYS:
        raise UnknownNameError("way to refine", name, WAYS, "--way")
    return WAYS[name](lab, variant, tasks)

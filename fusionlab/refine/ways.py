"""The ways to repair a label, by name. One more is one line of `WAYS`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from fusionlab.errors import UnknownNameError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from fusionlab.colour import Plane
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


def _statistics() -> Way:
    from fusionlab.refine.repair import VERSION, repair

    return Way("statistics", str(VERSION), repair)


#: Name -> what readies it.
WAYS: Mapping[str, Callable[[], Way]] = {"statistics": _statistics}


def get_way(name: str) -> Way:
    """Return the way called `name`.

    Raises
    ------
    UnknownNameError
        When there is none.
    """
    if name not in WAYS:
        raise UnknownNameError("way to refine", name, WAYS, "--way")
    return WAYS[name]()

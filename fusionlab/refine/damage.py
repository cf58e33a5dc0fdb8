"""What a label lost or spoiled, and what a repair made of it: the types that the steps exchange."""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.colour import Plane

Map = NDArray[np.floating[Any]]

#: Kinds of damage, each with what it means.
KINDS: dict[str, str] = {
    "detail": "fine structure of a source that the label lost",
    "target": "coarse contrast of a source, such as a bright target, that the label lost",
    "noise": "fine structure in the label that is in no source",
    "halo": "coarse structure in the label that is in no source",
    "clipping": "levels cut off in the label where a source has structure",
}


@dataclass(frozen=True)
class Damage:
    """Where a label is damaged.

    Attributes
    ----------
    maps : kind of `KINDS` -> (H, W), 0 (sound) .. 1 (certainly damaged).
    """

    maps: Mapping[str, Map]

    @property
    def anywhere(self) -> Map:
        """Return, place by place, the worst of all kinds; (H, W), 0..1."""
        return reduce(np.maximum, self.maps.values())


@dataclass(frozen=True)
class Repair:
    """A repaired label, before any gate.

    Attributes
    ----------
    plane : its luminance, (H, W), 0..255.
    damage : what was identified.
    """

    plane: Plane
    damage: Damage

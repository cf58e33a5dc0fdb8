"""From where on a deviation of the label from its sources is damage, by task."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TypeVar

Value = TypeVar("Value", int, float)


@dataclass(frozen=True)
class Limits:
    r"""When the refiner acts.

    A pair (x, y) is a ramp: nothing below x, certain from y on (for `lost`, the other way round).

    Attributes
    ----------
    energy : SD, in grey levels, that a detail of the sources must have to count.
    lost : gain :math:`g` of the label's detail below which the sources' is lost.
    exaggerated : gain above which it is more than the sources'.
    alien : share of the detail's energy that is in no source.
    alien_levels : SD, in grey levels, from which on that counts, finest level first; the last one
        stands for all coarser ones.
    opening : radius, in pixels of each level, under which a lost place is too thin to be told from
        the border between two sources; finest first, the last one as above.
    tone : whether tones must lie between those of the sources.
    tolerance : grey levels by which it may leave them.
    least : change, in grey levels, that is not made; larger ones are made smaller by it.
    worth : root mean square, in grey levels, below which a change of the whole is not made.
    """

    energy: float = 3.0
    lost: tuple[float, float] = (0.4, 0.8)
    exaggerated: tuple[float, float] = (1.4, 2.0)
    alien: tuple[float, float] = (0.1, 0.3)
    alien_levels: tuple[float, ...] = (2.0, 1.5, 1.0)
    opening: tuple[int, ...] = (6, 3, 1, 0)
    tone: bool = False
    tolerance: float = 2.0
    least: float = 1.0
    worth: float = 0.5


_COMPROMISE = Limits()

#: Task -> limits. The sources of a multi-focus scene differ in sharpness alone, so that a label can
#: be held to them strictly; elsewhere it is a compromise, whose contrast and tone are its own.
LIMITS: dict[str, Limits] = {
    "ivf": _COMPROMISE,
    "mif": _COMPROMISE,
    "mef": _COMPROMISE,
    "mff": replace(_COMPROMISE, energy=2.0, lost=(0.5, 0.9), exaggerated=(1.25, 1.6), tone=True),
}


def at(values: tuple[Value, ...], level: int) -> Value:
    """Return the value of a level, the last one for all coarser levels."""
    return values[min(level, len(values) - 1)]

"""Declared value ranges: other numbers than 8-bit levels become levels of ``uint16``.

A declared range ``lo..hi`` maps linearly and is rounded half to even::

    level = round(65535 (value - lo) / (hi - lo))
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

_LEVELS = 65535.0

#: A range that more than this share of the pixels exceeds was declared wrongly.
_OUTSIDE = 0.01


@dataclass(frozen=True, slots=True)
class Reading:
    """How the values of one file are to be read. Make it with `span` or `window`.

    Attributes
    ----------
    low, high : the values that become 0 and 65535.
    note : what the index records of it.
    clips : whether values outside are meant to be clipped, as those of a window are.
    """

    low: float
    high: float
    note: str
    clips: bool = False

    @classmethod
    def span(cls, low: float, high: float) -> Reading:
        """Return the reading of values that all lie in ``low..high``."""
        return cls(low, high, f"range:{low:.12g}..{high:.12g}")

    @classmethod
    def window(cls, centre: float, width: float) -> Reading:
        """Return the reading of a window, ``centre - width/2 .. centre + width/2``."""
        low, high = centre - width / 2, centre + width / 2
        return cls(low, high, f"window:{centre:.12g}/{width:.12g}", clips=True)

    def apply(self, values: NDArray[Any], notes: list[str]) -> NDArray[np.uint16]:
        """Map values, (H, W) or (H, W, 3), to 0..65535, and note what was done.

        Raises
        ------
        ImageError
            With reason ``not_finite``, or ``out_of_range`` where the range was declared wrongly.
        """
        exact = finite(values).astype(np.float64)
        notes.append(self.note)
        if not self.clips and exact.size and (exact.min() < self.low or exact.max() > self.high):
            self._check(exact)
            notes.append("clipped")
        levels = (np.clip(exact, self.low, self.high) - self.low) * (
            _LEVELS / (self.high - self.low)
        )
        return np.rint(levels, out=levels).astype(np.uint16)

    def _check(self, exact: NDArray[np.float64]) -> None:
        outside = float(((exact < self.low) | (exact > self.high)).mean())
        if outside > _OUTSIDE:
            raise ImageError(
                "out_of_range",
                f"{outside:.1%} of the values lie outside the declared {self.low:g}..{self.high:g}:"
                f" they go from {exact.min():g} to {exact.max():g}; correct 'data_range'",
            )


def is_range(low: float, high: float) -> bool:
    """Tell whether values can be mapped from ``low..high``: it rises, and is not absurd."""
    width = high - low
    return width > 0 and math.isfinite(width) and math.isfinite(_LEVELS / width)


def finite(values: NDArray[Any]) -> NDArray[Any]:
    """Return `values`, which must have no NaN and no infinity.

    Raises
    ------
    ImageError
        With reason ``not_finite``.
    """
    if values.dtype.kind == "f" and not np.isfinite(values).all():
        share = 1.0 - float(np.isfinite(values).mean())
        raise ImageError(
            "not_finite", f"{share:.1%} of the values are NaN or infinite; write numbers there"
        )
    return values


def undeclared(values: NDArray[Any]) -> ImageError:
    """Return the error for values whose range nobody declared."""
    seen = f"from {values.min():g} to {values.max():g}" if values.size else "none"
    return ImageError(
        "needs_range",
        f"the values are {values.dtype}, {seen}; write what black and white are in the manifest, "
        "for instance 'data_range: [0, 1]'",
    )

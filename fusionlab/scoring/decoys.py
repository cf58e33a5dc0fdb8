"""Decoys: images that must never be chosen, scored beside the candidates to check the policy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Luminance = NDArray[np.uint8] | NDArray[np.float64]

#: Method names that begin so are decoys; ingest lets no file have such a name.
DECOY_PREFIX = "decoy:"


def _mean(a: Luminance, b: Luminance) -> Luminance:
    """Return round((a + b) / 2) for 8-bit images, (a + b) / 2 for others."""
    mean = (a.astype(np.float64) + b.astype(np.float64)) / 2.0
    return np.rint(mean).astype(np.uint8) if a.dtype == b.dtype == np.uint8 else mean


#: Decoy -> how its luminance is made from those of the first two sources.
DECOYS: dict[str, Callable[[Luminance, Luminance], Luminance]] = {
    f"{DECOY_PREFIX}copy_a": lambda a, _b: a,
    f"{DECOY_PREFIX}copy_b": lambda _a, b: b,
    f"{DECOY_PREFIX}mean": _mean,
}

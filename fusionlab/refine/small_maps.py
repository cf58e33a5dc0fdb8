"""Where damage is, as a picture small enough for a cell of a table: a gray PNG of 16 levels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab.errors import ImageError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusionlab.refine.damage import Map

#: Longest side of a map.
LONGEST = 96

_LEVELS = 15


def encode_map(damage: Map) -> bytes:
    """Return a map (H, W) of 0..1 as a PNG of `LONGEST` pixels at the most; area means."""
    scale = LONGEST / max(damage.shape)
    small = np.asarray(damage, dtype=np.float32)
    if scale < 1:
        height, width = (max(1, round(side * scale)) for side in damage.shape)
        small = np.asarray(cv2.resize(small, (width, height), interpolation=cv2.INTER_AREA))
    levels = np.rint(np.clip(small, 0, 1) * _LEVELS) * (255 // _LEVELS)
    done, buffer = cv2.imencode(".png", levels.astype(np.uint8))
    assert done
    return bytes(buffer)


def read_map(data: bytes) -> NDArray[np.float64]:
    """Return a cell of the column ``map`` as a map of 0..1.

    Raises
    ------
    ImageError
        When it is no such picture.
    """
    found = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_GRAYSCALE) if data else None
    if found is None:
        raise ImageError(
            "undecodable", "a map of refinements: is empty or no PNG; refine the label again"
        )
    return np.asarray(found, dtype=np.float64) / 255.0

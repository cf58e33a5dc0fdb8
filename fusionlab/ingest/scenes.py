"""Scenes of a data set that are nearly the same, such as adjacent slices of one patient."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fusionlab.ingest.describe import Description

    Sketch = NDArray[np.float32]

_ALIKE = 0.9
_WAVES = 12  # per side, of a thumbnail's cosine transform
_AXES = 12  # principal axes that neighbours are sought on
_NEIGHBOURS = 8
_FLAT = 2.0  # levels; a flatter source tells nothing about its scene


def sketch(a: Description, b: Description) -> Sketch | None:
    """Return a scene in some hundred numbers, or None where a source is flat.

    The low waves of each source's thumbnail, without its mean, scaled to length 1.
    """
    halves = []
    for source in (a, b):
        waves = cv2.dct(source.luma_cells.astype(np.float32))[:_WAVES, :_WAVES].ravel()[1:]
        length = float(np.linalg.norm(waves))
        if length < _FLAT * len(source.luma_cells):
            return None
        halves.append(waves / length)
    return np.concatenate(halves)


def near_duplicate_scenes(sketches: Mapping[str, Sketch]) -> dict[str, str]:
    """Return scene -> the scene that it nearly equals, for those that have one.

    Two scenes are nearly the same when both their first and their second sources' sketches
    correlate to 0.9. Neighbours are sought in a k-d tree on the principal axes, the nearest 8 of
    each scene are compared: n log n, not n^2. A likeness to a ninth neighbour that is the only
    true one is missed.
    """
    names = sorted(sketches)
    if len(names) < 2:
        return {}
    points = np.stack([sketches[name] for name in names])
    wanted = min(_NEIGHBOURS + 1, len(names))
    axes = _on_axes(points)
    near = np.asarray(cKDTree(axes, balanced_tree=False).query(axes, k=wanted)[1])
    twins = {}
    for i, name in enumerate(names):
        others = near[i][near[i] != i]
        likeness = _likeness(points[i], points[others])
        best = int(likeness.argmax())
        if likeness[best] >= _ALIKE:
            twins[name] = names[others[best]]
    return twins


def _on_axes(points: NDArray[np.float32]) -> NDArray[np.float32]:
    centred = points - points.mean(axis=0)
    _, axes = np.linalg.eigh(centred.T @ centred)
    turned: NDArray[np.float32] = centred @ axes[:, -_AXES:]
    return turned


def _likeness(point: NDArray[np.float32], others: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the smaller of the two sources' correlations."""
    half = len(point) // 2
    first, second = others[:, :half] @ point[:half], others[:, half:] @ point[half:]
    both: NDArray[np.float32] = np.minimum(first, second)
    return both

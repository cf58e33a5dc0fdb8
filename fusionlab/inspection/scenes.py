"""Scenes of a data set that are nearly the same, such as adjacent slices of one patient."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np
from scipy.spatial import cKDTree

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from fusionlab.inspection.statistics import Statistics

    Sketch = NDArray[np.float16]

_ALIKE = 0.905
_WAVES = 24  # per side, of a thumbnail's cosine transform
_AXES = 8  # principal axes that neighbours are sought on
_NEIGHBOURS = 8
_FEW = 512  # scenes up to which each is compared with all
_FLAT = 2.0  # levels; a flatter source tells nothing about its scene


def sketch(a: Statistics, b: Statistics) -> Sketch | None:
    """Return a scene as (1150,) numbers, 2.3 KB, or None where a source is flat.

    The low waves of each source's thumbnail, without its mean, scaled to length 1.
    """
    halves = []
    for source in (a, b):
        waves = cv2.dct(source.luma_cells.astype(np.float32))[:_WAVES, :_WAVES].ravel()[1:]
        length = float(np.linalg.norm(waves))
        if length < _FLAT * len(source.luma_cells):
            return None
        halves.append(waves / length)
    return np.concatenate(halves).astype(np.float16)


def near_duplicate_scenes(sketches: Mapping[str, Sketch]) -> dict[str, str]:
    """Return scene -> the scene that it nearly equals, for those that have one.

    Two scenes are nearly the same when their first sources' sketches, and their second sources',
    correlate to 0.905. Of more than 512 scenes, neighbours are sought in a k-d tree on the
    principal axes, and the nearest 8 of each compared: n log n, not n^2. A twin that is not among
    them is missed, so a scene without a twin is not proved to be alone.
    """
    names = sorted(sketches)
    if len(names) < 2:
        return {}
    points = np.stack([sketches[name] for name in names])
    near = _neighbours(points)
    twins = {}
    for i, name in enumerate(names):
        others = near[i][(near[i] != i) & (near[i] < len(names))]
        if len(others) == 0:
            continue
        likeness = _likeness(points[i], points[others])
        best = int(likeness.argmax())
        if likeness[best] >= _ALIKE:
            twins[name] = names[others[best]]
    return twins


def _neighbours(points: NDArray[np.float16]) -> NDArray[np.int64]:
    """Return (n, k): the rows nearest to each row, itself among them; n stands for none."""
    if len(points) <= _FEW:
        return np.tile(np.arange(len(points)), (len(points), 1))
    exact = points.astype(np.float32)
    exact -= exact.mean(axis=0)
    _, axes = np.linalg.eigh(exact.T @ exact)
    turned = exact @ axes[:, -_AXES:]
    # Turning shortens distances, so nothing beyond the length of a just sufficient likeness counts.
    reach = math.sqrt(2 * 2 * (1 - _ALIKE)) + 1e-3
    wanted = min(_NEIGHBOURS + 1, len(points))
    tree = cKDTree(turned, balanced_tree=False)
    return np.asarray(tree.query(turned, k=wanted, distance_upper_bound=reach)[1], dtype=np.int64)


def _likeness(point: NDArray[np.float16], others: NDArray[np.float16]) -> NDArray[np.float32]:
    """Return the smaller of the two sources' correlations."""
    half = len(point) // 2
    one, many = point.astype(np.float32), others.astype(np.float32)
    first, second = many[:, :half] @ one[:half], many[:, half:] @ one[half:]
    both: NDArray[np.float32] = np.minimum(first, second)
    return both

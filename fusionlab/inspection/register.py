"""Whether two sources of one scene lie on each other, and how far apart they seem to be.

Modalities share edges, not levels, so each image becomes a field of doubled gradient angles: edges
that are bright on one side here and on the other side there agree::

    e (cos 2 theta, sin 2 theta),    e = |g|^2 / (|g|^2 + 1 + box_31(|g|^2))

after Haber and Modersitzki, "Intensity gradient based registration and fusion of multi-modal
images" (MICCAI 2006). Overlapping tiles of one field are looked for in the other; a plane through
their displacements, fitted again with less weight on those that disagree, is the estimate.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]

# Calibrated on 90 registered pairs of 17 public data sets and the two deformed infrared images
# of RoadScene (1.17 / 0.79 / 2.5 % at the least); checked on 687 other pairs, of which five
# were flagged and are displaced, and on pairs displaced at will (`benchmarks/matching.py --train`).

#: Edges agree better by this share. Registered pairs whose tiles agree: 0.98 at the most.
_GAIN = 1.1

#: Tiles that agree with each other. PET and SPECT, which show no edges, reach 0.69 at such gains.
_CONFIDENCE = 0.75

#: Displacements below this share of the longest side are not told from what modalities do.
_RELATIVE = 0.01

_SIDE = 320
_SIGMA = 1.5
_BOX = 31
_REACH = 0.07
_TILE = 1 / 3
_LEAST = 24
_ROUNDS = 10


@dataclass(frozen=True, slots=True)
class Displacement:
    """How far the second image lies from the first, in pixels of the images as given.

    Attributes
    ----------
    dy, dx : of the middle: what is at (y, x) in the first is at (y + dy, x + dx) in the second.
    magnitude : root mean square of the displacement over the image.
    spread : root mean square of what is left of the tiles' displacements without (dy, dx): turning,
        scaling, bending, and error.
    relative : magnitude over the longest side.
    gain : by what share edges agree better when displaced; 0 where they lie best as they are.
    confidence : 0..1, the share of the edges whose tile follows the estimate to 1.5 % of the
        longest side; 0 for flat, tiny or repeated content.
    """

    dy: float
    dx: float
    magnitude: float
    spread: float
    relative: float
    gain: float
    confidence: float

    @property
    def is_certain(self) -> bool:
        """Whether most tiles say the same; where not, nothing can be told of the displacement."""
        return self.confidence >= _CONFIDENCE


def displacement(a: Array, b: Array) -> Displacement:
    """Estimate how far `b` lies from `a`; at most 7 % of the longest side can be found.

    Parameters
    ----------
    a, b : (H, W) luminances of one scene, 0..255, of the same size.

    Raises
    ------
    ValueError
        When the sizes differ.
    """
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"got images of shape {a.shape} and {b.shape}; expected two of (H, W)")
    longest = max(a.shape)
    k = max(1.0, longest / _SIDE)
    size = round(a.shape[1] / k), round(a.shape[0] / k)
    fields = [_angles(_reduced(image, size)) for image in (a, b)]
    tiles = _tiles(*fields)
    if tiles is None:
        return Displacement(0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0)
    plane, near = _plane(tiles, 0.015 * max(size))
    rows = np.linspace(-1, 1, 9)
    field = _design(*(g.ravel() for g in np.meshgrid(rows, rows, indexing="ij"))) @ plane
    magnitude = float(np.sqrt((field**2).sum(axis=1).mean())) * k
    weight = tiles.weight / tiles.weight.sum()
    left = ((tiles.shift - plane[0]) ** 2).sum(axis=1)
    gain = (weight * (tiles.best - tiles.still)).sum() / max((weight * tiles.still).sum(), 0.02)
    return Displacement(
        dy=float(plane[0, 0]) * k,
        dx=float(plane[0, 1]) * k,
        magnitude=magnitude,
        spread=float(np.sqrt((weight * left).sum())) * k,
        relative=magnitude / longest,
        gain=float(gain),
        confidence=float((weight * near).sum()),
    )


def misregistered(found: Displacement) -> bool:
    """Whether two sources clearly do not lie on each other.

    True only where edges agree at least twice as well when displaced (`gain`), most tiles say the
    same (`confidence`), and it is more than one percent of the longest side. A False is no proof.
    Of registered pairs moved by 4 % of the longest side, it finds all of one modality, five in six
    of infrared and visible; of those turned by 4 degrees or bent by 2 %, few. A deformation of a
    few pixels between CT and MRI is not told from two that lie right, since they show the two
    sides of the skull; nor is anything told of PET and SPECT, which have no edges.
    """
    clear = found.gain >= _GAIN and found.is_certain
    return clear and found.relative >= _RELATIVE


def _reduced(image: Array, size: tuple[int, int]) -> Array:
    step = max(1, max(image.shape) // (8 * _SIDE))
    thinned = np.ascontiguousarray(image[::step, ::step], dtype=np.float32)
    small: Array = cv2.resize(thinned, size, interpolation=cv2.INTER_AREA)
    return small


def _angles(image: Array) -> Array:
    """Return the (H, W, 2) field of doubled angles, 0 where it is flat."""
    smooth = cv2.GaussianBlur(image, (0, 0), _SIGMA)
    gx = cv2.Sobel(smooth, cv2.CV_32F, 1, 0, scale=1 / 8)
    gy = cv2.Sobel(smooth, cv2.CV_32F, 0, 1, scale=1 / 8)
    energy = gx * gx + gy * gy
    e = energy / (energy + 1 + cv2.blur(energy, (_BOX, _BOX))) / (energy + 1e-6)
    return np.dstack([e * (gx * gx - gy * gy), e * 2 * gx * gy])


@dataclass(frozen=True, slots=True)
class _Tiles:
    """T tiles: place (T, 2) in -1..1, shift (T, 2) in pixels, weight, agreement best and still."""

    place: Array
    shift: Array
    weight: Array
    best: Array
    still: Array


def _tiles(a: Array, b: Array) -> _Tiles | None:
    height, width = a.shape[:2]
    reach = max(4, round(_REACH * max(height, width)))
    side = min(max(_LEAST, round(_TILE * max(height, width))), height, width)
    if side < _LEAST:
        return None
    padded = cv2.copyMakeBorder(b, reach, reach, reach, reach, cv2.BORDER_CONSTANT)
    rows = []
    for y in _starts(height, side):
        for x in _starts(width, side):
            window = padded[y : y + side + 2 * reach, x : x + side + 2 * reach]
            found = _search(a[y : y + side, x : x + side], window, reach)
            centre = (2 * (y + side / 2) / height - 1, 2 * (x + side / 2) / width - 1)
            rows.append((*centre, *found))
    table = np.array(rows)
    if table[:, 4].sum() <= 0:
        return None
    return _Tiles(table[:, :2], table[:, 2:4], table[:, 4], table[:, 5], table[:, 6])


def _starts(length: int, side: int) -> list[int]:
    count = round((length - side) / (side / 2)) + 1
    return [int(start) for start in np.linspace(0, length - side, max(1, count))]


def _search(tile: Array, window: Array, reach: int) -> tuple[float, float, float, float, float]:
    """Return shift (y, x), weight, and the agreement there and in place."""
    side = tile.shape[0]
    here = float((tile * tile).sum())
    energy = cv2.boxFilter(
        (window * window).sum(axis=2), -1, (side, side), normalize=False, anchor=(0, 0),
        borderType=cv2.BORDER_CONSTANT,
    )[: 2 * reach + 1, : 2 * reach + 1]  # fmt: skip
    there = np.maximum(energy, 0.005 * side * side)
    scores = cv2.matchTemplate(window, tile, cv2.TM_CCORR) / np.sqrt(here * there + 1e-6)
    _, best, _, (x, y) = cv2.minMaxLoc(scores)
    weight = np.sqrt(here * max(float(energy[reach, reach]), 0.0)) / side**2 * max(best, 0.0)
    return y - reach, x - reach, weight, best, float(scores[reach, reach])


def _design(y: Array, x: Array) -> Array:
    return np.stack([np.ones_like(y), y, x], axis=1)


def _plane(tiles: _Tiles, near: float) -> tuple[Array, Array]:
    """Return the (3, 2) plane through the shifts, and which tiles follow it within `near`."""
    design = _design(tiles.place[:, 0], tiles.place[:, 1])
    if len(design) < 6:  # too few to tell a turn from chance
        design = design * np.array([1, 0, 0])
    scale = tiles.weight / tiles.weight.sum()
    weight = scale
    plane = np.zeros((3, 2))
    for _ in range(_ROUNDS):
        gram = (design * weight[:, None]).T @ design + 1e-3 * np.diag([0.001, 1, 1])
        plane = np.linalg.solve(gram, (design * weight[:, None]).T @ tiles.shift)
        off = np.sqrt(((tiles.shift - design @ plane) ** 2).sum(axis=1))
        weight = scale / (1 + (off / near) ** 2)
    return plane, off <= near

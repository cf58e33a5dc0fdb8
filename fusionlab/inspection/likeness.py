"""How well a scene's sources explain a picture, judged on thumbnails.

A fused image follows its sources window by window, but tone mapping, gradient fusion or a failed
method change its levels from one window to the next. So each 16 x 16 window of the 64 x 64
thumbnail of the candidate F is regressed on the same windows of the thumbnails of the sources
X_1..X_k, and the fit is the mean share of variance explained::

    R2_w = v_w^T (G_w + r I)^-1 v_w / (var_w(F) + n),    v_w = cov_w(X, F),  G_w = cov_w(X)
    fit  = sum_w  R2_w min(sd_w(F), 10) / sum_w min(sd_w(F), 10)

with r = 1 and n = 4 (gray levels squared: rounding and compression), windows every 8 pixels. The
chance level of a fit is what the same candidate reaches when it is mirrored. It is the local linear
model of the guided filter (He, Sun and Tang, "Guided image filtering", TPAMI 2013), used to judge.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Sequence

SIDE = 64
_CELL = 8
_WINDOW = (2 * _CELL) ** 2
_RIDGE = 1.0
_NOISE = 4.0
_TEXTURED = 10.0

#: More sources than this are represented by the darkest, the middle and the brightest: with many
#: regressors any picture would be explained.
MOST_SOURCES = 3

Thumbs = NDArray[np.uint8]
Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Descriptor:
    """What is kept of one image, or of the sources of one scene, to compare them by.

    Attributes
    ----------
    thumbs : (k, 64, 64) uint8, area-averaged to a square whatever the shape; k <= 3.
    height, width : size of the image that they show; of the largest source.
    """

    thumbs: Thumbs
    height: int
    width: int

    @property
    def size(self) -> tuple[int, int]:
        """Height and width."""
        return self.height, self.width


def describe(images: Sequence[Array]) -> Descriptor:
    """Return the descriptor of a scene's sources, or of one image given as a list of one.

    Parameters
    ----------
    images : luminances, (H, W) each, 0..255; sizes may differ (a small PET beside its MRI).

    Raises
    ------
    ValueError
        When there is none, or one is not (H, W).
    """
    if not images or any(image.ndim != 2 or not image.size for image in images):
        shapes = [image.shape for image in images]
        raise ValueError(f"got luminances of shape {shapes}; expected one or more, (H, W) each")
    largest = max(images, key=lambda image: image.size)
    thumbs = np.stack([_thumb(image) for image in _few(images)])
    return Descriptor(thumbs, *largest.shape)


def _few(images: Sequence[Array]) -> Sequence[Array]:
    if len(images) <= MOST_SOURCES:
        return images
    ordered = sorted(images, key=lambda image: float(image.mean()))
    return [ordered[0], ordered[len(ordered) // 2], ordered[-1]]


def _thumb(image: Array) -> Thumbs:
    """Average to 64 x 64. Large images are thinned out first: a mean of many needs no pixel."""
    step_y, step_x = (max(1, side // (8 * SIDE)) for side in image.shape)
    kind = np.uint8 if image.dtype == np.uint8 else np.float32
    thinned = np.ascontiguousarray(image[::step_y, ::step_x], dtype=kind)
    small = cv2.resize(thinned, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    thumb: Thumbs = np.rint(np.clip(small, 0, 255)).astype(np.uint8)
    return thumb


def cropped(scene: Descriptor, y: int, x: int, height: int, width: int) -> Descriptor:
    """Return the descriptor of a part of the scene, by resampling its thumbnails."""
    sy, sx = height / scene.height, width / scene.width
    top, left = y / scene.height * SIDE, x / scene.width * SIDE
    shift = np.array([[sx, 0, left + (sx - 1) / 2], [0, sy, top + (sy - 1) / 2]])
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    thumbs = [
        cv2.warpAffine(t, shift, (SIDE, SIDE), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        for t in scene.thumbs
    ]
    return Descriptor(np.stack(thumbs).astype(np.uint8), height, width)


@dataclass(frozen=True, slots=True)
class Models:
    """The local linear models of S scenes.

    Attributes
    ----------
    thumbs : (S, k, 64, 64) uint8; a scene with fewer sources than k has zeros.
    sums : (S, k, 7, 7) float32, sum of each window.
    inverse : (S, 7, 7, k, k) float32, (G + r I)^-1 of each window.
    """

    thumbs: Thumbs
    sums: Array
    inverse: Array

    @classmethod
    def of(cls, scenes: Sequence[Descriptor]) -> Models:
        """Prepare the scenes for `fits`."""
        k = max((len(scene.thumbs) for scene in scenes), default=1)
        thumbs = np.full((len(scenes), k, SIDE, SIDE), 128, dtype=np.uint8)
        for s, scene in enumerate(scenes):
            thumbs[s, : len(scene.thumbs)] = scene.thumbs
        sums = np.empty((len(scenes), k, 7, 7), np.float32)
        inverse = np.empty((len(scenes), 7, 7, k, k), np.float32)
        for s in range(len(scenes)):
            x = _signed(thumbs[s])
            sums[s] = _windows(x)
            products = _windows(x[:, None] * x[None, :]).astype(np.float64)
            means = sums[s].astype(np.float64) / _WINDOW
            gram = products / _WINDOW - means[:, None] * means[None, :]
            inverse[s] = np.linalg.inv(gram.transpose(2, 3, 0, 1) + _RIDGE * np.eye(k))
        return cls(thumbs, sums, inverse)

    def part(self, chosen: Any) -> Models:
        """Return the models of some scenes (an index array or a slice)."""
        return Models(self.thumbs[chosen], self.sums[chosen], self.inverse[chosen])


def fits(candidate: Thumbs, models: Models) -> Array:
    """Return how well each scene explains the candidate.

    Parameters
    ----------
    candidate : (64, 64) uint8.

    Returns
    -------
    (S,) float64 in 0..1; 0 where the candidate or the sources are flat.
    """
    f = _signed(candidate)
    sums = _windows(f).astype(np.float64)
    variance = _windows(f * f) / _WINDOW - (sums / _WINDOW) ** 2
    weight = np.minimum(np.sqrt(np.maximum(variance, 0)), _TEXTURED)
    if weight.sum() == 0:
        return np.zeros(len(models.thumbs))
    # Levels are integers within +-128, so every float32 sum over a window is exact, in any order.
    crossed = _windows(_signed(models.thumbs) * f).astype(np.float64)
    v = (crossed - models.sums * (sums / _WINDOW)) / _WINDOW
    explained = np.einsum("skij,sijkl,slij->sij", v, models.inverse, v)
    share = explained / (variance + _NOISE)
    found: Array = np.clip((share * weight).sum(axis=(1, 2)) / weight.sum(), 0, 1)
    return found


def chance(candidate: Thumbs, models: Models) -> Array:
    """Return what the candidate reaches by chance: the best `fits` of its three mirror images."""
    mirrored = (candidate[:, ::-1], candidate[::-1], candidate[::-1, ::-1])
    found: Array = np.max([fits(m, models) for m in mirrored], axis=0)
    return found


def texture(candidate: Thumbs) -> float:
    """Return the standard deviation of the thumbnail: near 0, nothing can be told from it."""
    return float(candidate.std())


def _signed(thumbs: Thumbs) -> Array:
    return thumbs.astype(np.float32) - np.float32(128)


def _windows(maps: Array) -> Array:
    """Return (..., 7, 7) sums over 16 x 16 windows every 8 pixels of (..., 64, 64)."""
    found: Array = _SPANS.T @ maps @ _SPANS
    return found


def _spans() -> NDArray[np.float32]:
    """Return (64, 7): which pixels of a line each window takes."""
    starts = _CELL * np.arange(SIDE // _CELL - 1)
    places = np.arange(SIDE)[:, None] - starts
    return ((places >= 0) & (places < 2 * _CELL)).astype(np.float32)


_SPANS = _spans()

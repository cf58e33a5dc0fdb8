"""The few scenes of a large set that are worth a closer look, by one matrix product.

A key is the 16 x 16 average of a thumbnail less its 5 x 5 mean: coarse structure, no tone. A scene
scores the share of the candidate's key c that its sources' keys explain together,
``sum_j (q_j . c)^2 / |c|^2`` with q_j an orthonormal basis of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from fusionlab.inspection.likeness import SIDE, Descriptor, Thumbs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

#: Of 938 scenes together, the true one came 9th or better for each of 1,262 real outputs, and first
#: for all but two; the rest is room for sets a thousand times as large.
LENGTH = 128

_KEY = 16
_BLUR = 5
_FLAT = 1e-3


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Keys of S scenes: (S, k, 256) float32, orthonormal for each scene, zero where flat."""

    keys: NDArray[np.float32]

    @classmethod
    def of(cls, scenes: Sequence[Descriptor]) -> Shortlist:
        """Prepare the scenes, about 2 kB each."""
        most = max((len(scene.thumbs) for scene in scenes), default=1)
        keys = np.zeros((len(scenes), most, _KEY * _KEY), np.float32)
        for s, scene in enumerate(scenes):
            basis = _orthonormal(np.stack([_key(thumb) for thumb in scene.thumbs]))
            keys[s, : len(basis)] = basis
        return cls(keys)

    def nearest(self, candidate: Thumbs) -> NDArray[np.intp]:
        """Return the numbers of at most `LENGTH` scenes, in rising order."""
        if len(self.keys) <= LENGTH:
            return np.arange(len(self.keys))
        explained: NDArray[Any] = ((self.keys @ _key(candidate)) ** 2).sum(axis=1)
        return np.sort(np.argsort(-explained, kind="stable")[:LENGTH])


def _key(thumb: Thumbs) -> NDArray[np.float32]:
    side = SIDE // _KEY
    coarse = thumb.astype(np.float32).reshape(_KEY, side, _KEY, side).mean(axis=(1, 3))
    key = coarse - cv2.blur(coarse, (_BLUR, _BLUR), borderType=cv2.BORDER_REFLECT)
    flat: NDArray[np.float32] = (key - key.mean()).ravel()
    return flat


def _orthonormal(rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return an orthonormal basis of the rows; zeros where they are flat or alike."""
    values, vectors = np.linalg.eigh((rows @ rows.T).astype(np.float64))
    scale = np.where(values > _FLAT, 1 / np.sqrt(np.maximum(values, _FLAT)), 0.0)
    return ((vectors * scale).T @ rows).astype(np.float32)

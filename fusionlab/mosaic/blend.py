r"""Blend several candidates of a scene, each shown in its part, by a Laplacian pyramid.

.. math:: L^F_l = \sum_k G_l(m_k) \, L_l(I_k), \quad \sum_k m_k = 1

L_l: level l of the Laplacian pyramid of image k, channel by channel; G_l: level l of the Gaussian
pyramid of its mask, 1 where it is shown and 0 elsewhere. Coarse structure passes over a wide seam
and fine structure over a narrow one. (Burt and Adelson, "A multiresolution spline with application
to image mosaics", ACM Transactions on Graphics 2(4), 1983.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab.baselines.laplacian import decompose, depth, reconstruct
from fusionlab.colour import BLUE, GREEN, RED

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusionlab.images import Pixels

    Floats = NDArray[np.float64]


def blend(images: Sequence[Pixels], shown: NDArray[np.intp]) -> Pixels:
    """Return the mosaic of candidates of one scene.

    Parameters
    ----------
    images : of one size and data type, gray (H, W) or RGB (H, W, 3). The first one decides which
        of them the mosaic is: a gray image lends an RGB mosaic its luminance and leaves it the
        chroma of the first; an RGB image lends a gray one its luminance.
    shown : (H, W), which of `images` each pixel comes from.

    Returns
    -------
    Pixels of the form and type of ``images[0]``, rounded half to even and clipped.
    """
    first = images[0].astype(np.float64)
    planes = [_in_form_of(first, image.astype(np.float64)) for image in images]
    masks = [_reduced((shown == k).astype(np.float64)) for k in range(len(images))]
    channels = [
        _blend_planes([plane[..., c] for plane in planes], masks) for c in range(planes[0].shape[2])
    ]
    mixed = np.stack(channels, axis=2) if first.ndim == 3 else channels[0]
    return _like(mixed, images[0])


def _blend_planes(planes: list[Floats], masks: list[list[Floats]]) -> Floats:
    """Blend (H, W) planes by the pyramids of their masks."""
    levels = len(masks[0]) - 1
    pyramids = [decompose(plane, levels) for plane in planes]
    pairs = list(zip(masks, pyramids, strict=True))
    return reconstruct(
        [np.sum([m[level] * p[level] for m, p in pairs], axis=0) for level in range(levels + 1)]
    )


def _reduced(mask: Floats) -> list[Floats]:
    """Return the Gaussian pyramid of a mask."""
    pyramid = [mask]
    for _ in range(depth(mask.shape)):
        pyramid.append(np.asarray(cv2.pyrDown(pyramid[-1]), dtype=np.float64))
    return pyramid


def _like(image: Floats, other: Pixels) -> Pixels:
    rounded = np.rint(image)
    if other.dtype == np.uint8:
        return np.clip(rounded, 0, 255).astype(np.uint8)
    return np.clip(rounded, 0, 65535).astype(np.uint16)


def _in_form_of(first: Floats, image: Floats) -> Floats:
    """Return `image` as (H, W, 1) where `first` is gray, else as (H, W, 3).

    Adding one amount to all three channels changes the luminance by it, and no chroma.
    """
    if first.ndim == 2:
        return _luminance(image)[..., None]
    return image if image.ndim == 3 else first + (image - _luminance(first))[..., None]


def _luminance(image: Floats) -> Floats:
    if image.ndim == 2:
        return image
    return np.asarray(image @ np.array([RED, GREEN, BLUE]))

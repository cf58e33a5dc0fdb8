"""Rules and filters that several methods share."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusionlab.colour import Plane

Real = TypeVar("Real", np.float32, np.float64)


def max_abs(details: Sequence[NDArray[Real]]) -> NDArray[Real]:
    r"""Return at every place the coefficient :math:`D_k` of largest :math:`|D_k|`.

    Equal magnitudes are averaged, so that the order of the sources does not matter.
    """
    stack = np.asarray(details)
    size = np.abs(stack)
    best = size == size.max(axis=0)
    return np.asarray(np.where(best, stack, 0).sum(axis=0) / best.sum(axis=0, dtype=stack.dtype))


def winners(scores: Plane) -> Plane:
    """Return 1 at the largest of K scores and 0 elsewhere; ties share.

    `scores` is (K, H, W); so is the result, which sums to 1 over K.
    """
    best = (scores == scores.max(axis=0)).astype(np.float64)
    return np.asarray(best / best.sum(axis=0))


def box(plane: NDArray[Real], radius: int) -> NDArray[Real]:
    """Return the mean over (2 radius + 1)^2 windows, mirrored at the border.

    The radius is cut to what an image of this size can hold.
    """
    side = 2 * min(radius, (min(plane.shape) - 1) // 2) + 1
    out = cv2.boxFilter(plane, -1, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.asarray(out).reshape(plane.shape)


def gaussian(plane: NDArray[Real], sigma: float) -> NDArray[Real]:
    """Return a (H, W) plane smoothed by a Gaussian, mirrored at the border."""
    smooth = cv2.GaussianBlur(plane, (0, 0), sigma, borderType=cv2.BORDER_REFLECT)
    return np.asarray(smooth).reshape(plane.shape)


def guided_filter(
    guide: NDArray[Real], plane: NDArray[Real], radius: int, eps: float
) -> NDArray[Real]:
    r"""Smooth `plane` along the edges of `guide`.

    .. math:: a = \frac{\overline{Ip} - \bar I \bar p}{\overline{I^2} - \bar I^2 + \epsilon},
              \quad b = \bar p - a \bar I, \quad q = \bar a I + \bar b

    with box means of the given radius; I, p, q (H, W) in 0..1, :math:`\epsilon` on that
    scale. He, Sun and Tang, IEEE TPAMI 35(6), 2013. Linear in p: inputs that sum to 1 give
    outputs that sum to 1.
    """
    mean_i, mean_p = box(guide, radius), box(plane, radius)
    covariance = box(guide * plane, radius) - mean_i * mean_p
    variance = box(guide * guide, radius) - mean_i * mean_i
    a = covariance / (np.maximum(variance, 0) + eps)
    b = mean_p - a * mean_i
    return np.asarray(box(a, radius) * guide + box(b, radius), dtype=guide.dtype)


def shares(scores: Plane) -> Plane:
    """Return scores (K, H, W), none negative, as parts of their sum; equal parts where it is 0."""
    total = scores.sum(axis=0)
    equal = np.full_like(scores, 1 / len(scores))
    return np.asarray(np.divide(scores, total, out=equal, where=total > 0))


def mirrored(plane: NDArray[Real], margin: int, step: int) -> NDArray[Real]:
    """Return a (H, W) plane with a mirrored border of `margin` or more on each side.

    As much is added at the far sides as makes both sides of the result divide by `step`.
    """
    sides = [(margin, margin + -(side + 2 * margin) % step) for side in plane.shape]
    return np.pad(plane, sides, mode="symmetric")

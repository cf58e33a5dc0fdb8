"""Rules and filters that several methods share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.colour import Plane


def max_abs(details: Sequence[Plane]) -> Plane:
    r"""Return at every place the coefficient :math:`D_k` of largest :math:`|D_k|`.

    Equal magnitudes are averaged, so that the order of the sources does not matter.
    """
    return np.asarray((np.stack(details) * winners(np.abs(details))).sum(axis=0))


def winners(scores: Plane) -> Plane:
    """Return 1 at the largest of K scores and 0 elsewhere; ties share.

    `scores` is (K, H, W); so is the result, which sums to 1 over K.
    """
    best = (scores == scores.max(axis=0)).astype(np.float64)
    return np.asarray(best / best.sum(axis=0))


def box(plane: Plane, radius: int) -> Plane:
    """Return the mean over (2 radius + 1)^2 windows, mirrored at the border.

    The radius is cut to what an image of this size can hold.
    """
    side = 2 * min(radius, (min(plane.shape) - 1) // 2) + 1
    out = cv2.boxFilter(plane, cv2.CV_64F, (side, side), borderType=cv2.BORDER_REFLECT)
    return np.asarray(out, dtype=np.float64).reshape(plane.shape)


def guided_filter(guide: Plane, plane: Plane, radius: int, eps: float) -> Plane:
    r"""Smooth `plane` along the edges of `guide`.

    .. math:: a = \frac{\overline{Ip} - \bar I \bar p}{\overline{I^2} - \bar I^2 + \epsilon},
              \quad b = \bar p - a \bar I, \quad q = \bar a I + \bar b

    with box means of the given radius; I, p, q float64 (H, W) in 0..1, :math:`\epsilon` on that
    scale. He, Sun and Tang, IEEE TPAMI 35(6), 2013. Linear in p: inputs that sum to 1 give
    outputs that sum to 1.
    """
    mean_i, mean_p = box(guide, radius), box(plane, radius)
    covariance = box(guide * plane, radius) - mean_i * mean_p
    variance = box(guide * guide, radius) - mean_i * mean_i
    a = covariance / (np.maximum(variance, 0.0) + eps)
    b = mean_p - a * mean_i
    return box(a, radius) * guide + box(b, radius)

r"""Enhance the damaged components of a label, and only those.

.. math:: \Delta_l = \text{lost}\,(b - g)_+\, T - \text{exaggerated}\,(g - c)_+\, T
          - \text{alien}\, R

What the sources have and the label lost is put back, what exceeds them is taken off, what is in no
source is removed, and tones that then still leave the range of the sources' are brought back. The
changes of all levels add up; those of less than a grey level or so are not made, and none is where
all together are not worth it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab.baselines.laplacian import enlarge, reconstruct
from fusionlab.refine.decompose import beyond

if TYPE_CHECKING:
    from fusionlab.colour import Plane
    from fusionlab.refine.decompose import Detail, Layer, Layers
    from fusionlab.refine.identify import Deviation, Findings
    from fusionlab.refine.limits import Limits


def enhance(layers: Layers, findings: Findings, limits: Limits) -> Plane:
    """Return the luminance of the enhanced label, (H, W), 0..255; untouched where it is sound."""
    pairs = zip(layers.details, findings.levels, strict=True)
    changes = [correction(d, v) for d, v in pairs]
    enhanced = layers.label
    if changes:
        rest = np.zeros_like(cv2.pyrDown(changes[-1]))
        enhanced = _changed(enhanced, reconstruct([*changes, rest]), limits)
    if limits.tone:
        off = beyond(enhanced, layers, limits.tolerance)
        enhanced = _changed(enhanced, -enlarge(off, enhanced.shape), limits)
    changed = float(np.sqrt(np.mean(np.square(enhanced - layers.label))))
    return enhanced if changed >= limits.worth else layers.label


def _changed(plane: Plane, change: Layer, limits: Limits) -> Plane:
    made = np.sign(change) * np.maximum(np.abs(change) - limits.least, 0)
    return np.asarray(np.clip(plane + made, 0.0, 255.0))


def correction(detail: Detail, deviation: Deviation) -> Layer:
    """Return what one level of detail is changed by."""
    missing = deviation.lost * np.maximum(deviation.lowest - detail.gain, 0)
    surplus = deviation.exaggerated * np.maximum(detail.gain - deviation.highest, 0)
    return np.asarray((missing - surplus) * detail.sought - deviation.alien * detail.alien)

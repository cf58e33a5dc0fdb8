r"""The truth of fusing two modalities.

.. math:: T = V + A \odot (h - g_\sigma * V)

V: the intact structural scene (visible light, MRI); A in 0..1: where the other modality alone
has something to tell (a hot target, bone, uptake); h: how bright that is there;
:math:`g_\sigma`: a Gaussian. In words: the texture of the structural modality everywhere, and
the local brightness of the other where that one is active. The sources are made from V, A and h:
one loses A or parts of V, the other loses the texture of V. All planes float64 (H, W), 0..255.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionlab.demo import parts

if TYPE_CHECKING:
    from fusionlab.colour import Plane

SIGMA = 4.0


def true_luminance(structure: Plane, active: Plane, level: Plane | float) -> Plane:
    """Return T for V = `structure`, A = `active`, h = `level`."""
    return structure + active * (level - parts.blur(structure, SIGMA))

r"""Damage of known kind and place, planted in a sound label: what the refiner is measured on.

.. math:: F_d = F + m\,(d(F) - F)

m: a soft mask of a few blobs, or of the strongest blob-like target; d, by kind:

- ``detail``: :math:`g_\sigma * F`, the fine structure blurred;
- ``target``: F's surroundings under a wide Gaussian, on the strongest target;
- ``noise``: :math:`F + \mathcal N(0, \sigma^2)`;
- ``halo``: :math:`F + s (F - g_6 * F)`, over- and undershoot along edges;
- ``clipping``: :math:`\min(F, q)` or :math:`\max(F, q)`, the levels beyond a quantile cut off.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.demo.parts import blur, mix
from fusionlab.refine.damage import KINDS
from fusionlab.validation.planting import blobs

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusionlab.colour import Plane

#: Kind -> grades, the weakest first: sigma, share of the target lost, SD, strength, levels cut.
GRADES: dict[str, tuple[float, ...]] = {
    "detail": (1.0, 1.8, 3.0),
    "target": (0.5, 0.75, 1.0),
    "noise": (4.0, 8.0, 16.0),
    "halo": (0.4, 0.8, 1.5),
    "clipping": (0.2, 0.35, 0.5),
}

_SHARE = {"detail": 0.2, "noise": 0.3, "halo": 0.25, "clipping": 0.3}
_TARGET_SIDE = 0.06
_HALO_WIDTH = 6.0


@dataclass(frozen=True)
class Planted:
    """A damaged label.

    Attributes
    ----------
    plane : (H, W), 0..255.
    mask : (H, W) bool: where it differs from the sound one by more than a level.
    kind, grade : what was planted; the grade counts from 0, the weakest.
    """

    plane: Plane
    mask: NDArray[np.bool_]
    kind: str
    grade: int


def plant(sound: Plane, kind: str, grade: int, rng: np.random.Generator) -> Planted:
    """Plant damage of one kind in a sound label (H, W), 0..255.

    Raises
    ------
    KeyError
        For a kind that is not one of `KINDS`.
    """
    strength = GRADES[kind][grade]
    if kind == "target":
        mask, other = _lost_target(sound, strength)
    else:
        mask = blobs(sound.shape, _SHARE[kind], rng)
        other = _spoiled(sound, kind, strength, mask, rng)
    damaged = np.clip(mix(mask, other, sound), 0.0, 255.0)
    return Planted(np.rint(damaged), np.abs(damaged - sound) > 1.0, kind, grade)


def plant_each(sound: Plane, rng: np.random.Generator) -> list[Planted]:
    """Plant every kind, each in one grade drawn by chance."""
    return [plant(sound, kind, int(rng.integers(len(GRADES[kind]))), rng) for kind in KINDS]


def _spoiled(
    sound: Plane, kind: str, strength: float, mask: Plane, rng: np.random.Generator
) -> Plane:
    if kind == "detail":
        return blur(sound, strength)
    if kind == "noise":
        return np.asarray(sound + rng.normal(0.0, strength, sound.shape))
    if kind == "halo":
        return np.asarray(sound + strength * (sound - blur(sound, _HALO_WIDTH)))
    inside = sound[mask > 0.5]
    if rng.random() < 0.5:
        return np.minimum(sound, np.quantile(inside, 1.0 - strength))
    return np.maximum(sound, np.quantile(inside, strength))


def _lost_target(sound: Plane, share: float) -> tuple[Plane, Plane]:
    """Return the mask of the target that stands out most, and what replaces it."""
    sigma = max(2.0, _TARGET_SIDE * min(sound.shape))
    contrast = np.abs(blur(sound, sigma / 2) - blur(sound, 2 * sigma))
    margin = int(2 * sigma)
    contrast[:margin] = contrast[-margin:] = contrast[:, :margin] = contrast[:, -margin:] = 0.0
    top, left = np.unravel_index(int(np.argmax(contrast)), sound.shape)
    y, x = np.mgrid[: sound.shape[0], : sound.shape[1]]
    near = np.exp(-((((y - top) ** 2 + (x - left) ** 2) / (2 * sigma**2)) ** 2))
    # The surroundings as they look without the target: a Gaussian that leaves it out.
    outside = 1.0 - near
    filled = blur(sound * outside, 2 * sigma) / np.maximum(blur(outside, 2 * sigma), 1e-6)
    return share * near, filled

r"""Demo scenes of multi-exposure fusion.

.. math:: I_k = \mathrm{quantise}\, f\big(\mathrm{clip}(2^{e_k + s}\, f^{-1}(T) + n)\big)

T: the photograph, which is the truth; f: the sRGB curve; s: the light of the scene in stops over
the light of T, varying in space; e_k: the exposure of shot k in stops; n: sensor noise. A place
is recorded as in T by the shot with :math:`e_k = -s`, clipped or crushed by the others: no shot
is good everywhere.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionlab import colour
from fusionlab.demo import parts
from fusionlab.demo.parts import DemoScene

if TYPE_CHECKING:
    from fusionlab.colour import Image, Plane

READ_NOISE = 5e-4
SEED = 11


def scenes() -> list[DemoScene]:
    """Return a portrait by a window, a cat half in the sun, and a gray wall in three shots."""
    portrait, cat, wall = (288, 272), (213, 301), (240, 320)
    y, x = parts.grid(portrait)
    window = 4.4 * parts.step(x + 0.15 * y, 0.60, 0.04) - 2.2
    y, x = parts.grid(cat)
    sun = 5.0 * (1.0 - parts.step(x - 0.35 * y, 0.30, 0.03)) - 2.5
    y, x = parts.grid(wall)
    eaves = 3.0 * parts.step(y + 0.5 * x, 0.80, 0.02) - 1.5
    return [
        _scene(
            "portrait",
            parts.photo("astronaut.png", portrait, (0, 0, 512, 484)),
            window,
            {"under": -2.2, "over": 2.2},
        ),
        _scene("cat", parts.photo("chelsea.png", cat), sun, {"under": -2.5, "over": 2.5}),
        _scene(
            "wall",
            parts.photo("brick.png", wall, (0, 0, 384, 512)),
            eaves,
            {"under": -1.5, "over": 1.5, "mid": -0.3},
        ),
    ]


def _scene(name: str, truth: Image, stops: Plane, exposures: dict[str, float]) -> DemoScene:
    rng = np.random.Generator(np.random.PCG64(SEED))
    gain = np.exp2(stops) if truth.ndim == 2 else np.exp2(stops)[:, :, None]
    radiance = decode(truth / 255.0) * gain
    shots = {shot: expose(radiance * 2.0**stop, rng) for shot, stop in exposures.items()}
    return DemoScene("mef", name, shots, truth)


def expose(light: Plane, rng: np.random.Generator) -> Image:
    """Return the 8-bit record of linear light, full well at 1."""
    noisy = light + rng.normal(0.0, READ_NOISE, light.shape)
    return colour.to_uint8(255.0 * encode(np.clip(noisy, 0.0, 1.0)))


def encode(linear: Plane) -> Plane:
    """Return the sRGB values in 0..1 of linear light in 0..1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def decode(values: Plane) -> Plane:
    """Return the linear light of sRGB values; the inverse of `encode`."""
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)

r"""Demo scenes of multi-focus fusion.

.. math:: I_{near} = M T + (1 - M) (d_r * T), \quad I_{far} = (1 - M) T + M (d_r * T)

T: the photograph, which is the truth; M: the near part of the scene, soft at its edge; d_r: a
disc of r pixels. Every place is in focus in exactly one source.
"""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab import colour
from fusionlab.demo import parts
from fusionlab.demo.parts import DemoScene

if TYPE_CHECKING:
    from fusionlab.colour import Image, Plane
    from fusionlab.demo.parts import Size


def scenes() -> list[DemoScene]:
    """Return a garage (measured depth), a cup on a table, and coins on a tilted tray."""
    garage, cup, tray = (216, 320), (201, 301), (240, 304)
    cup_rim = parts.ellipse(cup, (0.40, 0.51), (0.44, 0.23))
    y, x = parts.grid(tray)
    return [
        _scene("garage", parts.photo("motorcycle_left.png", garage), _measured_depth(garage), 3.5),
        _scene("cup", parts.photo("coffee.png", cup), 1.0 - parts.step(cup_rim, 1.0, 0.02), 4.0),
        _scene("tray", parts.photo("coins.png", tray), parts.step(y + 0.25 * x, 0.62, 0.01), 3.0),
    ]


def _scene(name: str, truth: Image, near: Plane, radius: float) -> DemoScene:
    sharp = truth.astype(np.float64)
    soft = parts.defocus(sharp, radius)
    sources = {
        "near": colour.to_uint8(parts.mix(near, sharp, soft)),
        "far": colour.to_uint8(parts.mix(near, soft, sharp)),
    }
    return DemoScene("mff", name, sources, truth)


def _measured_depth(size: Size) -> Plane:
    """Return the near part of the garage by the disparity that was measured with the photo."""
    source = files("skimage") / "data" / "motorcycle_disp.npz"
    with as_file(source) as path, np.load(path) as archive:
        disparity = np.asarray(archive["arr_0"], dtype=np.float32)
    # Not measured (infinite) is mostly what the nearer camera sees past the motorcycle: far.
    disparity = np.where(np.isfinite(disparity), disparity, 0.0).astype(np.float32)
    disparity = cv2.medianBlur(disparity, 5)
    small = cv2.resize(disparity, size[::-1], interpolation=cv2.INTER_AREA)
    return parts.blur(parts.step(np.asarray(small, dtype=np.float64), 42.0, 1.5), 1.0)

"""What every demo scene is made of: photographs, soft masks, blur and noise.

The photographs lie inside the scikit-image wheel and are read as plain files: `skimage.data`
itself may download, or write to the home folder.
"""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import as_file, files
from typing import TYPE_CHECKING

import cv2
import numpy as np
from PIL import Image as PillowImage

from fusionlab import colour
from fusionlab.errors import FusionLabError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.colour import Image, Plane

Size = tuple[int, int]
Box = tuple[int, int, int, int]


@dataclass(frozen=True, slots=True)
class DemoScene:
    """One registered set of sources and what fusing them perfectly would give.

    Attributes
    ----------
    task : key of the task.
    name : name of the scene, unique within the task.
    sources : modality -> uint8 (H, W) or (H, W, 3); the first two are a and b.
    reference : the truth, uint8 (H, W) or (H, W, 3).
    """

    task: str
    name: str
    sources: dict[str, Image]
    reference: Image


def photo(name: str, size: Size, crop: Box | None = None) -> Image:
    """Return a photograph of the scikit-image wheel.

    Parameters
    ----------
    name : file name, e.g. ``"coffee.png"``.
    size : (height, width) that it is scaled to.
    crop : (top, left, bottom, right) that is cut out first.
    """
    source = files("skimage") / "data" / name
    if not source.is_file():
        raise FusionLabError(
            f"demo scenes: got no photograph {name!r} in the installed scikit-image, expected it "
            "in its folder skimage/data. Install scikit-image from its wheel, 0.24 or newer."
        )
    with as_file(source) as path, PillowImage.open(path) as opened:
        full = np.asarray(opened if opened.mode == "L" else opened.convert("RGB"))
    return scale(full if crop is None else full[crop[0] : crop[2], crop[1] : crop[3]], size)


def scale(image: Image, size: Size) -> Image:
    """Return the image at (height, width), area-averaged."""
    resized = cv2.resize(image.astype(np.float64), size[::-1], interpolation=cv2.INTER_AREA)
    return colour.to_uint8(resized)


def blur(values: Plane, sigma: float) -> Plane:
    """Return (H, W) or (H, W, 3) values under a Gaussian of `sigma` pixels."""
    return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), dtype=np.float64)


def defocus(values: Plane, radius: float) -> Plane:
    """Return the values under a disc of `radius` pixels: the blur of a lens out of focus."""
    reach = int(np.ceil(radius))
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    # A rim pixel counts by the part of it inside the circle.
    disc = np.clip(radius + 0.5 - np.hypot(y, x), 0.0, 1.0)
    blurred = cv2.filter2D(values, -1, disc / disc.sum(), borderType=cv2.BORDER_REFLECT)
    return np.asarray(blurred, dtype=np.float64)


def grid(size: Size) -> tuple[Plane, Plane]:
    """Return the coordinates (y, x) of the pixel centres, each (H, W) in 0..1."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]] + 0.5
    return y / size[0], x / size[1]


def ellipse(size: Size, centre: tuple[float, float], radii: tuple[float, float]) -> Plane:
    """Return the normalised distance from a centre: 1 on the ellipse; all (y, x) in 0..1."""
    y, x = grid(size)
    return np.asarray(np.hypot((y - centre[0]) / radii[0], (x - centre[1]) / radii[1]))


def polygon(size: Size, corners: Sequence[tuple[float, float]], softness: float) -> Plane:
    """Return a mask, 1 inside the polygon of (y, x) corners in 0..1, its edge `softness` wide."""
    points = np.array([(x * size[1], y * size[0]) for y, x in corners]).round().astype(np.int32)
    mask = np.zeros(size)
    cv2.fillPoly(mask, [points], 1.0)
    return blur(mask, softness)


def step(values: Plane, edge: float, width: float) -> Plane:
    """Return the logistic step from 0 to 1 at `edge`; `width` is its scale."""
    return np.asarray(1.0 / (1.0 + np.exp(-(values - edge) / width)))


def mix(mask: Plane, inside: Plane, outside: Plane) -> Plane:
    """Return mask * inside + (1 - mask) * outside; the mask (H, W) spans all channels."""
    weight = mask if inside.ndim == 2 else mask[:, :, None]
    return np.asarray(weight * inside + (1.0 - weight) * outside)

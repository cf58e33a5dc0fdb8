"""Demo scenes of infrared-visible fusion.

The truth is that of `fusionlab.demo.latent` with V the photograph's luminance, A the hot targets
and h their infrared level; its chroma is the photograph's. The visible source is the photograph
darkened and noisy (night) or veiled (smoke), blind to heat. The infrared source is gray: the
photograph smoothed and flattened, so without its texture but through night and smoke, with the
targets at level h.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab import colour
from fusionlab.demo import parts
from fusionlab.demo.latent import true_luminance
from fusionlab.demo.parts import DemoScene

if TYPE_CHECKING:
    from fusionlab.colour import Image, Plane
    from fusionlab.demo.parts import Size

FACE = ((0.25, 0.35), (0.25, 0.50), (0.33, 0.49), (0.38, 0.46), (0.40, 0.40), (0.30, 0.33))
ENGINE = (
    (0.43, 0.46), (0.42, 0.55), (0.44, 0.65), (0.55, 0.62), (0.60, 0.62), (0.70, 0.58),
    (0.75, 0.50), (0.72, 0.42), (0.60, 0.41), (0.52, 0.46),
)  # fmt: skip
EXHAUST = ((0.59, 0.11), (0.66, 0.12), (0.72, 0.37), (0.75, 0.50), (0.72, 0.50), (0.68, 0.38))
HERD = ((0.25, 0.20), (0.34, 0.32), (0.62, 0.70), (0.72, 0.58), (0.55, 0.30), (0.20, 0.80))


def scenes() -> list[DemoScene]:
    """Return a man in a park by night, an engine in smoke, and animals seen from a drone."""
    return [_park(), _smoke(), _drone()]


def _park() -> DemoScene:
    size = (257, 255)
    day = parts.photo("camera.png", size)
    evening = colour.to_uint8(0.6 * day.astype(np.float64))
    coat, face = _coat(day), parts.polygon(size, FACE, 1.5)
    lamp = parts.ellipse(size, (0.45, 0.80), (0.75, 0.60))
    light = 0.30 + 0.70 * (1.0 - parts.step(lamp, 0.9, 0.12))
    rng = np.random.Generator(np.random.PCG64(21))
    visible = evening * light + rng.normal(0.0, 3.0, size)
    level = 160.0 + 75.0 * face + 0.3 * parts.blur(evening.astype(np.float64), 1.5)
    return _scene("park", evening, visible, np.maximum(coat, face), level, (30.0, 0.45))


def _coat(image: Image) -> Plane:
    """Return the largest dark region without thin parts: coat and hair, not the tripod."""
    dark = (parts.blur(image.astype(np.float64), 1.5) < 62.0).astype(np.uint8)
    disc = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (9, 9))
    _, regions, stats, _ = cv2.connectedComponentsWithStats(
        cv2.morphologyEx(dark, cv2.MORPH_OPEN, disc)
    )
    largest = 1 + int(np.argmax(stats[1:, cv2.CC_STAT_AREA]))
    return parts.blur((regions == largest).astype(np.float64), 1.0)


def _smoke() -> DemoScene:
    size = (240, 320)
    image = parts.photo("motorcycle_right.png", size, (60, 60, 480, 620))
    cloud = 1.0 - parts.step(parts.ellipse(size, (0.50, 0.47), (0.42, 0.34)), 0.85, 0.10)
    rng = np.random.Generator(np.random.PCG64(22))
    wisps = parts.blur(rng.normal(0.0, 1.0, size), 14.0)
    veil = cloud * np.clip(0.86 + 0.06 * wisps / wisps.std(), 0.0, 0.96)
    visible = parts.mix(veil, np.full(image.shape, 190.0), image.astype(np.float64))
    engine, exhaust = parts.polygon(size, ENGINE, 3.0), parts.polygon(size, EXHAUST, 1.5)
    level = 165.0 + 0.4 * parts.blur(colour.luminance(image), 1.5)
    hot = np.maximum(engine, 0.9 * exhaust)
    return _scene("smoke", image, visible, hot, level, (20.0, 0.60))


def _drone() -> DemoScene:
    size = (256, 320)
    image = colour.to_uint8(
        0.55 * parts.photo("grass.png", size, (0, 0, 410, 512)).astype(np.float64)
    )
    hot = np.max([_animal(size, place, 0.6 * i) for i, place in enumerate(HERD)], axis=0)
    rng = np.random.Generator(np.random.PCG64(23))
    visible = image + rng.normal(0.0, 2.0, size)
    return _scene("drone", image, visible, hot, np.full(size, 225.0), (40.0, 0.25))


def _animal(size: Size, place: tuple[float, float], turn: float) -> Plane:
    """Return the mask of a body and a head, seen from above, heading along `turn` radians."""
    y, x = parts.grid(size)
    dy, dx = (y - place[0]) * size[0], (x - place[1]) * size[1]
    along = dx * np.cos(turn) + dy * np.sin(turn)
    across = dy * np.cos(turn) - dx * np.sin(turn)
    body, head = np.hypot(along / 11.0, across / 5.0), np.hypot((along - 13.0) / 4.5, across / 3.5)
    return 1.0 - parts.step(np.minimum(body, head), 1.0, 0.07)


def _scene(
    name: str, image: Image, visible: Plane, hot: Plane, level: Plane, flat: tuple[float, float]
) -> DemoScene:
    """Build a scene; the infrared background is flat[0] + flat[1] * (smoothed photograph)."""
    structure = colour.luminance(image)
    background = flat[0] + flat[1] * parts.blur(structure, 2.0)
    infrared = parts.mix(hot, level, background)
    cbcr = colour.chroma(image) if colour.is_colour(image) else None
    sources = {"ir": colour.to_uint8(infrared), "vis": colour.to_uint8(visible)}
    truth = colour.compose(true_luminance(structure, hot, level), cbcr)
    return DemoScene("ivf", name, sources, truth)

"""The quality of a JPEG, told from its pixels: against files of known quality."""

from __future__ import annotations

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from fusionlab.images import decode, luminance, read_image
from fusionlab.inspection.jpeg_quality import estimate_quality, steps_of


def textured(seed: int = 0, shape: tuple[int, int] = (160, 200)) -> np.ndarray:
    """Blurred noise with edges: no block is flat, none is cut off."""
    rng = np.random.default_rng(seed)
    fine = cv2.GaussianBlur(rng.normal(0, 60, shape), (0, 0), 1.2)
    y, x = np.mgrid[: shape[0], : shape[1]]
    image = 128 + fine + 30 * np.sign(np.sin(x / 17) * np.sin(y / 13))
    return np.clip(np.rint(image), 5, 250).astype(np.uint8)


def compressed(pixels: np.ndarray, quality: int) -> bytes:
    return cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, quality])[1].tobytes()


@pytest.mark.parametrize("quality", [1, 12, 49, 50, 51, 75, 90, 100])
def test_steps_are_those_of_the_library(quality):
    data = io.BytesIO()
    Image.fromarray(textured(shape=(16, 16))).save(data, "JPEG", quality=quality)
    table = np.array(Image.open(data).quantization[0]).reshape(8, 8)
    assert np.array_equal(steps_of(quality), table)


@pytest.mark.parametrize("quality", [10, 30, 50, 75, 80, 90, 95, 98])
@pytest.mark.parametrize("colour", [False, True])
def test_a_known_quality_is_told(quality, colour):
    gray = textured(quality)
    pixels = np.stack([gray, np.roll(gray, 3, 0), gray], axis=2) if colour else gray
    found = decode(compressed(pixels, quality)).pixels
    assert estimate_quality(luminance(found)) == quality


@pytest.mark.parametrize("quality", [60, 85])
def test_a_jpeg_kept_without_loss_is_told_too(quality):
    once = decode(compressed(textured(), quality)).pixels
    again = decode(cv2.imencode(".png", once)[1].tobytes()).pixels
    assert estimate_quality(again) == quality


def test_what_was_never_compressed_or_is_flat_tells_nothing():
    assert estimate_quality(textured()) is None
    assert estimate_quality(np.full((64, 64), 90, np.uint8)) is None
    assert estimate_quality(np.zeros((64, 64), np.uint8)) is None
    assert estimate_quality(textured(shape=(7, 9))) is None


def test_published_files_say_what_their_tables_say(shared: Path):
    files = sorted((shared / "data/ivf/vifb/methods").rglob("*.jp*g"))[::23]
    told = [estimate_quality(luminance(read_image(file))) for file in files]
    assert len(told) > 8
    assert sum(quality == 75 for quality in told) >= len(told) - 1

"""Decoys: what they are made of, and that they are made the same way every time."""

import numpy as np
import pytest

from fusionlab.decoys import DECOYS, SPOILS, spoil, spoiled_name
from fusionlab.store import is_safe_name


@pytest.fixture(name="image")
def _image() -> np.ndarray:
    y, x = np.mgrid[:48, :64]
    return np.clip(120 + 60 * np.sin(x / 5) + y, 20, 230).astype(np.uint8)


def test_the_maximum_is_pixel_by_pixel():
    a, b = np.array([[1, 9]], np.uint8), np.array([[5, 2]], np.uint8)
    made = DECOYS["decoy:max"](a, b)
    assert made.tolist() == [[5, 9]]
    assert made.dtype == np.uint8


@pytest.mark.parametrize("name", SPOILS)
def test_every_spoil_changes_the_image_repeatably_and_keeps_its_type(name, image):
    made = spoil(image, name)
    assert made.dtype == np.uint8
    assert made.shape == image.shape
    assert not np.array_equal(made, image)
    assert np.array_equal(made, spoil(image, name))
    floats = spoil(image.astype(float), name)
    assert floats.dtype == np.float64
    assert floats.min() >= 0
    assert floats.max() <= 255
    assert np.abs(floats - made).max() <= 0.5 + 1e-9


def test_mild_spoils_change_less_than_any_defect(image):
    def change(name):
        return float(np.abs(spoil(image, name).astype(float) - image).mean())

    noise = {name: change(name) for name in ("noise_2", "noise_10")}
    assert noise["noise_2"] < 2 < 6 < noise["noise_10"]
    assert change("sharpened_0.3") < change("sharpened_2")
    assert change("ghost_1") < change("ghost_5")


def test_no_file_can_have_the_name_of_a_decoy():
    assert not is_safe_name(spoiled_name("blurred", "GFF"))
    assert not any(is_safe_name(name) for name in DECOYS)

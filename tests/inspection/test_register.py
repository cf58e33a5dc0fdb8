"""Whether two sources lie on each other."""

import cv2
import numpy as np
import pytest

from fusionlab.demo.scenes import make_scenes
from fusionlab.images import luminance, read_image
from fusionlab.inspection.register import displacement, misregistered


def demo(task):
    return [[luminance(x) for x in s.sources.values()][:2] for s in make_scenes() if s.task == task]


def moved(image, dy, dx):
    shift = np.array([[1, 0, dx], [0, 1, dy]], float)
    return cv2.warpAffine(
        image, shift, image.shape[::-1], flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT
    )


@pytest.mark.parametrize("task", ["ivf", "mif", "mef", "mff"])
def test_registered_pairs_are_not_flagged(task):
    for a, b in demo(task):
        assert not misregistered(displacement(a, b))


@pytest.mark.parametrize(("dy", "dx"), [(7, -9), (-6, 0), (0, 11)])
def test_a_shift_is_measured_and_flagged(dy, dx):
    for a, b in demo("mff"):
        found = displacement(a, moved(b, dy, dx))
        assert found.dy == pytest.approx(dy, abs=1.5)
        assert found.dx == pytest.approx(dx, abs=1.5)
        assert found.magnitude == pytest.approx(np.hypot(dy, dx), abs=2)
        assert misregistered(found)


def test_inverted_levels_do_not_matter():
    a, _ = demo("mff")[0]
    found = displacement(a, 255 - moved(a, 5, 8))
    assert (found.dy, found.dx) == (pytest.approx(5, abs=1), pytest.approx(8, abs=1))
    assert misregistered(found)


def test_large_images_are_measured_in_their_own_pixels():
    a, b = (cv2.resize(x, None, fx=6, fy=6, interpolation=cv2.INTER_CUBIC) for x in demo("mff")[0])
    found = displacement(a, moved(b, 30, 40))
    assert found.dy == pytest.approx(30, abs=6)
    assert found.dx == pytest.approx(40, abs=6)


@pytest.mark.parametrize(
    "pair",
    [
        (np.zeros((200, 300), np.uint8), np.zeros((200, 300), np.uint8)),
        (np.zeros((10, 12), np.uint8), np.zeros((10, 12), np.uint8)),
    ],
)
def test_flat_and_tiny_images_tell_nothing(pair):
    found = displacement(*pair)
    assert found.confidence == 0
    assert not misregistered(found)


def test_unrelated_images_are_not_said_to_be_displaced():
    rng = np.random.default_rng(0)
    noise = [
        cv2.GaussianBlur(rng.integers(0, 256, (240, 320)).astype(np.uint8), (0, 0), 3)
        for _ in range(2)
    ]
    assert not misregistered(displacement(*noise))


def test_two_sizes_are_refused():
    with pytest.raises(ValueError, match=r"\(4, 4\) and \(4, 5\); expected two"):
        displacement(np.zeros((4, 4)), np.zeros((4, 5)))


@pytest.mark.parametrize(("scene", "px"), [("14", 22.4), ("19", 12.6)])
def test_deformed_infrared_is_flagged_and_its_registered_copy_is_not(shared, scene, px):
    folder = shared / "data" / "ivf" / "roadscene_misaligned"
    vis, ir, fixed = (
        luminance(read_image(folder / part / f"{scene}.png"))
        for part in ("sources/vis", "sources/ir", "reference/ir_registered")
    )
    found = displacement(ir, vis)
    assert misregistered(found)
    assert found.magnitude == pytest.approx(px, rel=0.25)  # by optical flow to the registered copy
    assert not misregistered(displacement(fixed, vis))


@pytest.mark.parametrize("dataset", ["ivf/vifb", "mff/mffw", "mif/harvard_spect_mri", "mef/mefdb"])
def test_registered_sets_raise_no_alarm(shared, dataset):
    sources = shared / "data" / dataset / "sources"
    first, second = (m for m in sorted(sources.iterdir()) if m.name != "mid")
    for a, b in zip(sorted(first.iterdir()), sorted(second.iterdir()), strict=True):
        found = displacement(luminance(read_image(a)), luminance(read_image(b)))
        assert not misregistered(found), a.name

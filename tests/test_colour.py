import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fusionlab import colour
from fusionlab.errors import ImageError
from fusionlab.tasks import TASKS

rgb_images = arrays(
    np.uint8,
    st.tuples(st.integers(1, 6), st.integers(1, 6), st.just(3)),
    elements=st.integers(0, 255),
)


def flat(red, green, blue, size=(4, 5)):
    return np.full((*size, 3), (red, green, blue), dtype=np.uint8)


RED, BLUE, GRAY = flat(200, 20, 10), flat(10, 30, 220), np.full((4, 5), 90, dtype=np.uint8)


@given(rgb_images)
@settings(max_examples=60, deadline=None)
def test_splitting_and_composing_gives_the_image_back(image):
    again = colour.compose(colour.luminance(image), colour.chroma(image))
    np.testing.assert_array_equal(again, image)


@given(rgb_images)
@settings(max_examples=60, deadline=None)
def test_planes_agree_with_opencv_to_its_rounding(image):
    expected = cv2.cvtColor(image, cv2.COLOR_RGB2YCrCb).reshape(image.shape).astype(np.float64)
    cbcr = colour.chroma(image)
    assert np.abs(colour.luminance(image) - expected[:, :, 0]).max() <= 0.51
    assert np.abs(cbcr[:, :, 0] - expected[:, :, 2]).max() <= 1.0
    assert np.abs(cbcr[:, :, 1] - expected[:, :, 1]).max() <= 1.0


def test_equal_channels_are_gray_and_exact():
    image = np.repeat(GRAY[:, :, None], 3, axis=2)
    assert not colour.is_colour(image)
    np.testing.assert_array_equal(colour.luminance(image), GRAY)
    np.testing.assert_array_equal(colour.chroma(image), 128.0)


def test_one_differing_pixel_makes_colour():
    image = np.repeat(GRAY[:, :, None], 3, axis=2)
    image[2, 3, 1] += 1
    assert colour.is_colour(image)


def test_to_uint8_rounds_half_to_even_and_clips():
    values = np.array([[-3.0, 0.5, 1.5, 254.6, 300.0]])
    np.testing.assert_array_equal(colour.to_uint8(values), [[0, 0, 2, 255, 255]])


def test_ivf_takes_the_chroma_of_the_visible_source():
    merged = colour.merge_chroma(TASKS["ivf"], [BLUE, RED])
    np.testing.assert_array_equal(merged, colour.chroma(RED))


def test_ivf_is_gray_when_only_the_infrared_source_has_colour():
    assert colour.merge_chroma(TASKS["ivf"], [RED, GRAY]) is None


@pytest.mark.parametrize("sources", [[RED, GRAY], [GRAY, RED], [RED, BLUE]])
def test_mif_takes_the_first_source_with_a_hue(sources):
    merged = colour.merge_chroma(TASKS["mif"], sources)
    np.testing.assert_array_equal(merged, colour.chroma(RED))


@pytest.mark.parametrize("task", ["mef", "mff"])
def test_both_weighs_by_distance_from_neutral(task):
    merged = colour.merge_chroma(TASKS[task], [RED, BLUE])
    c1, c2 = colour.chroma(RED), colour.chroma(BLUE)
    w1, w2 = abs(c1 - 128), abs(c2 - 128)
    np.testing.assert_allclose(merged, (w1 * c1 + w2 * c2) / (w1 + w2))


@pytest.mark.parametrize("task", ["mef", "mff"])
def test_gray_sources_do_not_dilute_the_hue(task):
    merged = colour.merge_chroma(TASKS[task], [GRAY, RED, GRAY])
    np.testing.assert_allclose(merged, colour.chroma(RED))


@pytest.mark.parametrize("task", TASKS)
def test_gray_stays_gray(task):
    assert colour.merge_chroma(TASKS[task], [GRAY, GRAY]) is None
    assert colour.compose(GRAY.astype(np.float64), None).shape == (4, 5)


@pytest.mark.parametrize(
    ("image", "reason"),
    [
        (np.zeros((4, 4)), "dtype"),
        (np.zeros((4, 4, 4), np.uint8), "shape"),
        (np.zeros(4, np.uint8), "shape"),
        (np.zeros((0, 4), np.uint8), "empty"),
    ],
)
def test_what_is_not_an_image_is_refused_with_its_place(image, reason):
    with pytest.raises(ImageError, match=r"^here: got .* expected .*\. ") as caught:
        colour.check_image(image, "here")
    assert caught.value.reason == reason

"""What arrays are taken, how they are brought to 0..255, and what is refused."""

import cv2
import numpy as np
import pytest

from fusionlab.errors import MetricInputError
from fusionlab.metrics import measure, measure_many, prepare
from fusionlab.metrics.inputs import gray

HOT = ("EN", "SD", "SSIM", "SSIM_cddfuse", "Qabf", "VIF", "MI", "CC", "AG")


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["uint8", "float16", "float32", "float64"])
def test_type_and_memory_order_do_not_matter(images, dtype, order):
    expected = measure(*images, HOT)
    assert measure(*(x.astype(dtype, order=order) for x in images), HOT) == expected


def test_views_and_read_only_arrays(images):
    flipped = [np.ascontiguousarray(x[::-1, ::-1]) for x in images]
    expected = measure(*flipped, HOT)
    for x in images:
        x.setflags(write=False)
    assert measure(*(x[::-1, ::-1] for x in images), HOT) == expected
    assert measure(*images, HOT)


def test_uint16_is_scaled(images):
    expected = measure(*images, HOT)
    assert measure(*(x.astype(np.uint16) * 257 for x in images), HOT) == expected
    assert measure(*(x.astype(np.uint16) for x in images), HOT, data_range=255) == expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_unit_floats_with_their_range(images, dtype):
    unit = [(x / 255.0).astype(dtype) for x in images]
    assert measure(*unit, HOT, data_range=1) == measure(*images, HOT)


def test_unit_floats_without_their_range_are_refused(images):
    unit = [x / 255.0 for x in images]
    with pytest.raises(MetricInputError, match="data_range=1"):
        measure(*unit)
    with pytest.raises(MetricInputError, match=r"fused.*data_range=1"):
        measure(images[0], images[1], unit[2])


def test_integer_and_float_images_mix(images):
    a, b, f = images
    shifted = f / 2 + 0.25
    assert measure(a, b, shifted, HOT) == measure(a.astype(float), b, shifted, HOT)
    prepared = prepare((a, b), HOT)
    assert prepared.measure(shifted) == measure(a, b, shifted, HOT)
    assert prepared.measure(f) == measure(a, b, f, HOT)


def test_luminance_is_that_of_opencv_except_halfway_between_levels():
    """Releases of OpenCV differ from each other there, by the order of their float32 steps."""
    y, x = np.mgrid[:256, :256]
    rgb = np.stack([(x * 4 + y) % 256, (x * y) % 256, (x + 5 * y) % 256], axis=2)
    halfway = rgb @ [299, 587, 114] % 1000 == 500
    assert halfway.mean() < 2e-3
    got = gray(rgb.astype(np.uint8))
    expected = np.rint(cv2.cvtColor(rgb.astype(np.float32), cv2.COLOR_RGB2GRAY))
    assert got.dtype == np.uint8
    assert np.array_equal(got[~halfway], expected[~halfway])
    assert np.abs(got - expected).max() <= 1


def test_equal_channels_give_the_channel(images):
    assert np.array_equal(gray(np.stack([images[0]] * 3, axis=2)), images[0])


@pytest.mark.parametrize(
    ("bad", "message"),
    [
        (np.zeros((48, 48), bool), "bool"),
        (np.zeros((48, 48), np.int64), "int64"),
        (np.zeros((48, 48), complex), "complex"),
        (np.zeros(48), r"shape \(48,\)"),
        (np.zeros((48, 48, 4), np.uint8), "RGB"),
        (np.zeros((0, 48), np.uint8), "no pixel"),
        (np.full((48, 48), np.nan), "nan"),
        (np.full((48, 48), np.inf), "nan or inf"),
        (np.full((48, 48), -1.0), "outside"),
        (np.full((48, 48), 256.0), "outside"),
        (np.zeros((48, 47), np.uint8), "48 x 47"),
    ],
)
def test_refused(bad, message):
    good = np.zeros((48, 48), np.uint8)
    with pytest.raises(MetricInputError, match=message):
        measure(good, good, bad)
    with pytest.raises(MetricInputError, match=message):
        measure(bad, good, good)
    with pytest.raises(MetricInputError, match="candidate 'poor'"):
        measure_many(good, good, {"poor": bad})


def test_data_range_must_be_positive():
    x = np.full((48, 48), 3.0)
    for wrong in (0, -1, float("nan"), float("inf")):
        with pytest.raises(MetricInputError, match="data_range"):
            measure(x, x, x, data_range=wrong)


def test_arguments_are_left_alone(images):
    before = [x.copy() for x in images]
    measure(*images, HOT)
    floats = [x.astype(float) for x in images]
    measure(*floats, HOT)
    for x, y, z in zip(images, before, floats, strict=True):
        assert np.array_equal(x, y)
        assert np.array_equal(z, y)


@pytest.mark.parametrize("factor", [1 / 255, 1.05 / 255, 1.9 / 255])
def test_unit_range_floats_are_refused_with_and_without_overshoot(factor):
    a, b = (np.arange(64.0 * 64).reshape(64, 64) % m for m in (251, 256))
    with pytest.raises(MetricInputError, match="data_range=1"):
        measure(a * factor, b * factor, b * factor, ["EN"])


def test_uint16_that_holds_8_bit_values_is_refused_unless_its_range_is_given():
    a = (np.arange(64 * 64).reshape(64, 64) % 256).astype(np.uint16)
    with pytest.raises(MetricInputError, match="data_range=255"):
        measure(a, a, a, ["EN"])
    eight = a.astype(np.uint8)
    assert measure(a, a, a, ["EN"], data_range=255) == measure(eight, eight, eight, ["EN"])
    assert measure(a * 256, a * 256, a * 256, ["EN"])["EN"] > 0


def test_a_mask_is_refused_not_ignored():
    a = (np.arange(64 * 64) % 256).astype(np.uint8).reshape(64, 64)
    with pytest.raises(MetricInputError, match="masked"):
        measure(a, a, np.ma.masked_array(a, mask=a > 100), ["EN"])
    assert measure(a, a, np.ma.masked_array(a), ["EN"]) == measure(a, a, a, ["EN"])


@pytest.mark.parametrize("data_range", [0, -1, float("nan"), float("inf")])
def test_a_senseless_range_is_refused_for_every_type(data_range):
    a = (np.arange(64 * 64) % 256).astype(np.uint8).reshape(64, 64)
    with pytest.raises(MetricInputError, match="positive number"):
        measure(a, a, a, ["EN"], data_range=data_range)

"""Properties that hold for any images."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.ndimage import uniform_filter

from fusionlab.metrics import get, measure, names

NAMES = [name for name in names() if not name.endswith("_ref") and get(name).min_side <= 44]
QUICK = settings(max_examples=25, deadline=None, derandomize=True)


@st.composite
def triples(draw, least=44, most=70):
    """Three images of one size, coarse blocks of which are flat, saturated or noisy."""
    shape = draw(st.integers(least, most)), draw(st.integers(least, most))
    images = []
    for seed in draw(st.tuples(*[st.integers(0, 2**16)] * 3)):
        coarse = draw(arrays(np.uint8, (6, 6)))
        y, x = np.mgrid[: shape[0], : shape[1]]
        noise = (x * x * (seed % 31) + y * (seed % 17) * x + y * y * seed) % (1 + seed % 60)
        blocks = coarse[y * 6 // shape[0], x * 6 // shape[1]].astype(np.int64)
        flat = blocks % 3 == 0
        images.append(np.clip(blocks + np.where(flat, 0, noise), 0, 255).astype(np.uint8))
    return images


@QUICK
@given(triples())
def test_range(images):
    for name, value in measure(*images, NAMES).items():
        low, high = get(name).range
        assert np.isnan(value) or low - 1e-9 <= value <= high + 1e-9, name


@QUICK
@given(triples())
def test_symmetric_in_the_sources(images):
    a, b, f = images
    one, other = measure(a, b, f, NAMES), measure(b, a, f, NAMES)
    for name in NAMES:
        if get(name).symmetric:
            assert one[name] == pytest.approx(other[name], rel=1e-12, abs=1e-13, nan_ok=True), name


@QUICK
@given(triples())
def test_integers_as_floats(images):
    assert np.array_equal(
        list(measure(*images, NAMES).values()),
        list(measure(*(x.astype(float) for x in images), NAMES).values()),
        equal_nan=True,
    )


@QUICK
@given(triples())
def test_float_kernels_agree_with_integer_kernels(images):
    a, b, f = images
    exact = measure(a, b, f, NAMES)
    floats = measure(a, b, f, NAMES, reference=a + 0.25 * (a < 255))
    for name in NAMES:
        assert floats[name] == pytest.approx(exact[name], rel=1e-7, abs=1e-9, nan_ok=True), name


@QUICK
@given(triples())
def test_symmetric_under_transposition(images):
    straight = ["EN", "SD", "SF", "MI", "CC", "SSIM", "SSIM_cddfuse", "VIF", "AG", "EI"]
    one, other = measure(*images, straight), measure(*(x.T for x in images), straight)
    assert one == pytest.approx(other, rel=1e-7, abs=1e-9, nan_ok=True)


def test_blur_lowers_what_measures_detail(images):
    a, b, f = images
    blurred = uniform_filter(f.astype(float), 5)
    names_ = ["SF", "AG", "EI", "SD", "VIF", "Qabf", "SSIM"]
    sharp, soft = measure(a, b, f, names_), measure(a, b, blurred, names_)
    assert all(soft[name] < sharp[name] for name in names_)


def test_kernels_of_qabf_are_accurate():
    from fusionlab.metrics.qabf import atan_ratio, exp_bounded

    for sx in range(-30, 31, 3):
        for sy in range(-30, 31, 4):
            expected = np.arctan(sy / sx) if sx else np.pi / 2
            assert atan_ratio(float(sy), float(sx)) == pytest.approx(expected, abs=2e-15)
    for x in np.linspace(-40, 40, 201):
        assert exp_bounded(x) == pytest.approx(np.exp(x), rel=2e-12)

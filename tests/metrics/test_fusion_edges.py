"""Edge cases and properties of Nabf, FMI, Qcb, Qcv and the metrics of Liu's comparison."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fusionlab.metrics import get, measure

FMI = ("FMI_pixel", "FMI_gradient", "FMI_dct", "FMI_w")
OF_EDGES = ("Nabf", "QG")
OF_SIGHT = ("Qcb", "Qcv")
OF_LEVELS = ("QMI", "QNCIE")
OF_WINDOWS = ("QS", "QW", "QY")
ALL = (*FMI, *OF_EDGES, *OF_SIGHT, *OF_LEVELS, *OF_WINDOWS, "QP")
QUICK = settings(max_examples=25, deadline=None, derandomize=True)


def flat(value, side=48):
    return np.full((side, side), value, np.uint8)


@pytest.mark.parametrize("value", [0, 1, 128, 255])
@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_all_constant(value, offset):
    x = flat(value) if offset == 0 else flat(value) * 0.9 + offset
    got = measure(x, x, x, ALL)
    assert all(math.isnan(got[name]) for name in (*OF_SIGHT, "QMI", "QY", "QP"))
    assert got["Nabf"] == 0
    assert all(got[name] == 1 for name in FMI)
    assert got["QNCIE"] == pytest.approx(get("QNCIE").range[0], abs=1e-12)
    assert got["QS"] == pytest.approx(1, abs=1e-12)
    assert got["QW"] == pytest.approx(1, abs=1e-12)
    assert 0.98 < got["QG"] <= 1


def test_all_identical(images):
    a = images[0]
    got = measure(a, a, a, ALL)
    assert got["Nabf"] == got["Qcv"] == 0
    assert got["Qcb"] == 1
    assert all(got[name] == 1 for name in FMI)
    assert got["QMI"] == pytest.approx(2, abs=1e-12)
    assert all(got[name] == pytest.approx(1, abs=1e-12) for name in OF_WINDOWS)
    best = 1 / (1 + math.exp(-5)) / (1 + math.exp(-5))
    assert got["QG"] == pytest.approx(best, abs=1e-12)


@pytest.mark.parametrize("value", [0, 100])
def test_constant_fused(images, value):
    a, b, f = images
    got = measure(a, b, np.full_like(f, value), ALL)
    assert got["Nabf"] == 0
    assert got["QMI"] == pytest.approx(0, abs=1e-12)
    assert math.isnan(got["Qcb"])
    assert math.isnan(got["Qcv"]) == (value > 0)
    assert all(math.isfinite(got[name]) for name in (*FMI, "QG", "QNCIE", *OF_WINDOWS))
    assert got["QW"] < 0.1


def test_constant_source(images):
    a, b, f = images
    got = measure(np.full_like(a, 30), b, f, ALL)
    assert all(math.isnan(got[name]) for name in OF_SIGHT)
    assert all(math.isfinite(got[name]) for name in ALL if name not in OF_SIGHT)


def test_black_corner_of_both_sources(images):
    """QY leaves out windows without a share of variance, Qcb pixels without contrast."""
    black = [x.copy() for x in images]
    for x in black:
        x[:20, :20] = 0
    got = measure(*black, ALL)
    assert all(math.isfinite(value) for value in got.values())
    a, b, f = (x[20:] for x in images)
    assert measure(a, b, f, ["QY"])["QY"] == pytest.approx(got["QY"], abs=0.1)


def test_artifacts_raise_nabf_and_lower_the_others(images):
    a, b, _ = images
    mean = (a.astype(float) + b) / 2
    y, x = np.mgrid[: a.shape[0], : a.shape[1]]
    ringing = np.clip(mean + 25.0 * ((x + y) % 2) * (x % 3), 0, 255)
    clean, spoilt = measure(a, b, mean, ALL), measure(a, b, ringing, ALL)
    for name in set(ALL) - {"FMI_dct", "FMI_w", "QP"}:
        worse = spoilt[name] > clean[name]
        assert worse == (get(name).direction == "lower"), name


def test_fmi_depends_on_the_order_of_the_sources():
    """The work on A leaves F stretched to 0..1, and B is compared with that."""
    f, like_stretched = np.zeros((2, 3, 3), np.uint8)
    f[1, 1], like_stretched[1, 1] = 7, 1
    other = np.arange(9, dtype=np.uint8).reshape(3, 3)
    # windows of one single cell hold no information: all that scores is agreement
    for a, b, expected in (
        (other, like_stretched, 0.5),
        (like_stretched, other, 0.0),
        (f, like_stretched, 0.5),
        (like_stretched, f, 0.0),
        (f, f, 1.0),
    ):
        value = measure(a, b, f, ["FMI_pixel"])["FMI_pixel"]
        assert value == pytest.approx(expected, abs=1e-12)


@st.composite
def pairs(draw):
    shape = draw(st.integers(11, 30)), draw(st.integers(11, 30))
    return [draw(arrays(np.uint8, shape, elements=st.integers(0, 255))) for _ in range(3)]


@QUICK
@given(pairs())
def test_sparse_images(images):
    """Images that are flat but for a few pixels stay within the range of every metric."""
    for name, value in measure(*images, ALL).items():
        low, high = get(name).range
        assert np.isnan(value) or low - 1e-9 <= value <= high + 1e-9, name


@QUICK
@given(pairs())
def test_qg_is_nearly_symmetric(images):
    """What stands in for a gradient of zero is not the same for both sources."""
    a, b, f = images
    assert measure(a, b, f, ["QG"]) == pytest.approx(measure(b, a, f, ["QG"]), abs=1e-5)


def test_qp_of_copies_and_of_nothing(images):
    a, b, f = images
    copy, mixed = (measure(a, a, x, ["QP"])["QP"] for x in (a, f))
    assert mixed < copy <= 1
    assert copy > 0.9
    # the stated weakness of its definition
    assert measure(a, b, np.full_like(f, 90), ["QP"])["QP"] > 0.9

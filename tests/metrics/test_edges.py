"""Flat, identical and tiny images: what is defined, and what is nan."""

import math

import numpy as np
import pytest

from fusionlab.errors import MetricInputError
from fusionlab.metrics import get, measure, names

NAMES = [name for name in names() if not name.endswith("_ref")]
SMALL = [name for name in NAMES if get(name).min_side <= 47]


def flat(value, side=48):
    return np.full((side, side), value, np.uint8)


@pytest.mark.parametrize("value", [0, 1, 128, 255])
@pytest.mark.parametrize("offset", [0.0, 0.3])
def test_all_constant(value, offset):
    x = flat(value) if offset == 0 else flat(value) * 0.9 + offset
    got = measure(x, x, x, SMALL)
    assert got["EN"] == 0
    assert math.copysign(1, got["EN"]) == 1
    assert math.isnan(got["CC"])
    assert math.isnan(got["SCD"])
    assert got["PSNR"] == got["PSNR_maxF"] == math.inf
    assert got["VIF"] == 2
    assert got["SSIM_sum"] == pytest.approx(2, abs=1e-12)
    assert got["SSIM_cddfuse"] == pytest.approx(2, abs=1e-9)
    assert got["MI"] == got["MSE"] == got["SF"] == got["AG"] == got["CE"] == 0
    assert got["EI"] == 0
    assert got["SD"] == pytest.approx(0, abs=1e-12)
    if x.max() == 0:
        assert math.isnan(got["Qabf"])
    else:
        # the zeros outside the image make an edge, which is kept; its strength is equal: G = gF
        assert got["Qabf"] == pytest.approx(0.97533268, abs=0.05)


def test_constant_fused(images):
    a, b, f = images
    got = measure(a, b, np.full_like(f, 100), SMALL)
    assert got["VIF"] == 0
    assert math.isnan(got["CC"])
    r = np.corrcoef(a.ravel(), b.ravel())[0, 1]
    assert got["SCD"] == pytest.approx(-2 * r, rel=1e-10)
    assert got["MI"] == pytest.approx(0, abs=1e-12)


def test_constant_source(images, oracle):
    a, b, f = images
    got = measure(np.full_like(a, 30), b, f, SMALL)
    alone = oracle["VIF"](b.astype(float), b.astype(float), f.astype(float)) / 2
    assert got["VIF"] == pytest.approx(1 + alone, rel=1e-8)
    assert math.isnan(got["CC"])
    assert math.isnan(got["SCD"])


def test_all_identical(images):
    a = images[0]
    got = measure(a, a, a, SMALL)
    assert got["MI"] == pytest.approx(2 * got["EN"] * math.log(2), rel=1e-12)
    assert got["CC"] == 1
    assert got["VIF"] == pytest.approx(2, abs=1e-9)
    assert got["SSIM_sum"] == pytest.approx(2, abs=1e-12)
    assert got["SSIM_cddfuse"] == pytest.approx(2, abs=1e-12)
    assert got["Qabf"] == pytest.approx(0.9753, abs=1e-4)
    assert got["MSE"] == got["CE"] == 0
    assert got["PSNR"] == math.inf
    assert math.isnan(got["SCD"])


@pytest.mark.parametrize("offset", [0, 0.5])
def test_copied_source_has_no_scd(images, offset):
    a, b, _ = (x / 2 + offset for x in images)
    assert math.isnan(measure(a, b, a, ["SCD"])["SCD"])
    correlation = np.corrcoef((a.astype(float) - b).ravel(), a.ravel())[0, 1]
    assert measure(a, b, a, ["SCD_zero"])["SCD_zero"] == pytest.approx(correlation, rel=1e-10)
    flat = np.full_like(a, 7)
    assert measure(flat, flat, flat, ["SCD_zero"])["SCD_zero"] == 0


def test_black_fused(images):
    a, b, f = images
    got = measure(a, b, np.zeros_like(f), SMALL)
    assert got["PSNR_maxF"] == -math.inf
    assert math.isfinite(got["PSNR"])
    assert math.isfinite(got["Qabf"])


@pytest.mark.parametrize("shape", [(1, 1), (1, 64), (64, 1)])
@pytest.mark.parametrize("name", NAMES)
def test_one_pixel_wide(name, shape):
    x = np.zeros(shape, np.uint8)
    with pytest.raises(MetricInputError, match=f"{name} needs at least"):
        measure(x, x, x, [name])

"""The real pyiqa: run by `make test-iqa`, in an environment that has it."""

import math

import numpy as np
import pytest

from fusionlab import metrics
from fusionlab.errors import MissingMetricError, UnknownNameError
from fusionlab.metrics import iqa
from fusionlab.testing import check_metric
from fusionlab.testing.scenes import textures

pytestmark = pytest.mark.skipif(
    not iqa.installed(), reason="pyiqa is not installed (make test-iqa has it)"
)


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    import torch

    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def close_pair():
    """A truth and a distorted copy: alike enough that pyiqa clips no contrast at 0."""
    # pyiqa pads odd sizes between the scales of MS_SSIM in its own way: 16 divides these
    *_, truth = textures(192, 208)
    rng = np.random.Generator(np.random.PCG64(3))
    noisy = truth + rng.normal(0, 3, truth.shape)
    return truth, np.clip(np.rint(noisy), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("ours", "theirs"), [("SSIM_ref", "ssim"), ("PSNR_ref", "psnr"), ("MS_SSIM_ref", "ms_ssim")]
)
def test_cross_check(close_pair, ours: str, theirs: str) -> None:
    truth, fused = close_pair
    got = metrics.measure(truth, truth, fused, [ours, f"pyiqa:{theirs}_ref"], reference=truth)
    assert got[f"pyiqa:{theirs}_ref"] == pytest.approx(got[ours], rel=1e-5)


def test_ssim_against_the_sources(close_pair) -> None:
    truth, fused = close_pair
    other = np.clip(truth.astype(int) + 9, 0, 255).astype(np.uint8)
    got = metrics.measure(truth, other, fused, ["SSIM", "pyiqa:ssim", "EN"])
    assert list(got) == ["SSIM", "pyiqa:ssim", "EN"]
    assert got["pyiqa:ssim"] == pytest.approx(got["SSIM"], abs=1e-5)


@pytest.mark.parametrize("name", iqa.offered())
def test_all_that_are_offered_run(close_pair, name: str) -> None:
    truth, fused = close_pair
    metric = metrics.get(name)
    value = metrics.measure(truth, truth, fused, [name], reference=truth)[name]
    assert math.isfinite(value)
    assert metric.range[0] <= value <= metric.range[1]
    if metric.arity != "fused":
        copy = metrics.measure(truth, truth, truth, [name], reference=truth)[name]
        assert copy > value if metric.direction == "higher" else copy < value


@pytest.mark.parametrize("name", ["pyiqa:psnr", "pyiqa:cw_ssim_ref", "pyiqa:piqe"])
def test_the_conformance_suite(name: str) -> None:
    check_metric(name)


def test_what_is_not_offered() -> None:
    with pytest.raises(MissingMetricError, match="wrong on gray"):
        metrics.get("pyiqa:entropy")
    with pytest.raises(UnknownNameError, match="Did you mean 'pyiqa:ssim'"):
        metrics.get("pyiqa:ssimm")
    with pytest.raises(UnknownNameError):
        metrics.get("pyiqa:piqe_ref")
    assert "pyiqa:niqe" not in metrics.names()


def test_weights_that_are_not_there_are_named_and_not_downloaded(tmp_path, monkeypatch) -> None:
    import pyiqa.utils.download_util as download

    monkeypatch.setattr(download, "DEFAULT_CACHE_DIR", str(tmp_path))
    with pytest.raises(MissingMetricError, match="downloads nothing") as caught:
        metrics.get("pyiqa:niqe")
    assert str(tmp_path) in str(caught.value)
    assert "http" in str(caught.value)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(("name", "says"), [("nima", "hf download"), ("clipiqa", "cache/clip")])
def test_other_caches_are_named_too(name: str, says: str) -> None:
    with pytest.raises(MissingMetricError, match=says):
        metrics.get(f"pyiqa:{name}")

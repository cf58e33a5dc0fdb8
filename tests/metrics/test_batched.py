"""The batched torch path gives what the CPU kernels give."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from helpers import METHODS, fuse, sources

from fusionlab.errors import MetricInputError, UnknownNameError, UsageError
from fusionlab.metrics import measure_many
from fusionlab.metrics.batched import BATCHED, BatchedScene

CUDA = pytest.param(
    "cuda",
    marks=[
        pytest.mark.gpu,
        pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no CUDA GPU"),
    ],
)
devices = pytest.mark.parametrize("device", ["cpu", CUDA])


@pytest.fixture(autouse=True)
def _one_thread() -> None:
    torch.set_num_threads(1)  # more of them only wait for each other on images this small


def expected(a: np.ndarray, b: np.ndarray, candidates: dict[str, np.ndarray]) -> list[dict]:
    return measure_many(a, b, candidates, BATCHED).to_dict("records")


def assert_close(found: list[dict], wanted: list[dict], relative: float) -> None:
    for mine, theirs in zip(found, wanted, strict=True):
        assert list(mine) == list(theirs)
        for name, value in theirs.items():
            assert mine[name] == pytest.approx(value, rel=relative, abs=1e-12, nan_ok=True), name


@devices
@pytest.mark.parametrize("size", [(48, 57), (41, 41), (97, 64)])
def test_float64_equals_the_kernels(device: str, size: tuple[int, int]) -> None:
    a, b = sources(3, *size)
    candidates = {method: fuse(method, a, b) for method in METHODS}
    scene = BatchedScene([a, b], BATCHED, device)
    assert_close(scene.measure(list(candidates.values())), expected(a, b, candidates), 1e-9)


@devices
def test_float32_stays_within_its_tolerance(device: str) -> None:
    a, b = sources(5, 64, 80)
    candidates = {method: fuse(method, a, b) for method in METHODS}
    found = BatchedScene([a, b], BATCHED, device, torch.float32).measure(list(candidates.values()))
    for mine, theirs in zip(found, expected(a, b, candidates), strict=True):
        for name, value in theirs.items():
            tolerance = {"SSIM": 1e-4, "SSIM_sum": 1e-4, "Qabf": 1e-5}.get(name, 1e-9)
            assert mine[name] == pytest.approx(value, rel=tolerance), name


@devices
@pytest.mark.parametrize("level", [0, 128])
def test_constant_identical_and_copied_images(device: str, level: int) -> None:
    a, b = sources(1)
    flat = np.full_like(a, level)
    for pair in ((a, b), (flat, flat), (a, flat)):
        candidates = {"a": pair[0], "b": pair[1], "flat": flat}
        scene = BatchedScene(pair, BATCHED, device)
        assert_close(scene.measure(list(candidates.values())), expected(*pair, candidates), 1e-9)


@devices
def test_fractional_images(device: str) -> None:
    a, b = (x / 2 + 0.25 for x in sources(2))
    candidates = {"mean": (a + b) / 2}
    scene = BatchedScene([a, b], BATCHED, device)
    assert_close(scene.measure(list(candidates.values())), expected(a, b, candidates), 1e-9)


def test_what_a_candidate_scores_does_not_depend_on_its_batch() -> None:
    a, b = sources(4)
    scene = BatchedScene([a, b], BATCHED, "cpu")
    images = [fuse(method, a, b) for method in METHODS]
    together = scene.measure(images)
    assert_close([scene.measure([image])[0] for image in images], together, 1e-12)


def test_too_small_is_nan() -> None:
    a, b = sources(0, 20, 9)
    (found,) = BatchedScene([a, b], ["EN", "SSIM", "VIF", "Qabf"], "cpu").measure([a])
    assert np.isnan(found["SSIM"])
    assert np.isnan(found["VIF"])
    assert found["EN"] > 0
    assert found["Qabf"] > 0


def test_wrong_input_is_refused() -> None:
    a, b = sources(0)
    with pytest.raises(UnknownNameError, match="batched metric 'SCD'"):
        BatchedScene([a, b], ["SCD"], "cpu")
    with pytest.raises(MetricInputError, match="48 x 56"):
        BatchedScene([a, b], ["EN"], "cpu").measure([a[:, :-1]])
    with pytest.raises(UsageError, match="device 'nonsense'"):
        BatchedScene([a, b], ["EN"], "nonsense")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a CUDA GPU")
def test_no_gpu_says_what_to_do() -> None:
    a, b = sources(0)
    with pytest.raises(UsageError, match="--device cpu"):
        BatchedScene([a, b], ["EN"], "cuda")

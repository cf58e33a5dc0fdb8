"""Blending: nothing is lost where all agree, seams are soft, colour and depth are kept."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionlab.colour import chroma
from fusionlab.images import luminance
from fusionlab.mosaic import blend


def noise(seed: int, shape: tuple[int, ...], dtype: type = np.uint8) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return rng.integers(0, np.iinfo(dtype).max, shape, dtype=dtype, endpoint=True)


def halves(height: int, width: int) -> np.ndarray:
    shown = np.zeros((height, width), dtype=np.intp)
    shown[:, width // 2 :] = 1
    return shown


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 150),
    st.integers(1, 150),
    st.sampled_from([(), (3,)]),
    st.sampled_from([np.uint8, np.uint16]),
    st.integers(0, 5),
)
def test_equal_candidates_give_the_candidate_back(
    height: int, width: int, channels: tuple[int, ...], dtype: type, seed: int
) -> None:
    image = noise(seed, (height, width, *channels), dtype)
    shown = np.random.default_rng(seed).integers(0, 3, (height, width))
    assert np.array_equal(blend([image, image.copy(), image.copy()], shown), image)


def test_one_candidate_alone_is_itself() -> None:
    image = noise(1, (97, 131))
    assert np.array_equal(blend([image], np.zeros((97, 131), dtype=np.intp)), image)


@pytest.mark.parametrize("shape", [(128, 128), (101, 203), (64, 65, 3), (67, 64, 3)])
def test_far_from_a_hard_edge_each_side_is_its_candidate(shape: tuple[int, ...]) -> None:
    a, b = noise(1, shape) // 2 + 30, noise(2, shape) // 2 + 90
    mixed = blend([a, b], halves(*shape[:2])).astype(float)
    assert np.abs(mixed[:, :2] - a[:, :2]).mean() < np.abs(mixed[:, :2] - b[:, :2]).mean() / 4
    assert np.abs(mixed[:, -2:] - b[:, -2:]).mean() < np.abs(mixed[:, -2:] - a[:, -2:]).mean() / 4


def test_a_step_of_brightness_becomes_a_slope_without_overshoot() -> None:
    dark, bright = np.full((128, 128), 60, np.uint8), np.full((128, 128), 140, np.uint8)
    row = blend([dark, bright], halves(128, 128)).astype(int)[64]
    assert (np.diff(row) >= 0).all()
    assert row[0] >= 60
    assert row[-1] <= 140
    assert np.diff(row).max() <= 4  # 80 where they are pasted


def test_rgb_is_blended_channel_by_channel() -> None:
    a, b = noise(3, (70, 90, 3)), noise(4, (70, 90, 3))
    shown = halves(70, 90)
    mixed = blend([a, b], shown)
    for c in range(3):
        alone = blend([np.ascontiguousarray(x[..., c]) for x in (a, b)], shown)
        assert np.array_equal(mixed[..., c], alone)


def test_a_gray_candidate_lends_an_rgb_mosaic_its_luminance_and_no_gray() -> None:
    rng = np.random.default_rng(0)
    first = rng.integers(90, 160, (96, 96, 3), dtype=np.uint8)
    gray = rng.integers(100, 150, (96, 96), dtype=np.uint8)
    mixed = blend([first, gray], np.ones((96, 96), dtype=np.intp))
    assert mixed.shape == first.shape
    assert np.abs(luminance(mixed).astype(int) - gray.astype(int)).max() <= 1
    assert np.abs(chroma(mixed) - chroma(first)).max() <= 1.0


def test_an_rgb_candidate_lends_a_gray_mosaic_its_luminance() -> None:
    rgb = noise(6, (80, 64, 3))
    mixed = blend([noise(5, (80, 64)), rgb], np.ones((80, 64), dtype=np.intp))
    assert mixed.shape == (80, 64)
    assert np.abs(mixed.astype(int) - luminance(rgb).astype(int)).max() <= 1


def test_values_stay_in_range_and_16_bits_stay_16() -> None:
    checker = (np.indices((90, 90)).sum(axis=0) % 2).astype(np.uint16) * 65535
    mixed = blend([checker, 65535 - checker], halves(90, 90))
    assert mixed.dtype == np.uint16
    assert np.array_equal(mixed[:, 0], checker[:, 0])

"""What the mathematics of each method promises."""

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionlab.baselines import BASELINES
from fusionlab.baselines.focus_map import focus_map
from fusionlab.baselines.gff import gff
from fusionlab.baselines.laplacian import decompose, depth, laplacian, reconstruct
from fusionlab.baselines.maximum import maximum
from fusionlab.baselines.mean import mean
from fusionlab.baselines.mertens import mertens
from fusionlab.baselines.rules import box, guided_filter, max_abs, winners
from fusionlab.baselines.wavelet import wavelet

METHODS = [b.fuse for b in BASELINES.values()]
SIZES = [(1, 1), (1, 7), (2, 3), (5, 5), (8, 8), (17, 31), (40, 64)]
TRANSLATING = [mean, maximum, laplacian, wavelet, gff, focus_map]


def plane(shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, shape)


def textured(size=64):
    return cv2.GaussianBlur(plane((size, size), 7), (0, 0), 1.0)


@pytest.mark.parametrize("fuse", METHODS)
@pytest.mark.parametrize("shape", SIZES)
def test_identical_sources_come_back(fuse, shape):
    source = plane(shape)
    fused = fuse([source, source.copy(), source.copy()])
    assert fused.shape == shape
    assert fused.dtype == np.float64
    np.testing.assert_allclose(fused, source, atol=0.05)


@pytest.mark.parametrize("fuse", [b.fuse for b in BASELINES.values() if b.symmetric])
@pytest.mark.parametrize("shape", [(1, 1), (5, 5), (33, 40)])
def test_two_sources_may_swap(fuse, shape):
    a, b = plane(shape, 1), plane(shape, 2)
    np.testing.assert_allclose(fuse([a, b]), fuse([b, a]), atol=1e-3)


@pytest.mark.parametrize("fuse", METHODS)
def test_sources_are_not_written_to(fuse):
    a, b = plane((20, 21), 1), plane((20, 21), 2)
    before = a.copy(), b.copy()
    fuse([a, b])
    np.testing.assert_array_equal((a, b), before)


@pytest.mark.parametrize("fuse", TRANSLATING)
def test_a_common_offset_passes_through(fuse):
    a, b = plane((32, 33), 1) / 4, plane((32, 33), 2) / 4
    np.testing.assert_allclose(fuse([a + 60, b + 60]), fuse([a, b]) + 60, atol=1e-3)


@pytest.mark.parametrize("fuse", [mean, maximum, focus_map])
def test_methods_that_weigh_pixels_stay_between_the_sources(fuse):
    stack = np.stack([plane((25, 30), s) for s in range(3)])
    fused = fuse(list(stack))
    assert (fused >= stack.min(axis=0) - 1e-9).all()
    assert (fused <= stack.max(axis=0) + 1e-9).all()


def test_mean_and_maximum_are_what_they_say():
    a, b = np.array([[1.0, 9.0]]), np.array([[5.0, 3.0]])
    np.testing.assert_array_equal(mean([a, b]), [[3, 6]])
    np.testing.assert_array_equal(maximum([a, b]), [[5, 9]])


@given(st.integers(1, 70), st.integers(1, 70), st.integers(0, 99))
@settings(max_examples=40, deadline=None)
def test_laplacian_pyramid_reconstructs_any_size(height, width, seed):
    source = plane((height, width), seed)
    pyramid = decompose(source, depth(source.shape))
    np.testing.assert_allclose(reconstruct(pyramid), source, atol=1e-9)


@pytest.mark.parametrize(
    ("shape", "levels"), [((1, 1), 0), ((6, 99), 0), ((7, 99), 1), ((256, 256), 5)]
)
def test_laplacian_depth_keeps_a_base(shape, levels):
    assert depth(shape) == levels


@pytest.mark.parametrize("fuse", [laplacian, wavelet])
def test_flat_source_leaves_the_details_and_halves_the_base(fuse):
    source = textured() - 100.0
    flat = np.zeros_like(source)
    fused = fuse([source, flat])
    # The details are the source's own, so the difference is half its coarse base: smooth.
    assert np.abs(np.diff(fused - source, axis=1)).max() < 0.15 * np.abs(np.diff(source)).max()


@pytest.mark.parametrize("fuse", [laplacian, wavelet, gff, focus_map])
def test_complementary_blur_is_undone_better_than_by_the_mean(fuse):
    truth = textured(96)
    soft = cv2.GaussianBlur(truth, (0, 0), 2.5)
    left = np.arange(96) < 48
    a, b = np.where(left, truth, soft), np.where(left, soft, truth)
    wrong = np.square(fuse([a, b]) - truth).mean()
    assert wrong < 0.25 * np.square(mean([a, b]) - truth).mean()


def test_focus_map_copies_the_sharp_side():
    truth = textured(96)
    soft = cv2.GaussianBlur(truth, (0, 0), 2.5)
    left = np.arange(96) < 48
    fused = focus_map([np.where(left, truth, soft), np.where(left, soft, truth)])
    np.testing.assert_allclose(fused[:, :30], truth[:, :30], atol=1.0)
    np.testing.assert_allclose(fused[:, 66:], truth[:, 66:], atol=1.0)


def test_mertens_prefers_the_well_exposed_shot():
    good = textured()
    crushed = np.full_like(good, 3.0) + 0.02 * good
    fused = mertens([crushed, good])
    assert np.abs(fused - good).mean() < 0.2 * np.abs(mean([crushed, good]) - good).mean()


def test_mertens_keeps_its_last_bits_and_the_thread_setting():
    shots = [plane((120, 150, 3), s) for s in range(4)]
    threads = cv2.getNumThreads()
    first = mertens(shots)
    assert all(np.array_equal(mertens(shots), first) for _ in range(4))
    assert cv2.getNumThreads() == threads


def test_max_abs_keeps_the_sign_and_averages_ties():
    details = [np.array([[-5.0, 1.0, 2.0]]), np.array([[4.0, -3.0, -2.0]])]
    np.testing.assert_array_equal(max_abs(details), [[-5, -3, 0]])


def test_winners_share_a_tie_and_sum_to_one():
    won = winners(np.array([[[1.0, 2.0]], [[3.0, 2.0]], [[3.0, 2.0]]]))
    np.testing.assert_allclose(won[:, 0, 0], [0, 0.5, 0.5])
    np.testing.assert_allclose(won.sum(axis=0), 1)


@pytest.mark.parametrize("shape", SIZES)
def test_box_is_the_brute_force_mean(shape):
    source = plane(shape)
    radius = min(2, (min(shape) - 1) // 2)
    padded = np.pad(source, radius, mode="symmetric")
    side = 2 * radius + 1
    windows = np.lib.stride_tricks.sliding_window_view(padded, (side, side))
    np.testing.assert_allclose(box(source, 2), windows.mean(axis=(2, 3)), rtol=1e-12)


def test_guided_filter_keeps_its_own_strong_edges_and_smooths_without_guidance():
    step = np.zeros((30, 30))
    step[:, 15:] = 1.0
    np.testing.assert_allclose(guided_filter(step, step, 4, 1e-6), step, atol=1e-4)
    unguided = guided_filter(np.zeros_like(step), step, 4, 1e-6)
    np.testing.assert_allclose(unguided, box(box(step, 4), 4), atol=1e-12)


def test_guided_filter_is_linear_in_what_it_filters():
    guide, p = plane((20, 22), 1) / 255, plane((20, 22), 2) / 255
    total = guided_filter(guide, p, 3, 1e-3) + guided_filter(guide, 1 - p, 3, 1e-3)
    np.testing.assert_allclose(total, 1.0, atol=1e-9)

"""The transforms below the methods: exact inverses, shifts, and independent implementations."""

import numpy as np
import pytest
import pywt
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionlab.baselines import contrast, dual_tree, laplacian, rules, swt
from fusionlab.baselines.wavelet import wavelet


def plane(shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, shape)


def smooth(shape, seed=0):
    return rules.gaussian(plane(shape, seed), 1.5)


SIDES = {"height": st.integers(1, 60), "width": st.integers(1, 60)}


@given(**SIDES, seed=st.integers(0, 99))
@settings(max_examples=30, deadline=None)
def test_contrast_pyramid_reconstructs_any_size(height, width, seed):
    source = plane((height, width), seed)
    pyramid = contrast.decompose(source, laplacian.depth(source.shape))
    np.testing.assert_allclose(contrast.reconstruct(pyramid), source, atol=1e-9)


def test_contrast_does_not_see_what_multiplies_the_light():
    source = smooth((64, 64))
    dim = (source + contrast.OFFSET) / 2 - contrast.OFFSET
    first, *_ = contrast.decompose(source, 3)
    np.testing.assert_allclose(contrast.decompose(dim, 3)[0], first, atol=1e-12)


@given(**SIDES, seed=st.integers(0, 99))
@settings(max_examples=20, deadline=None)
def test_mirrored_planes_divide_and_hold_the_plane(height, width, seed):
    source = plane((height, width), seed)
    larger = rules.mirrored(source, 5, 8)
    assert all(side % 8 == 0 for side in larger.shape)
    np.testing.assert_array_equal(larger[5:, 5:][:height, :width], source)
    np.testing.assert_array_equal(larger[4, 5:][:width], source[0])


@pytest.mark.parametrize("shape", [(1, 1), (1, 50), (37, 23), (64, 48)])
def test_stationary_wavelets_give_the_plane_back(shape):
    source = plane(shape)
    np.testing.assert_allclose(swt.swt([source, source]), source, atol=1e-3)


def test_stationary_wavelets_are_those_of_pywavelets():
    source = smooth((64, 64))
    found = swt.decompose(source)[0][swt.MARGIN :, swt.MARGIN :][:64, :64]
    direct = pywt.swt2(source, swt.WAVELET, swt.LEVELS, trim_approx=True, norm=True)[0]
    # Away from the border, which PyWavelets takes for periodic and we mirror.
    inner = slice(swt.MARGIN, -swt.MARGIN)
    np.testing.assert_allclose(found[inner, inner], direct[inner, inner], atol=1e-3)


def shifted_error(fuse):
    """Return how far the fusion of shifted sources is from the shifted fusion."""
    a, b = smooth((130, 130), 1), smooth((130, 130), 2)
    whole, shifted = fuse([a[1:, 1:], b[1:, 1:]]), fuse([a[:-1, :-1], b[:-1, :-1]])
    return np.abs(whole[40:80, 40:80] - shifted[41:81, 41:81]).mean()


def test_a_shifted_scene_gives_the_shifted_result():
    assert shifted_error(swt.swt) < 1e-3
    assert shifted_error(wavelet) > 1.0
    assert shifted_error(dual_tree.dual_tree) < 0.6 * shifted_error(wavelet)


def test_the_dual_tree_is_inverted():
    source = plane((64, 96))
    levels = dual_tree.decompose(source)
    assert [level.shape[-2:] for level in levels[:2]] == [(32, 48), (16, 24)]
    np.testing.assert_allclose(dual_tree.reconstruct(levels), source, atol=1e-4)


def test_q_shift_filters_are_orthonormal_and_each_other_reversed():
    a, b = (np.array(tree.dec_lo) for tree in dual_tree.TREES)
    np.testing.assert_array_equal(a, b[::-1])
    for lag in range(5):
        product = a[2 * lag :] @ a[: a.size - 2 * lag]
        assert product == pytest.approx(float(lag == 0), abs=1e-7)


def energies(level, columns):
    """Return the energy of a vertical edge in a level of the complex and of the plain details."""
    step = np.zeros((128, 128))
    step[:, columns:] = 100.0
    details = dual_tree.decompose(step)[level]
    whole = sum(np.square(np.abs(c)).sum() for c in dual_tree.complex_details(details))
    return whole, np.square(details[0]).sum()


@pytest.mark.parametrize("level", [1, 2, 3])
def test_complex_details_hardly_change_when_the_scene_is_shifted(level):
    found = np.array([energies(level, 50 + s) for s in range(16)])
    spread = found.std(axis=0) / found.mean(axis=0)
    assert spread[0] < 0.1
    assert spread[0] < 0.4 * spread[1]


def test_complex_details_tell_the_diagonals_apart():
    y, x = np.mgrid[:128, :128]
    found = []
    for sign in (1, -1):
        details = dual_tree.decompose(100 * np.sin((x + sign * y) * 0.9))[1]
        plus, minus = (np.square(np.abs(c[2])).sum() for c in dual_tree.complex_details(details))
        found.append(plus / (plus + minus))
    assert max(found) > 0.95
    assert min(found) < 0.05


def test_shares_are_parts_of_one():
    scores = np.array([[[1.0, 0.0, 2.0]], [[3.0, 0.0, 2.0]]])
    np.testing.assert_allclose(rules.shares(scores), [[[0.25, 0.5, 0.5]], [[0.75, 0.5, 0.5]]])


def test_filters_keep_the_precision_they_are_given():
    source = smooth((40, 50)) / 255
    for bits in (np.float32, np.float64):
        given = source.astype(bits)
        filtered = rules.guided_filter(given, given, 3, 1e-2)
        assert {rules.box(given, 2).dtype, rules.gaussian(given, 2.0).dtype, filtered.dtype} == {
            np.dtype(bits)
        }
        np.testing.assert_allclose(
            filtered, rules.guided_filter(source, source, 3, 1e-2), atol=1e-5
        )

"""The guards: values that follow from the definitions, more than two sources, what they ignore."""

import math
from itertools import pairwise

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from metrics import oracles_guards as slow
from scipy.ndimage import gaussian_filter

from fusionlab.decoys import DECOYS, spoil
from fusionlab.metrics import get, measure, prepare

GUARDS = list(slow.OF_ALL)
QUICK = settings(max_examples=20, deadline=None, derandomize=True)


def value(name, sources, fused):
    return prepare(sources, [name]).measure(fused)[name]


def texture(side=96, seed=0):
    """Smooth detail over 60..190, without a direction."""
    noise = np.random.default_rng(seed).normal(size=(side, side))
    smooth = gaussian_filter(noise, 2.0, mode="wrap")
    return np.rint(60 + 130 * (smooth - smooth.min()) / np.ptp(smooth)).astype(np.uint8)


@pytest.fixture(scope="module")
def exposures(make_triple):
    """Three shots with saturated and black areas, and a fused image, of odd and even sides."""
    a, b, f = (x.astype(int) for x in make_triple(57, 70))
    shots = [np.clip(3 * a - 90, 0, 255), a, np.clip(2 * b - 120, 0, 255)]
    return [x.astype(np.uint8) for x in shots], f.astype(np.uint8)


@pytest.mark.parametrize("name", GUARDS)
def test_all_sources_count(name, exposures):
    shots, f = exposures
    expected = slow.OF_ALL[name]([x.astype(float) for x in shots], f.astype(float))
    assert value(name, shots, f) == pytest.approx(expected, rel=1e-10, abs=1e-13)
    assert measure(*shots[:2], f, [name], shots=shots)[name] == value(name, shots, f)


@pytest.mark.parametrize("name", GUARDS)
@pytest.mark.parametrize("shape", [(3, 3), (11, 11), (11, 64), (17, 12)])
def test_smallest_images(name, shape):
    rng = np.random.default_rng(1)
    a, b, f = rng.integers(0, 256, (3, *shape), dtype=np.uint8)
    got = value(name, [a, b], f)
    if get(name).min_side > min(shape):
        assert math.isnan(got)
    else:
        expected = slow.ORACLE[name](*(x.astype(float) for x in (a, b, f)))
        assert got == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize("decoy", DECOYS)
def test_copies_are_no_distance_away(decoy):
    a, b = texture(seed=1), texture(seed=2)
    assert value("COPYD", [a, b], DECOYS[decoy](a, b)) == 0
    assert value("COPYD", [a, b, texture(seed=3)], DECOYS[decoy](a, b)) == 0


def test_distance_of_a_mixture_is_its_share():
    a, b = np.full((20, 20), 40, np.uint8), np.full((20, 20), 140, np.uint8)
    assert value("COPYD", [a, b], a + np.uint8(20)) == pytest.approx((20 - 0.5) / 100)
    assert value("COPYD", [a, b], a + np.uint8(60)) == pytest.approx((10 - 0.5) / 100)
    assert math.isnan(value("COPYD", [a, a], b))


def test_noise_is_measured_in_levels():
    flat = np.full((200, 200), 120, np.uint8)
    noise = np.random.default_rng(2).normal(0, 6, flat.shape)
    assert value("NOISEX", [flat, flat], flat + noise) == pytest.approx(6, rel=0.03)
    chequered = 120.0 + np.where(np.indices(flat.shape).sum(axis=0) % 2, 3, -3)
    expected = math.sqrt(math.pi / 2) / 6 * 16 * 3
    assert value("NOISEX", [flat, flat], chequered) == pytest.approx(expected)
    assert value("NOISEX", [chequered, flat], chequered) == 0


def test_noise_is_not_looked_for_in_the_black_nor_in_texture():
    scene = np.full((90, 90), 100, np.uint8)
    scene[:, :40] = 0
    rough = scene.copy()
    rough[:40, 60:] = texture(40)[:, :30]
    fused = rough.astype(float)
    fused[:, :32] += np.random.default_rng(3).uniform(0, 4, (90, 32))
    fused[10:40, 62:] += 10
    assert value("NOISEX", [scene, rough], fused) == 0


def test_contrast_about_a_level_scales_detail_and_deviation():
    image = texture()
    stretched = 125 + 1.25 * (image.astype(float) - 125)
    assert value("SHARPX", [image, image], stretched) == pytest.approx(0.25)
    assert value("SDX", [image, image], stretched) == pytest.approx(1.25)
    assert value("SHARPX", [image, image], np.full_like(image, 9)) == -1


def test_levels_outside_the_sources():
    a, b = np.full((40, 50), 90, np.uint8), np.full((40, 50), 110, np.uint8)
    for name in ("ENVX", "TONEX"):
        assert value(name, [a, b], a + np.uint8(7)) == 0
        assert value(name, [a, b], b + np.uint8(7)) == 7
        assert value(name, [a, b], a - np.uint8(9)) == 9


def test_envelope_reaches_three_pixels():
    a = np.full((30, 30), 90, np.uint8)
    a[:, 15:] = 150
    moved = {shift: np.roll(a, shift, axis=1) for shift in (3, 4)}
    for image in moved.values():
        image[:, :5] = 90
    assert value("ENVX", [a, a], moved[3]) == 0
    assert value("ENVX", [a, a], moved[4]) == pytest.approx(60 / 30)


def test_clipping_counts_only_what_sources_hold_back():
    a = np.full((10, 20), 100, np.uint8)
    a[0], a[1] = 4, 251
    fused = a.copy()
    fused[0], fused[1], fused[2, :5], fused[3, :5] = 0, 255, 0, 255
    assert value("CLIPX", [a, a], fused) == 10 / 200
    assert value("CLIPX", [a, np.zeros_like(a)], fused) == 5 / 200


def test_halo_sees_overshoot_and_no_change_of_tone():
    a = np.full((64, 64), 80.0)
    a[:, 32:] = 160
    ringing = a.copy()
    ringing[:, 26:32] -= 16
    ringing[:, 32:38] += 16
    assert value("HALO", [a, a], ringing) > 0.02
    assert value("HALO", [a, a], a + 30) == pytest.approx(0, abs=1e-12)
    assert value("HALO", [a, a], 120 + 0.7 * (a - 120)) == pytest.approx(0, abs=1e-12)
    assert value("HALO", [a / 4, a / 4], ringing) == 0  # no edge there is 40 high


def test_a_mixture_of_the_sources_is_explained_and_another_scene_is_not():
    a, b, other = (texture(seed=s) for s in (4, 5, 6))
    mixture = 0.3 * a + 0.5 * b + 20
    assert value("ALIEN", [a, b], mixture) == pytest.approx(0, abs=1e-12)
    assert value("ALIEN", [a, a], a) == pytest.approx(0, abs=1e-12)
    assert value("ALIEN", [a, b], other) > 0.95
    assert value("ALIEN", [np.zeros_like(a)] * 2, other) == 1
    for name in ("ALIEN", "GHOST"):
        assert math.isnan(value(name, [a, b], np.full_like(a, 9)))


@pytest.mark.parametrize("share", [0.2, 0.35, 0.5])
@pytest.mark.parametrize("shift", [(6, 0), (-4, 6), (0, -12)])
def test_ghost_grows_with_the_displaced_share(share, shift):
    image = texture(160, seed=7).astype(float)
    ghosted = (1 - share) * image + share * np.roll(image, shift, axis=(0, 1))
    expected = share / math.hypot(share, 1 - share)
    assert value("GHOST", [image, image[::-1]], ghosted) == pytest.approx(expected, abs=0.08)


def test_ghost_is_none_where_sources_are_displaced_themselves():
    image = texture(160, seed=8).astype(float)
    moved = np.roll(image, 6, axis=1)
    assert value("GHOST", [image, moved], 0.5 * image + 0.5 * moved) < 1e-6


GROWING = [
    ("NOISEX", lambda f, g: f + g * np.random.default_rng(0).normal(size=f.shape)),
    ("SHARPX", lambda f, g: f + g / 4 * (f - cv2.GaussianBlur(f, (0, 0), 1.5))),
    ("HALO", lambda f, g: f + g / 8 * (f - cv2.GaussianBlur(f, (0, 0), 5))),
    ("SDX", lambda f, g: f.mean() + (1 + g / 20) * (f - f.mean())),
    ("TONEX", lambda f, g: f + g),
    ("ENVX", lambda f, g: f + g),
    ("GHOST", lambda f, g: (1 - g / 30) * f + g / 30 * np.roll(f, 6, axis=1)),
    ("ALIEN", lambda f, g: (1 - g / 16) * f + g / 16 * f.T),
]


@pytest.mark.parametrize(("name", "damage"), GROWING, ids=[name for name, _ in GROWING])
def test_more_damage_has_more_value(name, damage):
    image = texture().astype(float)
    image[:, 40:44] = 70
    values = [value(name, [image, image], np.clip(damage(image, g), 0, 255)) for g in (1, 4, 8, 14)]
    assert all(later > earlier for earlier, later in pairwise(values)), values


@QUICK
@given(st.integers(0, 10**6), st.permutations(range(3)))
def test_order_of_sources_and_transposition_change_nothing(seed, order):
    rng = np.random.default_rng(seed)
    images = [gaussian_filter(rng.uniform(0, 255, (40, 53)), rng.uniform(0, 2)) for _ in range(4)]
    *sources, f = (np.rint(x).astype(np.uint8) for x in images)
    plain = prepare(sources, GUARDS).measure(f)
    turned = prepare([sources[i].T for i in range(3)], GUARDS).measure(f.T)
    assert turned == pytest.approx(plain, rel=1e-9, abs=1e-11)
    mixed = prepare([sources[i] for i in order], [g for g in GUARDS if g != "COPYD"]).measure(f)
    assert mixed == pytest.approx({g: plain[g] for g in mixed}, rel=1e-9, abs=1e-11)


@QUICK
@given(st.integers(0, 10**6), st.integers(1, 40))
def test_a_common_offset_changes_nothing(seed, offset):
    a, b, f = (texture(48, seed + i) for i in range(3))
    plain = prepare([a, b], GUARDS).measure(f)
    moved = prepare([a + np.uint8(offset), b + np.uint8(offset)], GUARDS)
    assert moved.measure(f + np.uint8(offset)) == pytest.approx(plain, rel=1e-9, abs=1e-10)


@QUICK
@given(st.integers(0, 10**6), st.floats(0.05, 0.95))
def test_a_blend_of_the_sources_passes_every_guard(seed, share):
    a, b = texture(64, seed), texture(64, seed + 1)
    got = prepare([a, b], GUARDS).measure(share * a + (1 - share) * b)
    assert max(got["NOISEX"], got["SHARPX"], got["SDX"] - 1) <= 1e-9
    for name in ("ENVX", "TONEX", "CLIPX", "HALO", "ALIEN", "GHOST"):
        assert got[name] == pytest.approx(0, abs=1e-9), name


def test_defects_stand_out_of_a_fusion():
    """What the shipped limits rest on, in the small."""
    a, b = texture(160, 1), texture(160, 2)
    good = np.where(np.indices(a.shape)[1] < 80, a, b)
    of = prepare([a, b], GUARDS)
    plain = of.measure(good)
    seen = {name: of.measure(spoil(good, name)) for name in ("noise_10", "ghost_5", "turned")}
    assert plain["NOISEX"] < 1 < 6 < seen["noise_10"]["NOISEX"]
    assert plain["GHOST"] < 0.2 < 0.3 < seen["ghost_5"]["GHOST"]
    assert plain["ALIEN"] < 0.7 < 0.9 < seen["turned"]["ALIEN"]
    assert of.measure(spoil(good, "sharpened_2"))["SHARPX"] > 0.6 > plain["SHARPX"]
    assert of.measure(spoil(good, "blurred"))["SHARPX"] < -0.3 < plain["SHARPX"]

"""The measures of damage on parts that are known, without any network."""

import numpy as np
import pytest

from fusionlab.refine.measures import MEASURED, limits_of, maps_of, measure
from fusionlab.refine.parts import Parts

SIZE = (96, 112)
LOST = np.s_[30:66, 40:76]


def texture(seed=0, spread=30.0):
    rng = np.random.default_rng(seed)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    waves = 40 * np.sin(x / 9) * np.cos(y / 11)
    return (128 + waves + rng.normal(0, spread, SIZE)).astype(np.float32)


def parts(label=None, told=None, rebuilt=None):
    """Return the parts of a label that tells all of both sources, but for what is given."""
    first, second = texture(0), texture(1)
    label = first if label is None else label
    return Parts(
        label,
        (first, second),
        told or (first, second),
        label if rebuilt is None else rebuilt,
        label,
    )


def changed(plane, value):
    other = plane.copy()
    other[LOST] = value
    return other


def outside():
    far = np.ones(SIZE, bool)
    far[10:86, 20:96] = False
    return far


def test_parts_that_tell_all_are_sound():
    found = measure(parts())
    assert set(found) == set(MEASURED)
    for kind, plane in found.items():
        assert plane.shape == SIZE, kind
        assert np.abs(plane).max() < 1e-5, kind


def test_structure_that_a_probe_does_not_tell_is_lost_detail():
    first, second = texture(0), texture(1)
    for told in ((changed(first, 128), second), (first, changed(second, 128))):
        found = measure(parts(told=told))
        assert found["detail"][40:56, 50:66].min() > 0.5
        assert np.abs(found["detail"][outside()]).max() < 0.01
        assert found["noise"].max() < 1e-5


def test_coarse_contrast_that_a_probe_does_not_tell_is_a_lost_target():
    first, second = texture(0, 0), texture(1, 0)
    first[LOST] += 90
    found = measure(Parts(first, (first, second), (texture(0, 0), second), first, first))
    assert found["target"][44:52, 54:62].min() > 2 * found["target"][outside()].max()


def test_what_the_assembler_cannot_rebuild_is_noise():
    clean = texture(0, 5.0)
    noisy = clean.copy()
    noisy[LOST] += np.random.default_rng(3).normal(0, 25, noisy[LOST].shape).astype(np.float32)
    found = measure(parts(label=noisy, rebuilt=clean))
    assert found["noise"][40:56, 50:66].min() > 0.4
    assert found["noise"][outside()].max() < 0.01


def test_a_halo_is_what_neither_source_has():
    first, second = texture(0, 5.0), texture(1, 5.0)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    ring = (60 * np.exp(-((np.hypot(y - 48, x - 58) - 14) ** 2) / 30)).astype(np.float32)
    both = measure(parts(told=(first + ring, second + ring)))["halo"]
    one = measure(parts(told=(first + ring, texture(1))))["halo"]
    assert both[44:52, 54:62].mean() > 0.2
    assert one.max() < 1e-5


@pytest.mark.parametrize("level", [0.0, 77.0, 255.0])
def test_flat_parts_are_sound(level):
    flat = np.full((12, 9), level, np.float32)
    found = measure(Parts(flat, (flat, flat), (flat, flat), flat, flat))
    for plane in found.values():
        assert np.isfinite(plane).all()
        assert np.abs(plane).max() < 1e-3


def test_limits_are_what_sound_labels_hardly_exceed():
    sound = [parts(told=(texture(0) * 0.9, texture(k))) for k in (1, 2)]
    limits = limits_of(sound)
    assert set(limits) == set(MEASURED)
    for kind, (low, high) in limits.items():
        assert high >= low + 0.049, kind
        beyond = np.mean([measure(p)[kind] > low for p in sound])
        assert beyond <= 0.012, kind
        flagged = np.mean([maps_of(p, limits)[kind] > 0 for p in sound])
        assert flagged <= 0.012, kind


def test_maps_rise_from_the_lower_to_the_upper_limit():
    given = parts(told=(changed(texture(0), 128), texture(1)))
    detail = measure(given)["detail"]
    limits = dict.fromkeys(MEASURED, (0.2, 0.6))
    found = maps_of(given, limits)["detail"]
    np.testing.assert_allclose(found, np.clip((detail - 0.2) / 0.4, 0, 1), atol=1e-5)
    assert found.min() == 0
    assert found.max() == 1

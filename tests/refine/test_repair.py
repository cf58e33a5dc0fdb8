"""The training-free steps: what they find, what they change, and what they leave alone."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from fusionlab.baselines import apply, laplacian
from fusionlab.colour import luminance
from fusionlab.demo.scenes import make_scenes
from fusionlab.errors import ImageError, UnknownNameError
from fusionlab.refine import KINDS, repair
from fusionlab.refine.decompose import decompose, depth
from fusionlab.refine.enhance import enhance
from fusionlab.refine.identify import identify
from fusionlab.refine.limits import LIMITS, Limits, at
from fusionlab.refine.planting import GRADES, plant, plant_each
from fusionlab.tasks import TASKS

SCENES = [scene for scene in make_scenes() if scene.task == "mff"]
SIDES = st.integers(16, 40)


def psnr(plane, truth):
    return 10 * np.log10(255.0**2 / np.mean((plane - truth) ** 2))


def known(scene):
    """Return truth and sources of a scene, as luminances."""
    return luminance(scene.reference), [luminance(s) for s in scene.sources.values()]


def fused(scene):
    return luminance(apply("gff", "mff", list(scene.sources.values())))


@pytest.fixture(scope="module")
def pair():
    return known(SCENES[0])


# -- decompose ------------------------------------------------------------------------------------


def test_an_image_too_small_to_be_halved_has_no_details():
    assert depth((15, 300)) == 0
    assert depth((16, 300)) == 1
    assert depth((480, 640)) == 5


def test_a_mixture_of_the_sources_has_nothing_alien(pair):
    _, (a, b) = pair
    for detail in decompose(0.3 * a + 0.7 * b, [a, b]).details:
        strong = detail.energy > 25
        assert np.median(detail.alien_energy[strong] / detail.energy[strong]) < 0.01


def test_the_gain_of_a_label_is_its_share_of_what_the_sources_offer(pair):
    truth, _ = pair
    for share in (0.25, 0.5, 1.0):
        label = share * (truth - truth.mean()) + truth.mean()
        for detail in decompose(label, [truth, truth]).details:
            assert np.median(detail.gain[detail.energy > 25]) == pytest.approx(share, abs=0.02)


def test_what_no_source_has_is_alien(pair):
    _, (a, b) = pair
    noise = np.random.default_rng(1).normal(0, 10, a.shape)
    finest = decompose(a + noise, [a, b]).details[0]
    left = np.corrcoef(finest.alien.ravel(), laplacian.decompose(noise, 1)[0].ravel())[0, 1]
    assert left > 0.9


def test_more_than_two_sources_explain_a_label_together():
    rng = np.random.default_rng(2)
    shots = [rng.uniform(0, 255, (48, 48)) for _ in range(4)]
    label = sum(w * s for w, s in zip((0.1, 0.2, 0.3, 0.4), shots, strict=True))
    few = decompose(label, shots[:2]).details[0].alien_energy.mean()
    every = decompose(label, shots).details[0].alien_energy.mean()
    assert every < 0.15 * few


def test_the_order_of_sources_does_not_matter(pair):
    truth, (a, b) = pair
    damaged = plant(truth, "noise", 1, np.random.default_rng(0)).plane
    one, other = repair(damaged, [a, b], "mff"), repair(damaged, [b, a], "mff")
    assert np.allclose(one.plane, other.plane, atol=0.05)


# -- identify -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_planted_damage_is_found_where_it_is(kind):
    overlaps = []
    for number, scene in enumerate(SCENES):
        truth, sources = known(scene)
        planted = plant(truth, kind, 2, np.random.default_rng(number))
        found = repair(planted.plane, sources, "mff").damage.maps[kind] > 0.5
        overlaps.append((found & planted.mask).sum() / (found | planted.mask).sum())
    least = {"detail": 0.6, "target": 0.35, "noise": 0.55, "halo": 0.6, "clipping": 0.25}
    assert np.mean(overlaps) > least[kind]


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_answers_to_its_own_damage_more_than_to_none(kind):
    truth, sources = known(SCENES[1])
    sound = repair(truth, sources, "mff").damage.maps[kind]
    planted = plant(truth, kind, 2, np.random.default_rng(0))
    damaged = repair(planted.plane, sources, "mff").damage.maps[kind]
    assert damaged[planted.mask].mean() > 5 * sound[planted.mask].mean() + 0.1


def test_contrast_that_is_low_or_high_everywhere_is_a_choice(pair):
    truth, sources = pair
    for contrast in (0.6, 1.5):
        label = contrast * (truth - truth.mean()) + truth.mean()
        found = repair(label, sources, "ivf").damage.maps
        assert (found["target"] > 0.5).mean() < 0.05
        assert (found["halo"] > 0.5).mean() < 0.05


def test_maps_are_shares_of_the_size_of_the_label():
    for scene in make_scenes()[::4]:
        sources = [luminance(s) for s in scene.sources.values()]
        found = repair(sources[0], sources, scene.task).damage
        assert set(found.maps) == set(KINDS)
        for values in (*found.maps.values(), found.anywhere):
            assert values.shape == sources[0].shape
            assert 0 <= values.min() <= values.max() <= 1


# -- enhance --------------------------------------------------------------------------------------


@pytest.mark.parametrize("scene", SCENES, ids=lambda s: s.name)
@pytest.mark.parametrize("kind", KINDS)
def test_planted_damage_is_repaired(scene, kind):
    truth, sources = known(scene)
    for number, grade in enumerate(GRADES[kind]):
        assert grade > 0
        damaged = plant(fused(scene), kind, number, np.random.default_rng(number)).plane
        after = repair(damaged, sources, "mff").plane
        assert psnr(after, truth) > psnr(damaged, truth) - 0.02, (kind, number)
        if number == 2:
            assert psnr(after, truth) > psnr(damaged, truth) + 0.5


@pytest.mark.parametrize("method", ["focus_map", "gff", "laplacian", "wavelet"])
def test_undamaged_labels_are_left_alone(method):
    for scene in SCENES:
        truth, sources = known(scene)
        label = luminance(apply(method, "mff", list(scene.sources.values())))
        after = repair(label, sources, "mff").plane
        assert -0.02 < psnr(after, truth) - psnr(label, truth) < 0.2


def test_sound_places_of_a_damaged_label_are_not_touched(pair):
    _, sources = pair
    label = np.rint(fused(SCENES[0]))
    planted = plant(label, "detail", 2, np.random.default_rng(3))
    after = repair(planted.plane, sources, "mff").plane
    assert (after == planted.plane)[~planted.mask].mean() > 0.9


def test_nothing_is_done_where_it_is_not_worth_it(pair):
    truth, sources = pair
    damaged = plant(truth, "noise", 2, np.random.default_rng(0)).plane
    limits = LIMITS["mff"]
    assert (repair(damaged, sources, "mff", limits).plane != damaged).any()
    never = Limits(**{**vars(limits), "worth": 100.0})
    assert repair(damaged, sources, "mff", never).plane is damaged


def test_the_steps_in_a_row_are_the_repair(pair):
    truth, sources = pair
    damaged = plant(truth, "halo", 2, np.random.default_rng(0)).plane
    layers = decompose(damaged, sources)
    findings = identify(layers, LIMITS["mff"])
    made = repair(damaged, sources, "mff")
    assert np.array_equal(enhance(layers, findings, LIMITS["mff"]), made.plane)
    assert np.array_equal(findings.damage.anywhere, made.damage.anywhere)


def test_tones_beyond_those_of_the_sources_come_back_in_multi_focus_only(pair):
    truth, sources = pair
    bright = np.clip(truth + 40, 0, 255)
    assert psnr(repair(bright, sources, "mff").plane, truth) > psnr(bright, truth) + 6
    assert np.abs(repair(bright, sources, "ivf").plane - bright).mean() < 1


# -- edge cases -----------------------------------------------------------------------------------


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (7, 9), (15, 64), (33, 47)])
def test_any_size_gives_finite_pixels_of_that_size(task, shape):
    rng = np.random.default_rng(0)
    label, a, b = (rng.uniform(0, 255, shape) for _ in range(3))
    made = repair(label, [a, b], task)
    assert made.plane.shape == shape
    assert np.isfinite(made.plane).all()
    assert 0 <= made.plane.min() <= made.plane.max() <= 255


@pytest.mark.parametrize("task", TASKS)
def test_flat_images_stay_as_they_are(task):
    flat = np.full((40, 50), 90.0)
    made = repair(flat, [flat, flat], task)
    assert np.array_equal(made.plane, flat)
    assert not made.damage.anywhere.any()


@pytest.mark.parametrize("task", TASKS)
def test_a_label_that_equals_its_sources_stays_as_it_is(task, pair):
    truth, _ = pair
    assert np.array_equal(repair(truth, [truth, truth], task).plane, truth)


@pytest.mark.parametrize("task", ["ivf", "mif", "mef"])
def test_a_black_source_takes_nothing_from_the_label(task, pair):
    truth, _ = pair
    assert np.array_equal(repair(truth, [truth, np.zeros_like(truth)], task).plane, truth)


def test_a_flat_label_gets_the_detail_of_its_sources_back(pair):
    truth, sources = pair
    flat = np.full_like(truth, truth.mean())
    assert psnr(repair(flat, sources, "mff").plane, truth) > psnr(flat, truth) + 3


def test_inputs_are_not_changed(pair):
    truth, sources = pair
    damaged = plant(truth, "clipping", 2, np.random.default_rng(0)).plane
    copies = [p.copy() for p in (damaged, *sources)]
    repair(damaged, sources, "mff")
    assert all(map(np.array_equal, copies, (damaged, *sources)))


def test_sources_that_do_not_fit_are_named():
    plane = np.zeros((20, 20))
    with pytest.raises(ImageError, match=r"source 2: got size \(20, 21\)"):
        repair(plane, [plane, np.zeros((20, 21))], "ivf")
    with pytest.raises(ImageError, match="got 1 source"):
        repair(plane, [plane], "ivf")
    with pytest.raises(UnknownNameError):
        repair(plane, [plane, plane], "video")


@settings(max_examples=40, deadline=None)
@given(st.data(), st.sampled_from(sorted(TASKS)))
def test_any_levels_give_finite_pixels(data, task):
    shape = data.draw(st.tuples(SIDES, SIDES))
    values = st.floats(0, 255, width=32)
    label, a, b = (data.draw(arrays(np.float64, shape, elements=values)) for _ in range(3))
    made = repair(label, [a, b], task)
    assert np.isfinite(made.plane).all()
    assert 0 <= made.plane.min() <= made.plane.max() <= 255
    assert all(0 <= m.min() <= m.max() <= 1 for m in made.damage.maps.values())


# -- planting -------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_stronger_grades_do_more_harm(kind, pair):
    truth, _ = pair
    harm = [psnr(plant(truth, kind, g, np.random.default_rng(5)).plane, truth) for g in range(3)]
    assert harm == sorted(harm, reverse=True)


def test_planting_is_the_same_every_time_and_only_in_its_mask(pair):
    truth, _ = pair
    one, other = (plant_each(truth, np.random.default_rng(7)) for _ in range(2))
    assert [p.kind for p in one] == list(KINDS)
    for a, b in zip(one, other, strict=True):
        assert np.array_equal(a.plane, b.plane)
        assert (np.abs(a.plane - truth)[~a.mask] <= 1.5).all()
        assert 0 < a.mask.mean() < 0.6


def test_the_last_value_stands_for_all_coarser_levels():
    assert [at((3, 1), level) for level in range(4)] == [3, 1, 1, 1]

"""The decision map: what it cleans away, and how near it comes to a known truth."""

import numpy as np
import pytest
from skimage.morphology import remove_small_holes, remove_small_objects

from fusionlab.baselines.decision_map import clean, decision_map, modified_laplacian
from fusionlab.baselines.focus_map import focus_map
from fusionlab.baselines.rules import gaussian
from fusionlab.demo import scenes
from fusionlab.images import luminance


def plane(shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, shape)


def one_hot(labels, number):
    return np.stack([labels == k for k in range(number)]).astype(float)


def psnr(image, truth):
    return 10 * np.log10(255**2 / np.square(image - truth).mean())


def test_modified_laplacian_is_its_formula():
    source = plane((20, 30))
    padded = np.pad(source, 1, mode="symmetric")
    rows = np.abs(2 * source - padded[1:-1, :-2] - padded[1:-1, 2:])
    columns = np.abs(2 * source - padded[:-2, 1:-1] - padded[2:, 1:-1])
    np.testing.assert_allclose(modified_laplacian(source), gaussian(rows + columns, 3.0))


def test_cleaning_is_that_of_scikit_image():
    labels = (gaussian(plane((80, 90)), 2.0) > 127).astype(int)
    smallest = 72  # a hundredth of the image
    masks = [labels == k for k in (0, 1)]
    wanted = [
        remove_small_holes(remove_small_objects(m, max_size=smallest - 1), max_size=smallest - 1)
        for m in masks
    ]
    np.testing.assert_array_equal(clean(one_hot(labels, 2)) > 0, np.array(wanted))


def test_small_regions_go_to_what_surrounds_them():
    labels = np.zeros((60, 60), int)
    labels[:, 30:] = 1
    labels[10:13, 10:13], labels[40:43, 40:43] = 2, 0
    cleaned = clean(one_hot(labels, 3))
    np.testing.assert_array_equal(cleaned[1], np.arange(60) >= np.full((60, 1), 30))
    assert not cleaned[2].any()
    np.testing.assert_allclose(cleaned.sum(axis=0), 1)


def test_a_region_that_nobody_claims_keeps_its_decision():
    labels = np.zeros((60, 60), int)
    labels[:, 30:] = 1
    labels[20:23, 28:32] = 2  # small, and a hole in neither of its neighbours
    np.testing.assert_array_equal(clean(one_hot(labels, 3))[2], labels == 2)


@pytest.mark.parametrize("shape", [(1, 1), (1, 40), (3, 3), (50, 60)])
def test_ties_are_shared(shape):
    equal = np.full((2, *shape), 0.5)
    np.testing.assert_array_equal(clean(equal), equal)
    a, b = np.full(shape, 40.0), np.full(shape, 80.0)
    np.testing.assert_allclose(decision_map([a, b]), 60.0)


def halves(number, blur=2.5, size=120):
    """Return a textured truth and sources of which each is sharp in its own stripe."""
    truth = gaussian(plane((size, size), 7), 1.0)
    soft = gaussian(truth, blur)
    stripe = np.arange(size) * number // size
    return truth, [np.where(stripe == k, truth, soft) for k in range(number)]


@pytest.mark.parametrize("number", [2, 3, 4])
def test_the_sharp_source_is_copied(number):
    truth, sources = halves(number)
    fused = decision_map(sources)
    assert psnr(fused, truth) > psnr(np.mean(sources, axis=0), truth) + 8
    middle = 120 // number // 2
    np.testing.assert_allclose(fused[:, middle], truth[:, middle], atol=0.5)


def test_a_dot_of_noise_does_not_change_the_map():
    truth, sources = halves(2)
    sources[1][60, 20] += 200.0  # sharp, small, and in the wrong source
    assert np.abs(decision_map(sources) - truth)[50:70, 10:30].max() < 1.0
    assert np.abs(focus_map(sources) - truth)[50:70, 10:30].max() > 50


def test_it_comes_nearer_to_the_truth_of_the_demo_than_the_plain_map():
    gained = []
    for scene in scenes.make_scenes():
        if scene.task == "mff":
            planes = [luminance(s).astype(float) for s in scene.sources.values()]
            truth = luminance(scene.reference).astype(float)
            gained.append(psnr(decision_map(planes), truth) - psnr(focus_map(planes), truth))
    assert np.mean(gained) > 0

"""Methods that weigh layers: PCA, two scales, diffusion, weighted least squares."""

import numpy as np
import pytest
from scipy import ndimage

from fusionlab.baselines import diffusion, pca, two_scale, wls
from fusionlab.baselines.rules import gaussian


def plane(shape, seed=0):
    return np.random.default_rng(seed).uniform(0, 255, shape)


def smooth(shape, seed=0):
    return gaussian(plane(shape, seed), 1.5)


@pytest.mark.parametrize("number", [2, 3, 5])
def test_pca_weights_are_those_of_the_covariance(number):
    planes = [smooth((20, 30), 9) * (k + 1) + plane((20, 30), k) for k in range(number)]
    values, vectors = np.linalg.eig(np.cov([p.ravel() for p in planes]))
    main = np.abs(vectors[:, values.argmax()])
    np.testing.assert_allclose(pca.weights(planes), main / main.sum(), rtol=1e-8)


def test_pca_weighs_by_contrast():
    source = smooth((30, 30))
    np.testing.assert_allclose(pca.weights([source, 7 + 2 * source]), [1 / 3, 2 / 3])
    np.testing.assert_allclose(pca.weights([source, np.full_like(source, 9)]), [1, 0], atol=1e-9)


@pytest.mark.parametrize(
    "planes",
    [
        [np.full((4, 5), 3.0), np.full((4, 5), 7.0)],
        [np.array([[0.0, 1, 0, 1]]), np.array([[0.0, 0, 1, 1]])],
        [np.array([[0.0, 1, 2]]), np.array([[2.0, 1, 0]])],
        [np.eye(3)[k : k + 1] for k in range(3)],
    ],
    ids=["flat", "uncorrelated", "opposite", "three, alike"],
)
def test_pca_weighs_equally_where_nothing_tells_the_sources_apart(planes):
    np.testing.assert_allclose(pca.weights(planes), 1 / len(planes))


def test_two_scale_is_its_formula():
    planes = [plane((50, 60), k) for k in (1, 2)]
    bases = [ndimage.uniform_filter(p, 35, mode="reflect") for p in planes]
    smoothed = [ndimage.median_filter(p, 3, mode="nearest") for p in planes]
    saliency = [np.abs(b - m) for b, m in zip(bases, smoothed, strict=True)]
    details = sum(s * (p - b) for s, p, b in zip(saliency, planes, bases, strict=True))
    wanted = sum(bases) / 2 + details / sum(saliency)
    np.testing.assert_allclose(two_scale.two_scale(planes), wanted, atol=1e-3)


def brute_diffusion(source):
    """Return Perona and Malik's diffusion, pixel by pixel over a border that repeats."""
    base = source.copy()
    for _ in range(diffusion.STEPS):
        padded = np.pad(base, 1, mode="edge")
        around = (padded[:-2, 1:-1], padded[2:, 1:-1], padded[1:-1, :-2], padded[1:-1, 2:])
        steps = [neighbour - base for neighbour in around]
        base = base + diffusion.RATE * sum(d / (1 + (d / diffusion.KAPPA) ** 2) for d in steps)
    return base


@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (2, 2), (31, 40)])
def test_diffusion_is_that_of_perona_and_malik(shape):
    source = plane(shape)
    found = diffusion.diffused(source)
    np.testing.assert_allclose(found, brute_diffusion(source), atol=1e-3)
    assert found.mean() == pytest.approx(source.mean(), abs=1e-3)


def test_diffusion_keeps_edges_and_smooths_noise():
    step = np.where(np.arange(40) < 20, 30.0, 220.0) * np.ones((40, 1))
    noisy = step + np.random.default_rng(0).normal(0, 4, step.shape)
    base = diffusion.diffused(noisy)
    assert np.abs(base - step)[:, 5:15].mean() < 0.5 * np.abs(noisy - step)[:, 5:15].mean()
    assert (base[:, 20] - base[:, 19]).mean() > 150


def test_rolling_guidance_layers_sum_to_the_plane():
    source = (smooth((40, 50)) / 255).astype(np.float32)
    np.testing.assert_allclose(sum(wls.decompose(source)), source, atol=1e-5)


def test_rolling_guidance_removes_the_small_and_keeps_the_large():
    image = np.zeros((80, 80), np.float32)
    image[:, 40:] = 0.8
    with_dots = image.copy()
    with_dots[10::20, 10:30:10] = 0.5
    base = wls.rolling_guidance(with_dots, 2.4)
    assert base[:, :32].max() < 0.1
    assert (base[:, 42] - base[:, 37]).min() > 0.6


def test_saliency_is_the_mean_distance_to_all_pixels():
    levels = np.random.default_rng(0).integers(0, 256, (9, 11)).astype(float)
    direct = np.abs(levels[..., None] - levels.ravel()).mean(axis=-1) / 255
    np.testing.assert_allclose(wls.saliency(levels), direct, atol=1e-12)
    np.testing.assert_array_equal(wls.saliency(np.full((3, 4), 8.0)), np.zeros((3, 4)))


def test_wls_keeps_the_noise_of_a_flat_infrared_out(monkeypatch):
    visible = np.full((80, 80), 90.0)
    infrared = 128 + np.random.default_rng(1).normal(0, 1.0, visible.shape)

    def passed():
        fused = wls.wls([infrared, visible])
        return (fused - gaussian(fused, 9.6)).std() / infrared.std()

    kept_out = passed()
    monkeypatch.setattr(wls, "LAMBDA", 0.0)
    assert kept_out < 0.4
    assert passed() > 0.9


def test_wls_keeps_strong_infrared_details():
    target = np.zeros((80, 80))
    target[30:50:2, 30:50] = 160.0
    fused = wls.wls([target, np.full_like(target, 90.0)])
    assert np.ptp(fused[30:50, 30:50]) > 0.8 * 160


def test_wls_weights_sum_to_one_for_three_sources():
    flats = [np.full((20, 20), level) for level in (10.0, 100.0, 190.0)]
    np.testing.assert_allclose(wls.wls(flats), 100.0, atol=1e-3)

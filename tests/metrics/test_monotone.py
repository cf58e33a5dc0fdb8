"""More damage never scores better, for the metrics that are made to see that damage."""

from __future__ import annotations

from itertools import pairwise

import cv2
import numpy as np
import pytest

from fusionlab.metrics import get, measure

SIDE = 192
NOISE_AGAINST_TRUTH = ("PSNR_ref", "SSIM_ref", "MS_SSIM_ref")
NOISE_AGAINST_COPIES = ("SSIM", "MS_SSIM", "Qabf", "VIF", "CC", "MSE", "PSNR", "MI", "SELS", "GERR")
BLUR_OF_DETAIL = ("SF", "AG", "EI")


def scene() -> np.ndarray:
    """A textured image with edges, well inside 0..255."""
    rng = np.random.Generator(np.random.PCG64(7))
    y, x = np.mgrid[:SIDE, :SIDE]
    image = 120 + 40 * np.sin(x / 7) * np.cos(y / 11) + 30 * ((x // 24 + y // 24) % 2)
    return np.clip(np.rint(image + rng.normal(0, 3, image.shape)), 0, 255).astype(np.uint8)


def noisy(image: np.ndarray, sigma: float) -> np.ndarray:
    """The same pattern of noise, stronger and stronger."""
    pattern = np.random.Generator(np.random.PCG64(8)).normal(0, 1, image.shape)
    return np.clip(np.rint(image + sigma * pattern), 0, 255).astype(np.uint8)


def never_better(name: str, values: list[float]) -> bool:
    sign = 1 if get(name).direction == "higher" else -1
    return all(sign * later < sign * earlier for earlier, later in pairwise(values))


@pytest.mark.parametrize("name", NOISE_AGAINST_TRUTH)
def test_noise_leads_away_from_the_truth(name: str) -> None:
    image = scene()
    damaged = [noisy(image, sigma) for sigma in (2, 5, 10, 20, 40)]
    values = [measure(image, image, f, [name], reference=image)[name] for f in damaged]
    assert never_better(name, values), values


@pytest.mark.parametrize("name", NOISE_AGAINST_COPIES)
def test_noise_on_a_copy_of_both_sources_scores_worse(name: str) -> None:
    image = scene()
    values = [measure(image, image, noisy(image, s), [name])[name] for s in (0.8, 2, 5, 10, 20, 40)]
    assert never_better(name, values), values


@pytest.mark.parametrize("name", BLUR_OF_DETAIL)
def test_blur_takes_detail_away(name: str) -> None:
    image = scene()
    blurred = [image, *(cv2.GaussianBlur(image, (0, 0), sigma) for sigma in (0.7, 1.5, 3, 6))]
    values = [measure(image, image, f, [name])[name] for f in blurred]
    assert never_better(name, values), values


@pytest.mark.parametrize("name", ["Nabf", "EN"])
def test_noise_raises_what_counts_it(name: str) -> None:
    """Nabf sees artefacts, and EN (higher is better) takes noise for information."""
    flat = np.full((SIDE, SIDE), 128, np.uint8)
    source = scene() if name == "Nabf" else flat
    values = [measure(source, source, noisy(source, s), [name])[name] for s in (1, 4, 8, 16)]
    assert values == sorted(values)
    assert values[-1] > values[0]

"""A multi-focus scene with its truth, and ways to damage a label of it."""

from __future__ import annotations

import cv2
import numpy as np


def photograph(size: tuple[int, int], seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    layers = [cv2.GaussianBlur(rng.normal(0, 1, size), (0, 0), s) * s for s in (0.8, 2.0, 6.0)]
    texture = np.sum(layers, axis=0)
    return np.rint(np.clip(127 + 45 * texture / texture.std(), 0, 255))


def scene(
    size: tuple[int, int] = (160, 208), seed: int = 0
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the truth and its two sources, sharp above and below."""
    truth = photograph(size, seed)
    soft = np.rint(cv2.GaussianBlur(truth, (0, 0), 2.5))
    near, far = truth.copy(), truth.copy()
    near[: size[0] // 2], far[size[0] // 2 :] = soft[: size[0] // 2], soft[size[0] // 2 :]
    return truth, near, far


def blurred(image: np.ndarray, where: tuple[slice, slice]) -> np.ndarray:
    damaged = image.copy()
    damaged[where] = np.rint(cv2.GaussianBlur(image, (0, 0), 2.0))[where]
    return damaged


def noisy(
    image: np.ndarray, where: tuple[slice, slice], sigma: float = 12.0, seed: int = 5
) -> np.ndarray:
    noise = np.random.default_rng(seed).normal(0, sigma, image.shape)
    damaged = image.copy()
    damaged[where] = np.clip(np.rint(image + noise), 0, 255)[where]
    return damaged


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    return float(10 * np.log10(255**2 / max(float(np.mean((image - truth) ** 2)), 1e-3)))

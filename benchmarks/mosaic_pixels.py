"""What failed: mosaics whose parts are chosen pixel by pixel, not by tiles.

    python benchmarks/mosaic_pixels.py --data DATA --train TRAIN [--policy robust]
                                       [--sets planted,train_synth] [--lead 0.5] [--sigma 16]

Each pixel shows the candidate with the smallest error of the gradient against the larger source
gradient (as GERR), smoothed by a Gaussian, unless the best whole candidate's error is within the
share `--lead` of it. Prints, by set, the mean and the smallest gain over the best whole candidate
in PSNR (dB) to the truth, and the share of pixels that show another.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import cv2
import numpy as np
from mosaic import curated

from fusionlab.images import luminance
from fusionlab.mosaic import blend
from fusionlab.selection import load_policy
from fusionlab.store import Address

if TYPE_CHECKING:
    from fusionlab.lab import Lab


def gradient(image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return both Sobel derivatives."""
    return cv2.Sobel(image, cv2.CV_64F, 1, 0), cv2.Sobel(image, cv2.CV_64F, 0, 1)


def errors(a: np.ndarray, b: np.ndarray, fused: list[np.ndarray], sigma: float) -> np.ndarray:
    """Return the smoothed error of the gradient of each candidate, (candidates, H, W)."""
    (ax, ay), (bx, by) = gradient(a), gradient(b)
    other = bx * bx + by * by > ax * ax + ay * ay
    gx, gy = np.where(other, bx, ax), np.where(other, by, ay)
    maps = (np.hypot(x - gx, y - gy) for x, y in map(gradient, fused))
    return np.array([cv2.GaussianBlur(error, (0, 0), sigma) for error in maps])


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Return the PSNR in dB."""
    error = np.mean((image.astype(np.float64) - truth) ** 2)
    return float(10 * np.log10(255.0**2 / max(error, 1e-9)))


def gains(lab: Lab, lead: float, sigma: float) -> list[tuple[float, float]]:
    """Return, by scene with a truth, the gain in dB and the share of pixels that changed."""
    found = []
    for label in lab.labels("whole").itertuples():
        index = lab.index(label.task, label.dataset)
        rows = index[index["scene"] == label.scene].to_dict("records")
        read = {role: [] for role in ("source", "method", "reference")}
        for row in rows:
            pixels = luminance(lab.images.read(Address.of(row)))
            read[row["role"]].append((row["position"], row["name"], pixels.astype(np.float64)))
        (_, _, a), (_, _, b) = sorted(read["source"], key=lambda item: item[0])[:2]
        names = [name for _, name, _ in read["method"]]
        fused = [image for _, _, image in read["method"]]
        best = names.index(label.method)
        maps = errors(a, b, fused, sigma)
        better = 1.0 - maps / np.maximum(maps[best], 1e-6)
        better[np.arange(len(fused)) != best] -= lead
        shown = better.argmax(axis=0)
        images = [image.astype(np.uint8) for image in fused]
        order = [best, *(k for k in range(len(images)) if k != best)]
        mixed = blend([images[k] for k in order], np.argsort(order)[shown])
        truth = read["reference"][0][2]
        gain = psnr(mixed, truth) - psnr(fused[best], truth)
        found.append((gain, float((shown != best).mean())))
    return found


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--train", type=Path, required=True)
    parser.add_argument("--policy", default="robust")
    parser.add_argument("--sets", default="planted,gray_synth,train_synth,train_voc")
    parser.add_argument("--lead", type=float, default=0.5)
    parser.add_argument("--sigma", type=float, default=16.0)
    options = parser.parse_args()
    for name in options.sets.split(","):
        with tempfile.TemporaryDirectory() as folder:
            lab = curated(name, options, load_policy(options.policy), Path(folder))
            gain, changed = np.array(gains(lab, options.lead, options.sigma)).T
        print(f"{name}: {gain.mean():+.3f} dB, worst {gain.min():+.3f}, {changed.mean():.0%}")


if __name__ == "__main__":
    main()

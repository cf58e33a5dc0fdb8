"""The same metric by other libraries: agreement and time, side by side in one run.

    pip install scikit-image sewar torchmetrics pytorch-msssim piq     # whichever you have
    python benchmarks/peers.py [--size 640x480] [--repeats 5] [--json]

Each line is one fused image against both sources, one thread. Peers that are not installed (piq
wants torchvision) are named and left out. Ours is timed for a lone triple, sources included: no
peer shares work over candidates.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import time
import warnings
from collections.abc import Callable

os.environ.setdefault("OMP_NUM_THREADS", "1")

import cv2
import numpy as np
import torch
from skimage import data
from skimage.metrics import structural_similarity

from fusionlab.metrics import measure

Gray = np.ndarray
Peer = Callable[[Gray, Gray], float]


def triple(width: int, height: int) -> tuple[Gray, Gray, Gray]:
    """Two photographs and their noisy mean, 8 bit."""
    a = cv2.resize(data.camera(), (width, height), interpolation=cv2.INTER_AREA)
    b = cv2.resize(data.coins(), (width, height), interpolation=cv2.INTER_AREA)
    noise = np.random.Generator(np.random.PCG64(0)).normal(0, 5, a.shape)
    fused = np.clip(np.rint((a.astype(float) + b) / 2 + noise), 0, 255)
    return a, b, fused.astype(np.uint8)


def as_tensor(image: Gray) -> torch.Tensor:
    """(1, 1, H, W) float64."""
    return torch.from_numpy(image.astype(np.float64))[None, None]


def skimage_gaussian(x: Gray, f: Gray) -> float:
    _, full = structural_similarity(
        x,
        f,
        gaussian_weights=True,
        sigma=1.5,
        use_sample_covariance=False,
        data_range=255,
        full=True,
    )
    return float(full[5:-5, 5:-5].mean())


def skimage_uniform(x: Gray, f: Gray) -> float:
    return float(structural_similarity(x, f, data_range=255))


def sewar_vifp(x: Gray, f: Gray) -> float:
    return float(importlib.import_module("sewar").vifp(x, f))


def torchmetrics_vif(x: Gray, f: Gray) -> float:
    functional = importlib.import_module("torchmetrics.functional.image")
    return float(functional.visual_information_fidelity(as_tensor(f), as_tensor(x)))


def torchmetrics_ssim(x: Gray, f: Gray) -> float:
    functional = importlib.import_module("torchmetrics.functional.image")
    return float(
        functional.structural_similarity_index_measure(as_tensor(f), as_tensor(x), data_range=255.0)
    )


def msssim_ssim(x: Gray, f: Gray) -> float:
    library = importlib.import_module("pytorch_msssim")
    return float(library.ssim(as_tensor(f), as_tensor(x), data_range=255))


def msssim_ms_ssim(x: Gray, f: Gray) -> float:
    library = importlib.import_module("pytorch_msssim")
    return float(library.ms_ssim(as_tensor(f), as_tensor(x), data_range=255))


def piq_vif(x: Gray, f: Gray) -> float:
    return float(importlib.import_module("piq").vif_p(as_tensor(f), as_tensor(x), data_range=255))


#: Our metric, the peer, its name, and how the two sources are put together.
PEERS: tuple[tuple[str, str, Peer, str], ...] = (
    ("SSIM", "scikit-image, Gaussian", skimage_gaussian, "mean"),
    ("SSIM", "pytorch-msssim", msssim_ssim, "mean"),
    ("SSIM", "torchmetrics (pads)", torchmetrics_ssim, "mean"),
    ("SSIM_u7_L255_sum", "scikit-image, default", skimage_uniform, "sum"),
    ("MS_SSIM", "pytorch-msssim", msssim_ms_ssim, "mean"),
    ("VIF", "sewar", sewar_vifp, "sum"),
    ("VIF", "torchmetrics", torchmetrics_vif, "sum"),
    ("VIF", "piq", piq_vif, "sum"),
)


def best(action: Callable[[], object], repeats: int) -> float:
    """Shortest time of `repeats` calls, in ms, after one to warm up."""
    action()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return 1e3 * min(times)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--size", default="640x480")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    warnings.simplefilter("ignore")  # the peers' own
    a, b, fused = triple(*map(int, options.size.split("x")))
    rows = []
    for metric, name, peer, rule in PEERS:
        try:
            theirs = (peer(a, fused) + peer(b, fused)) / (2 if rule == "mean" else 1)
        except ImportError as error:
            rows.append({"metric": metric, "peer": name, "missing": str(error)})
            continue
        ours = measure(a, b, fused, [metric])[metric]
        their_ms = best(lambda p=peer: (p(a, fused), p(b, fused)), options.repeats)
        our_ms = best(lambda m=metric: measure(a, b, fused, [m]), options.repeats)
        rows.append(
            {
                "metric": metric,
                "peer": name,
                "relative_difference": abs(ours - theirs) / abs(ours),
                "peer_ms": their_ms,
                "our_ms": our_ms,
                "ratio": their_ms / our_ms,
            }
        )
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{'metric':18} {'peer':24} {'rel. diff':>10} {'peer ms':>9} {'our ms':>8} {'ratio':>7}")
    for row in rows:
        if "missing" in row:
            print(f"{row['metric']:18} {row['peer']:24} not installed: {row['missing']}")
        else:
            print(
                f"{row['metric']:18} {row['peer']:24} {row['relative_difference']:10.1e} "
                f"{row['peer_ms']:9.1f} {row['our_ms']:8.2f} {row['ratio']:7.1f}"
            )


if __name__ == "__main__":
    main()

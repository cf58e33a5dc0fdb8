"""What `matching.py` says of registration: real pairs, and pairs moved, turned and bent at will."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab.inspection.register import displacement, misregistered

if TYPE_CHECKING:
    from matching import Dataset


def registration(found: dict[str, Dataset]) -> dict[str, dict[str, object]]:
    rows: dict[str, dict[str, object]] = {}
    for name, data in found.items():
        pairs = {n: list(s.values()) for n, s in data.sources.items()}
        same = {n: p[:2] for n, p in pairs.items() if p[0].shape == p[1].shape}
        if not same:
            continue
        rows[name] = flagged([tuple(p) for p in same.values()])
        if "misaligned" in name:
            moving = "ct" if name.startswith("mif") else "ir"
            fixed = {
                n: [data.reference[n] if m == moving else image for m, image in s.items()]
                for n, s in data.sources.items()
            }
            rows[f"{name}, registered"] = flagged([tuple(p) for p in fixed.values()])
            continue
        for share in (0.02, 0.04):
            shifted = [(a, warped(b, share)) for a, b in same.values()]
            rows[f"{name}, moved by {share:.0%}"] = flagged(shifted)
        turned = [(a, warped(b, 0.0, 4.0)) for a, b in same.values()]
        rows[f"{name}, turned by 4 degrees"] = flagged(turned)
        rows[f"{name}, bent by 2%"] = flagged([(a, bent(b, 0.02)) for a, b in same.values()])
    return rows


def warped(image: np.ndarray, share: float, degrees: float = 0.0) -> np.ndarray:
    h, w = image.shape
    turn = cv2.getRotationMatrix2D((w / 2, h / 2), degrees, 1.0)
    turn[:, 2] += share * max(h, w) * np.array([0.8, 0.6])
    return cv2.warpAffine(image, turn, (w, h), borderMode=cv2.BORDER_REFLECT)


def bent(image: np.ndarray, share: float) -> np.ndarray:
    """A smooth random deformation of that root mean square, of the longest side."""
    h, w = image.shape
    rng = np.random.default_rng(0)
    field = [cv2.resize(rng.normal(size=(4, 4)).astype(np.float32), (w, h), interpolation=2)
             for _ in range(2)]  # fmt: skip
    scale = share * max(h, w) / np.sqrt(sum(f**2 for f in field).mean())
    y, x = np.mgrid[:h, :w].astype(np.float32)
    at = x + scale * field[0], y + scale * field[1]
    return cv2.remap(image, *at, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def flagged(pairs: list[tuple[np.ndarray, ...]]) -> dict[str, object]:
    seen, ms = [], []
    for a, b in pairs:
        start = time.perf_counter()
        seen.append(displacement(a, b))
        ms.append(1e3 * (time.perf_counter() - start))
    return {
        "pairs": len(pairs),
        "flagged": sum(misregistered(d) for d in seen),
        "median px": round(float(np.median([d.magnitude for d in seen])), 1),
        "gain": span([d.gain for d in seen]),
        "confidence": span([d.confidence for d in seen]),
        "ms": round(float(np.median(ms)), 1),
    }


def span(values: list[float]) -> str:
    return f"{min(values):.2f}-{max(values):.2f}"

"""Decoys: images that must never be chosen, measured beside the candidates to check a policy.

Some are made of the sources alone and stand in every scene (`DECOYS`); others are a candidate that
was spoiled (`SPOILS`), which validation makes of what a policy chose. All have names that begin
with ``decoy:``; ingest lets no file have such a name.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Luminance = NDArray[np.uint8] | NDArray[np.float64]
    Floats = NDArray[np.float64]

DECOY_PREFIX = "decoy:"


def _like(image: Floats, *inputs: Luminance) -> Luminance:
    """Clip to 0..255, and round to 8 bits where every input has 8."""
    clipped = np.clip(image, 0.0, 255.0)
    eight = all(x.dtype == np.uint8 for x in inputs)
    return np.rint(clipped).astype(np.uint8) if eight else clipped


def _mean(a: Luminance, b: Luminance) -> Luminance:
    """Return round((a + b) / 2) for 8-bit images, (a + b) / 2 for others."""
    return _like((a.astype(np.float64) + b.astype(np.float64)) / 2.0, a, b)


def _max(a: Luminance, b: Luminance) -> Luminance:
    return _like(np.maximum(a, b).astype(np.float64), a, b)


#: Decoy -> how its luminance is made from those of the first two sources.
DECOYS: dict[str, Callable[[Luminance, Luminance], Luminance]] = {
    f"{DECOY_PREFIX}copy_a": lambda a, _b: a,
    f"{DECOY_PREFIX}copy_b": lambda _a, b: b,
    f"{DECOY_PREFIX}mean": _mean,
    f"{DECOY_PREFIX}max": _max,
}


def _noisy(f: Floats, sigma: float) -> Floats:
    return f + np.random.default_rng(0).normal(0.0, sigma, f.shape)


def _blurred(f: Floats, sigma: float) -> Floats:
    blurred: Floats = cv2.GaussianBlur(f, (0, 0), sigma)
    return blurred


def _sharpened(f: Floats, amount: float) -> Floats:
    """Return unsharp masking, ``f + amount (f - G_1.5 * f)``."""
    return f + amount * (f - _blurred(f, 1.5))


def _stretched(f: Floats, gamma: float) -> Floats:
    low, high = float(f.min()), float(f.max())
    return 255.0 * ((f - low) / max(high - low, 1e-9)) ** gamma


def _ghosted(f: Floats, pixels: int, share: float) -> Floats:
    """Return a mixture with itself, shifted right and down by `pixels`."""
    shifted = np.pad(f, ((pixels, 0), (pixels, 0)), mode="edge")[: f.shape[0], : f.shape[1]]
    return (1.0 - share) * f + share * shifted


def _equalised(f: Floats) -> Floats:
    equalised: Floats = cv2.equalizeHist(np.rint(f).astype(np.uint8)).astype(np.float64)
    return equalised


def _contrasted(f: Floats, gain: float) -> Floats:
    contrasted: Floats = f.mean() + gain * (f - f.mean())
    return contrasted


def _compressed(f: Floats, quality: int) -> Floats:
    written, data = cv2.imencode(
        ".jpg", np.rint(f).astype(np.uint8), [cv2.IMWRITE_JPEG_QUALITY, quality]
    )
    assert written
    decoded = cv2.imdecode(data, cv2.IMREAD_GRAYSCALE)
    assert decoded is not None
    pixels: Floats = decoded.astype(np.float64)
    return pixels


def _turned(f: Floats) -> Floats:
    """Return the image upside down: what it shows then is another scene."""
    return f[::-1, ::-1].copy()


@dataclass(frozen=True)
class Spoil:
    """A way to spoil a good candidate.

    Attributes
    ----------
    kind : ``defect``, which anyone would turn away, or ``mild``, which a careless measure rewards.
    title : for people.
    apply : (H, W) luminance in 0..255 to the spoiled one; the same at every call.
    """

    kind: Literal["defect", "mild"]
    title: str
    apply: Callable[[Floats], Floats]


#: Name -> how a candidate is spoiled.
SPOILS: dict[str, Spoil] = {
    "noise_10": Spoil("defect", "Gaussian noise, sigma 10", partial(_noisy, sigma=10.0)),
    "sharpened_2": Spoil("defect", "unsharp masking by 2", partial(_sharpened, amount=2.0)),
    "stretched": Spoil("defect", "range stretched, gamma 0.7", partial(_stretched, gamma=0.7)),
    "ghost_5": Spoil(
        "defect", "half of it shifted by 5 pixels", partial(_ghosted, pixels=5, share=0.5)
    ),
    "equalised": Spoil("defect", "histogram equalised", _equalised),
    "blurred": Spoil("defect", "Gaussian blur, sigma 1.5", partial(_blurred, sigma=1.5)),
    "turned": Spoil("defect", "upside down: another scene", _turned),
    "noise_2": Spoil("mild", "Gaussian noise, sigma 2", partial(_noisy, sigma=2.0)),
    "contrast_1.2": Spoil("mild", "contrast times 1.2", partial(_contrasted, gain=1.2)),
    "sharpened_0.3": Spoil("mild", "unsharp masking by 0.3", partial(_sharpened, amount=0.3)),
    "ghost_1": Spoil(
        "mild", "a fifth of it shifted by 1 pixel", partial(_ghosted, pixels=1, share=0.2)
    ),
    "jpeg_10": Spoil("mild", "JPEG of quality 10", partial(_compressed, quality=10)),
}


def spoil(image: Luminance, name: str) -> Luminance:
    """Return a candidate's luminance spoiled in the way `name` of `SPOILS`; its type stays."""
    return _like(SPOILS[name].apply(image.astype(np.float64)), image)


def spoiled_name(name: str, method: str) -> str:
    """Return the decoy's name of `method` spoiled in the way `name`, ``decoy:blurred(GFF)``."""
    return f"{DECOY_PREFIX}{name}({method})"

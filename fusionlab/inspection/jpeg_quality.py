r"""The quality that pixels were compressed with as a JPEG, told from the pixels alone.

With c the DCT coefficients of the 8x8 blocks of the luminance (no DC, no blocks with cut-off
pixels, only :math:`|c| > 1.5`, for a 0 is a multiple of every step) and :math:`s_q` the step of a
coefficient's frequency at quality q, the quality is the one that makes them likeliest:

.. math:: \hat q = \arg\max_q \sum_c \log\Bigl( (1 - \epsilon) \, s_q(c) \,
          N\bigl(c - s_q(c) \, \mathrm{round}(c / s_q(c)); 0, \sigma^2\bigr) + \epsilon \Bigr)

A coefficient was a multiple of its step, and the rounding of the decoded pixels moved it by some
:math:`\sigma^2 = 0.12` (1/12 for gray images, more where red, green and blue were rounded too);
:math:`\epsilon = 0.02` of them are anything.
Steps are those of the IJG's library, which OpenCV, Pillow and MATLAB share: table K.1 of the JPEG
standard (ITU-T T.81) times 50/q below 50, and 2 - q/50 from there on.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.fft import dctn

from fusionlab.inspection.statistics import sample_blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from fusionlab.colour import Image

_STANDARD = """
16 11 10 16 24 40 51 61 12 12 14 19 26 58 60 55 14 13 16 24 40 57 69 56 14 17 22 29 51 87 80 62
18 22 37 56 68 109 103 77 24 35 55 64 81 104 113 92 49 64 78 87 103 121 120 101
72 92 95 98 112 100 103 99"""

_SMALLEST, _VARIANCE, _ODD = 1.5, 0.12, 0.02

#: The finest quality that leaves traces.
_FINEST = 98

#: Fewer coefficients tell nothing: a flat image has none.
_LEAST = 200

#: Coefficients that are looked at.
_ENOUGH = 40_000


def steps_of(quality: int) -> NDArray[np.int64]:
    """Return the steps (8, 8) that the IJG's library quantises luminance with, for 1..100."""
    scale = 5000 // quality if quality < 50 else 200 - 2 * quality
    table = np.array(_STANDARD.split(), dtype=np.int64).reshape(8, 8)
    return np.clip((table * scale + 50) // 100, 1, 255)


def estimate_quality(gray: Image) -> int | None:
    """Return the likeliest quality, 1..98; None where it cannot be told.

    That is where too little is there to tell it from, and where the likeliest is 99 or 100, whose
    steps are 1: they are also the likeliest of what never was a JPEG.

    Parameters
    ----------
    gray : (H, W), luminance of an image that begins at a corner of a block.
    """
    blocks = sample_blocks(gray)
    whole = blocks[((blocks > 0) & (blocks < 255)).all(axis=1)]
    coefficients = dctn(whole.reshape(-1, 8, 8), axes=(1, 2), norm="ortho")
    coefficients[:, 0, 0] = 0.0
    found = np.nonzero(np.abs(coefficients) > _SMALLEST)
    thin = slice(None, None, max(1, len(found[0]) // _ENOUGH))
    if len(found[0]) < _LEAST:
        return None
    values = coefficients[found][thin]
    frequency = (8 * found[1] + found[2])[thin]
    fits = [_fit(values, steps[frequency]) for steps in _tables()]
    quality = 1 + int(np.argmax(fits))
    return quality if quality <= _FINEST else None


def _fit(values: NDArray[np.float32], steps: NDArray[np.float32]) -> float:
    """Return the sum above for one quality."""
    off = values - steps * np.rint(values / steps)
    near = np.exp(-(off**2) / (2 * _VARIANCE)) / np.sqrt(2 * np.pi * _VARIANCE)
    return float(np.log((1 - _ODD) * steps * near + _ODD).sum())


@lru_cache(maxsize=1)
def _tables() -> NDArray[np.float32]:
    """Return the steps of all qualities, (100, 64)."""
    tables = [steps_of(quality).ravel() for quality in range(1, 101)]
    return np.stack(tables).astype(np.float32)

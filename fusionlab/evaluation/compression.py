"""Fairness to files: where candidates are JPEG files, what is ranked among them becomes one too.

Compression costs a place or more on most metrics, and rewards on some. An image that was never
compressed is listed beside the others there, and marked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab.audit.cells import records
from fusionlab.audit.pictures import to_8_bits
from fusionlab.errors import ImageError
from fusionlab.flags import split_flags
from fusionlab.images import decode, luminance
from fusionlab.inspection.jpeg_quality import estimate_quality
from fusionlab.made import is_made
from fusionlab.selection.scored import eligible
from fusionlab.store import Address

if TYPE_CHECKING:
    import pandas as pd

    from fusionlab.images import Pixels
    from fusionlab.lab import Lab

LOSSLESS = "lossless"

#: Share of the candidates' files that must be compressed.
_MOST = 0.5

#: Candidates that are asked for their quality.
_ASKED = 60

#: Taken where compressed files leave no trace to tell the quality from: as fine as those are.
_FINEST = 98


def form_of(quality: int) -> str:
    """Return what a JPEG of some quality is called in tables."""
    return f"jpeg:{quality}"


def quality_of(lab: Lab, index: pd.DataFrame) -> int | None:
    """Return the quality that the candidates of one data set are JPEGs of; None where most are not.

    The median of what `estimate_quality` tells of up to 60 whole candidates that are JPEGs, or
    were before (flags ``jpeg`` and ``jpeg_trace``). Made candidates have no files and do not count.
    """
    rows = [row for row in records(eligible(index)) if not is_made(row)]
    marked = [row for row in rows if {"jpeg", "jpeg_trace"} & set(split_flags(row["flags"]))]
    if not rows or len(marked) <= _MOST * len(rows):
        return None
    whole = [row for row in marked if not row["region"] and not row["alignment"]]
    asked = whole[:: max(1, len(whole) // _ASKED)]
    pixels = (luminance(to_8_bits(lab.images.read(Address.of(row)))) for row in asked)
    grays = (gray.astype(np.uint8, copy=False) for gray in pixels)
    told = [quality for gray in grays if (quality := estimate_quality(gray)) is not None]
    return round(float(np.median(told))) if told else _FINEST


def as_jpeg(pixels: Pixels, quality: int) -> Pixels:
    """Return an image as it comes back from a JPEG file: 8 bits, RGB with chroma halved (4:2:0).

    That is how OpenCV, Pillow and MATLAB write by default; a gray image has one channel.
    """
    image = to_8_bits(pixels)
    bgr = image if image.ndim == 2 else np.ascontiguousarray(image[..., ::-1])
    settings = [cv2.IMWRITE_JPEG_QUALITY, quality]
    done, data = cv2.imencode(".jpg", bgr, settings)
    if not done:
        raise ImageError("unencodable", f"OpenCV cannot write {image.shape} as JPEG")
    return decode(data.tobytes()).pixels

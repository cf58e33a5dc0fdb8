"""Fingerprints: what was done to a candidate, judged against the sources of its scene.

Everything is decided on `fusionlab.inspection.statistics`, so that each image is measured once. The
thresholds stand here, with the rule that each belongs to; ``benchmarks/fingerprints.py`` measures
how often they are right.
"""

from __future__ import annotations

import math
from itertools import combinations
from typing import TYPE_CHECKING

import numpy as np

from fusionlab.flags import FLAGS
from fusionlab.inspection.statistics import is_jpeg

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from fusionlab.inspection.statistics import Statistics

_GAPS = 0.03  # of the levels in use are empty, in a regular picture none is
_FULL, _FULL_JPEG = 255, 251  # levels from the darkest to the brightest
_WIDE = 240  # a source that spans more was not stretched away from
_CLIPPED = 0.01  # of the pixels, more than in any source
_NEAR_GRAY = 8  # levels between channels, 99th percentile
_COLOURED = 12
_SHIFT = 3.0  # levels of chroma
_SATURATION = 2.0  # times as much colour as in the source is no cast
_TURN = 12.0  # degrees of hue
_CHROMA = 4.0  # levels; hue is not judged below
_TRACE, _TRACE_OF_JPEG = 0.3, 0.6
_PICKED = 0.5  # of the pixels are a source's
_SOFT = 0.6
_COPY, _COPY_APART = 38.0, 34.5  # dB
_SOURCES_APART = 20.0  # dB between two sources that nothing but a copy comes near to


def fingerprint(
    image: Statistics,
    sources: Sequence[Statistics],
    *,
    file_format: str,
    notes: Iterable[str],
) -> tuple[str, ...]:
    """Return the flags of one candidate, in the order of `fusionlab.flags.FLAGS`.

    Parameters
    ----------
    image : the candidate.
    sources : the sources of its scene, of its size (cut to its region where it has one); none
        gives what can be told without.
    file_format : as Pillow names it.
    notes : those of its decoding.
    """
    jpeg = is_jpeg(file_format)
    equal = "equal_channels" in notes
    found = {
        "stretched": is_stretched(image, sources, jpeg),
        "clipped": is_clipped(image, sources),
        "gray_as_rgb": equal,
        "near_gray": image.sample.shape[1] == 3 and image.spread <= _NEAR_GRAY,
        "colour_lost": image.spread <= _NEAR_GRAY and any(s.spread > _COLOURED for s in sources),
        "colour_cast": has_cast(image, sources),
        "jpeg": jpeg,
        "jpeg_trace": not jpeg and was_jpeg(image, sources),
        "soft": is_soft(image, sources),
        "source_copy": copied_source(image, sources) is not None,
    }
    return tuple(code for code in FLAGS if found.get(code, False))


def is_stretched(image: Statistics, sources: Sequence[Statistics], jpeg: bool) -> bool:
    """Tell whether levels were spread: a comb with gaps, or a full range that no source has.

    Gaps: at least 3 % of the levels between the 2nd and 98th percentile are empty, and no source
    has such gaps. Range: all 256 levels are spanned (251 in a JPEG), no source spans more than
    240, and less than 1 % of the pixels lie at the ends (else it was clipped, not fitted).
    """
    if image.gaps >= _GAPS:
        return all(source.gaps < _GAPS / 2 for source in sources)
    fitted = image.bright + image.dark < _CLIPPED
    full = _span(image) >= (_FULL_JPEG if jpeg else _FULL)
    return bool(sources) and fitted and full and all(_span(source) <= _WIDE for source in sources)


def _span(image: Statistics) -> int:
    used = np.flatnonzero(image.levels)
    return int(used[-1] - used[0])


def is_clipped(image: Statistics, sources: Sequence[Statistics]) -> bool:
    """Tell whether 1 % more of the pixels are pure white, or pure black, than in any source."""
    if not sources:
        return False
    bright = image.bright - max(source.bright for source in sources)
    dark = image.dark - max(source.dark for source in sources)
    return max(bright, dark) >= _CLIPPED


def has_cast(image: Statistics, sources: Sequence[Statistics]) -> bool:
    """Tell whether colours are off against every coloured source, and against their mean.

    With c and s the complex chroma of the thumbnails: more or less saturation, c = k s with k from
    0 to 2, is no cast. A cast is a mean chroma 3 levels away from all such k s, or hues turned by
    12 degrees. Without a coloured source, a mean chroma of 3 levels is one.
    """
    chroma = image.chroma_cells
    wanted = [source.chroma_cells for source in sources if source.spread > _COLOURED]
    if image.spread <= _NEAR_GRAY or not sources:
        return False
    if not wanted:
        return abs(complex(chroma.mean())) > _SHIFT
    if len(wanted) > 1:
        wanted.append(np.mean(wanted, axis=0))
    return all(_shift(chroma, s) > _SHIFT or _turn(chroma, s) > _TURN for s in wanted)


def _shift(chroma: NDArray[np.complex128], source: NDArray[np.complex128]) -> float:
    c, s = complex(chroma.mean()), complex(source.mean())
    k = min(max(0.0, (c * s.conjugate()).real / max(abs(s) ** 2, 1e-9)), _SATURATION)
    return abs(c - k * s)


def _turn(chroma: NDArray[np.complex128], source: NDArray[np.complex128]) -> float:
    strengths = [math.sqrt(float((abs(x) ** 2).mean())) for x in (chroma, source)]
    if min(strengths) < _CHROMA:
        return 0.0
    return abs(math.degrees(np.angle(np.vdot(source, chroma))))


def was_jpeg(image: Statistics, sources: Sequence[Statistics]) -> bool:
    """Tell whether the pixels of a lossless file were a JPEG.

    The trace is at least 0.3. Where a source shows one, mixing and copying it hands the trace on:
    then 0.6 are needed, and an image that is mostly made of the sources' own pixels is not judged.
    """
    if all(source.jpeg < _TRACE for source in sources):
        return image.jpeg >= _TRACE
    return image.jpeg >= _TRACE_OF_JPEG and _picked(image, sources) < _PICKED


def _picked(image: Statistics, sources: Sequence[Statistics]) -> float:
    nearest = np.min([np.abs(image.luma - source.luma) for source in sources], axis=0)
    return float((nearest <= 1).mean())


def is_soft(image: Statistics, sources: Sequence[Statistics]) -> bool:
    """Tell whether the finest detail, relative to the next, is below 0.6 of any source's."""
    ratio = _fineness(image)
    return bool(sources) and ratio < _SOFT * min(_fineness(source) for source in sources)


def _fineness(image: Statistics) -> float:
    return image.detail[0] / image.detail[1]


def copied_source(image: Statistics, sources: Sequence[Statistics]) -> int | None:
    """Return which source the image equals up to the noise of compression, or None.

    That is to 38 dB; to 34.5 dB where no two sources come within 20 dB of each other. Where two
    sources are both so near, they equal each other, and there is nothing to decide.
    """
    apart = all(psnr(a, b) < _SOURCES_APART for a, b in combinations(sources, 2))
    wanted = _COPY_APART if apart else _COPY
    near = [i for i, source in enumerate(sources) if psnr(image, source) >= wanted]
    return near[0] if len(near) == 1 else None


def psnr(image: Statistics, other: Statistics) -> float:
    """Return the PSNR of the luminance samples in dB; infinite where they are equal."""
    difference = image.luma - other.luma
    error = float(difference @ difference) / len(difference)
    return 10 * math.log10(255.0**2 / error) if error > 0 else math.inf

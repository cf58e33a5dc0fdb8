"""The table of fusion methods, and how one is applied to a scene.

A new method is one new file and one line of `BASELINES`. Methods of installed plug-ins
(`fusionlab.baselines.plugins`) are looked for on the first look-up of a name that is not there.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, overload

import numpy as np

from fusionlab import colour
from fusionlab.baselines import plugins
from fusionlab.baselines.base import EVERY_TASK, Baseline
from fusionlab.baselines.contrast import contrast
from fusionlab.baselines.decision_map import decision_map
from fusionlab.baselines.diffusion import diffusion
from fusionlab.baselines.dual_tree import dual_tree
from fusionlab.baselines.focus_map import focus_map
from fusionlab.baselines.gff import gff
from fusionlab.baselines.laplacian import laplacian
from fusionlab.baselines.maximum import maximum
from fusionlab.baselines.mean import mean
from fusionlab.baselines.mertens import mertens
from fusionlab.baselines.pca import pca
from fusionlab.baselines.swt import swt
from fusionlab.baselines.two_scale import two_scale
from fusionlab.baselines.wavelet import wavelet
from fusionlab.baselines.wls import wls
from fusionlab.errors import ImageError, MethodError, UnknownNameError, UsageError
from fusionlab.tasks import Task, get_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusionlab.colour import Image, Plane
    from fusionlab.images import Pixels

BASELINES: dict[str, Baseline] = {
    b.name: b
    for b in (
        Baseline("mean", "pixelwise mean", EVERY_TASK, "the zero hypothesis of fusion", mean),
        Baseline("max", "pixelwise maximum", EVERY_TASK, "folklore", maximum),
        Baseline(
            "pca",
            "one weight a source, from the first principal component",
            EVERY_TASK,
            "Rockinger and Fechner, Proc. SPIE 3374, 1998",
            pca,
        ),
        Baseline(
            "laplacian",
            "Laplacian pyramid, largest detail, mean base",
            EVERY_TASK,
            "Burt and Adelson, IEEE Trans. Communications 31(4), 1983",
            laplacian,
        ),
        Baseline(
            "contrast",
            "contrast (ratio of low-pass) pyramid, largest contrast, mean base",
            EVERY_TASK,
            "Toet, van Ruyven and Valeton, Optical Engineering 28(7), 1989",
            contrast,
        ),
        Baseline(
            "wavelet",
            "discrete wavelet transform, largest detail, mean base",
            EVERY_TASK,
            "Li, Manjunath and Mitra, GMIP 57(3), 1995",
            wavelet,
        ),
        Baseline(
            "swt",
            "stationary wavelet transform, largest detail, mean approximation",
            EVERY_TASK,
            "Rockinger, IEEE ICIP, 1997",
            swt,
        ),
        Baseline(
            "dual_tree",
            "dual-tree complex wavelets, largest magnitude, mean approximation",
            EVERY_TASK,
            "Lewis et al., Information Fusion 8(2), 2007",
            dual_tree,
        ),
        Baseline(
            "two_scale",
            "mean base, details weighted by saliency",
            EVERY_TASK,
            "Bavirisetti and Dhuli, Infrared Physics & Technology 76, 2016",
            two_scale,
        ),
        Baseline(
            "gff",
            "two scales weighted by guided-filtered saliency",
            EVERY_TASK,
            "Li, Kang and Hu, IEEE Trans. Image Processing 22(7), 2013",
            gff,
        ),
        Baseline(
            "diffusion",
            "anisotropic diffusion, details weighted by principal component",
            EVERY_TASK,
            "Bavirisetti and Dhuli, IEEE Sensors Journal 16(1), 2016",
            diffusion,
        ),
        Baseline(
            "wls",
            "rolling guidance, saliency, least squares that keep infrared noise out",
            ("ivf",),
            "Ma, Zhou, Wang and Zong, Infrared Physics & Technology 82, 2017",
            wls,
            symmetric=False,
        ),
        Baseline(
            "mertens",
            "exposure fusion by contrast, saturation and exposedness",
            ("mef",),
            "Mertens, Kautz and Van Reeth, Computer Graphics Forum 28(1), 2009",
            mertens,
            native_colour=True,
        ),
        Baseline(
            "focus_map",
            "decision map of the energy of Laplacian, guided-filtered",
            ("mff",),
            "Huang and Jing, Pattern Recognition Letters 28(4), 2007",
            focus_map,
        ),
        Baseline(
            "decision_map",
            "decision map of the modified Laplacian, small regions removed, guided-filtered",
            ("mff",),
            "Qiu, Li, Zhang and Yuan, Signal Processing: Image Communication 72, 2019",
            decision_map,
        ),
    )
}


@functools.cache
def table() -> dict[str, Baseline]:
    """Return every method by its name: ours, then those of installed plug-ins."""
    return {**BASELINES, **plugins.load(BASELINES)}


def names(task: str | None = None) -> list[str]:
    """Return the names of our own methods, or of those that serve `task`, in the table's order."""
    if task is None:
        return list(BASELINES)
    key = get_task(task, "baselines").key
    return [b.name for b in BASELINES.values() if key in b.tasks]


def get(name: str) -> Baseline:
    """Return the method of that name, ours or a plug-in's; UnknownNameError when there is none."""
    if name in BASELINES:
        return BASELINES[name]
    try:
        return table()[name]
    except KeyError:
        raise UnknownNameError("baseline", name, table()) from None


@overload
def apply(name: str | Baseline, task: str, sources: Sequence[Image]) -> Image: ...
@overload
def apply(name: str | Baseline, task: str, sources: Sequence[Pixels]) -> Pixels: ...
def apply(name: str | Baseline, task: str, sources: Sequence[Pixels]) -> Pixels:
    """Fuse one scene.

    Parameters
    ----------
    name : a method, ours or a plug-in's, or the declaration of one that need not be in the table.
    task : key of a task that it serves; decides where the chroma comes from.
    sources : two or more images of one size, gray (H, W) or RGB (H, W, 3), uint8 or uint16, in the
        task's order.

    Returns
    -------
    RGB (H, W, 3), or gray (H, W) where the task's colour rule finds no hue; as deep as the deepest
    source, of which 16 bits are seen as 0..255 in steps of 255/65535.

    Raises
    ------
    UnknownNameError, UsageError, ImageError
        For a wrong name, a task that the method does not serve, and sources it cannot take.
    MethodError
        When the method returns what is no image of the sources' size.
    """
    baseline = name if isinstance(name, Baseline) else get(name)
    kind = get_task(task, "baselines")
    if kind.key not in baseline.tasks:
        raise UsageError(
            f"baseline {baseline.name!r}: got task {task!r}, "
            f"expected one of {', '.join(baseline.tasks)}. "
            f"For {task!r} take one of {', '.join(names(task))}."
        )
    _check_sources(baseline.name, sources)
    fused = _fused(baseline, kind, [colour.to_levels(source) for source in sources])
    deep = any(source.dtype == np.uint16 for source in sources)
    return colour.to_uint16(fused) if deep else colour.to_uint8(fused)


def _fused(baseline: Baseline, task: Task, sources: Sequence[NDArray[Any]]) -> Plane:
    """Return the fused image as float64, gray or RGB, of sources on the 0..255 scale."""
    if baseline.native_colour and any(map(colour.is_colour, sources)):
        return _checked(baseline, baseline.fuse([_rgb(s) for s in sources]), sources[0], (3,))
    fused = _checked(baseline, baseline.fuse([colour.luminance(s) for s in sources]), sources[0])
    cbcr = None if baseline.native_colour else colour.merge_chroma(task, sources)
    return fused if cbcr is None else colour.to_rgb(fused, cbcr)


def _checked(
    baseline: Baseline, fused: Any, source: NDArray[Any], channels: tuple[int, ...] = ()
) -> Plane:
    """Refuse what a method must not return: other people's do not always know."""
    wanted = (*source.shape[:2], *channels)
    values = np.asarray(fused)
    if values.shape != wanted or values.dtype.kind not in "fiu":
        got = f"{values.dtype} {values.shape}"
    elif not np.isfinite(values).all():
        got = "values that are not finite"
    else:
        return values.astype(np.float64, copy=False)
    raise MethodError(
        "method_failed",
        f"baseline {baseline.name!r}: returned {got}, expected finite numbers of shape {wanted}. "
        "Mend its function.",
    )


def _check_sources(name: str, sources: Sequence[Pixels]) -> None:
    where = f"baseline {name!r}"
    if len(sources) < 2:
        raise ImageError(
            "sources", f"{where}: got {len(sources)} source(s), expected two or more. Add one."
        )
    for position, source in enumerate(sources, start=1):
        colour.check_image(source, f"{where}, source {position}")
        if source.shape[:2] != sources[0].shape[:2]:
            raise ImageError(
                "size",
                f"{where}, source {position}: got size {source.shape[:2]}, expected "
                f"{sources[0].shape[:2]} as source 1. Register or crop the sources first.",
            )


def _rgb(image: NDArray[Any]) -> Plane:
    stacked = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
    return stacked.astype(np.float64)

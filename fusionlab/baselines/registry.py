"""The table of built-in fusion methods, and how one is applied to a scene.

A new method is one new file and one line of `BASELINES`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from fusionlab import colour
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
from fusionlab.colour import Image, Plane
from fusionlab.errors import ImageError, UnknownNameError, UsageError
from fusionlab.tasks import TASKS, get_task

Fuse = Callable[[Sequence[Plane]], Plane]
EVERY_TASK = tuple(TASKS)


@dataclass(frozen=True, slots=True)
class Baseline:
    """One classical fusion method.

    Attributes
    ----------
    name : the name on the command line and in tables.
    title : what it does, in a few words.
    tasks : keys of the tasks it serves.
    paper : where it comes from.
    fuse : luminances, float64 (H, W) in 0..255, two or more -> float64 (H, W), not yet clipped.
    native_colour : `fuse` treats colour by itself: where a source has a hue it is given all
        sources as RGB, float64 (H, W, 3), and returns that shape.
    symmetric : the order of the sources changes nothing but where colour comes from.
    """

    name: str
    title: str
    tasks: tuple[str, ...]
    paper: str
    fuse: Fuse
    native_colour: bool = False
    symmetric: bool = True


BASELINES: dict[str, Baseline] = {
    b.name: b
    for b in (
        Baseline("mean", "pixelwise mean", EVERY_TASK, "the zero hypothesis of fusion", mean),
        Baseline("max", "pixelwise maximum", EVERY_TASK, "folklore", maximum),
        Baseline(
            "laplacian",
            "Laplacian pyramid, largest detail, mean base",
            EVERY_TASK,
            "Burt and Adelson, IEEE Trans. Communications 31(4), 1983",
            laplacian,
        ),
        Baseline(
            "wavelet",
            "discrete wavelet transform, largest detail, mean base",
            EVERY_TASK,
            "Li, Manjunath and Mitra, GMIP 57(3), 1995",
            wavelet,
        ),
        Baseline(
            "gff",
            "two scales weighted by guided-filtered saliency",
            EVERY_TASK,
            "Li, Kang and Hu, IEEE Trans. Image Processing 22(7), 2013",
            gff,
        ),
        Baseline(
            "focus_map",
            "decision map of the energy of Laplacian, guided-filtered",
            ("mff",),
            "Huang and Jing, Pattern Recognition Letters 28(4), 2007",
            focus_map,
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
            "pca",
            "one weight a source, from the first principal component",
            EVERY_TASK,
            "Rockinger and Fechner, Proc. SPIE 3374, 1998",
            pca,
        ),
        Baseline(
            "contrast",
            "contrast (ratio of low-pass) pyramid, largest contrast, mean base",
            EVERY_TASK,
            "Toet, van Ruyven and Valeton, Optical Engineering 28(7), 1989",
            contrast,
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
            "decision_map",
            "decision map of the modified Laplacian, small regions removed, guided-filtered",
            ("mff",),
            "Qiu, Li, Zhang and Yuan, Signal Processing: Image Communication 72, 2019",
            decision_map,
        ),
    )
}


def names(task: str | None = None) -> list[str]:
    """Return the names of all baselines, or of those that serve `task`, in the table's order."""
    if task is None:
        return list(BASELINES)
    key = get_task(task, "baselines").key
    return [b.name for b in BASELINES.values() if key in b.tasks]


def get(name: str) -> Baseline:
    """Return the baseline of that name; UnknownNameError when there is none."""
    try:
        return BASELINES[name]
    except KeyError:
        raise UnknownNameError("baseline", name, BASELINES) from None


def apply(name: str, task: str, sources: Sequence[Image]) -> Image:
    """Fuse one scene.

    Parameters
    ----------
    name : a baseline.
    task : key of a task that it serves; decides where the chroma comes from.
    sources : two or more uint8 images of one size, gray (H, W) or RGB (H, W, 3), in the task's
        order.

    Returns
    -------
    uint8 RGB (H, W, 3), or gray (H, W) where the task's colour rule finds no hue.

    Raises
    ------
    UnknownNameError, UsageError, ImageError
        For a wrong name, a task that the method does not serve, and sources it cannot take.
    """
    baseline, kind = get(name), get_task(task, "baselines")
    if kind.key not in baseline.tasks:
        raise UsageError(
            f"baseline {name!r}: got task {task!r}, expected one of {', '.join(baseline.tasks)}. "
            f"For {task!r} take one of {', '.join(names(task))}."
        )
    _check_sources(name, sources)
    if baseline.native_colour and any(map(colour.is_colour, sources)):
        return colour.to_uint8(baseline.fuse([_rgb(s) for s in sources]))
    fused = baseline.fuse([colour.luminance(s) for s in sources])
    if baseline.native_colour:
        return colour.to_uint8(fused)
    return colour.compose(fused, colour.merge_chroma(kind, sources))


def _check_sources(name: str, sources: Sequence[Image]) -> None:
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


def _rgb(image: Image) -> Plane:
    stacked = image if image.ndim == 3 else np.repeat(image[:, :, None], 3, axis=2)
    return stacked.astype(np.float64)

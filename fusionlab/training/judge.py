r"""How near a model comes to labels that it did not see, and what metrics say of its images.

.. math:: \text{PSNR} = 10 \log_{10} \frac{255^2}{\text{mean} (F - L)^2}

of the fused luminance F and the label L, both rounded to whole levels. PSNR is mostly a matter of
brightness, which labels of one task do not agree on; ``PSNR_local`` is that of F and L without
their local means (Gaussian, sigma 8 pixels). SSIM is ``SSIM_ref`` with the label for reference;
Qabf and VIF are those of `fusionlab.metrics`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import pandas as pd
import torch

from fusionlab import metrics
from fusionlab.flow.batch import TASK_IDS
from fusionlab.training.curated import as_seen

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from numpy.typing import NDArray

    from fusionlab.flow.model import FusionModel
    from fusionlab.training.curated import Example

    Floats = NDArray[np.float64]

MEASURES = ("PSNR", "PSNR_local", "SSIM", "Qabf", "VIF")
_METRICS = {"SSIM": "SSIM_ref", "Qabf": "Qabf", "VIF": "VIF"}
_SIGMA = 8.0
_HIGHEST = 100.0  # dB of two equal images


def levels_of(plane: NDArray[np.uint16]) -> Floats:
    """Return a stored luminance in whole levels 0..255."""
    return np.asarray(np.rint(plane.astype(np.float64) / 257))


def middle(example: Example, side: int | None) -> NDArray[np.uint16]:
    """Return the middle of the planes of an example, (3, h, w), of `side` pixels at most."""
    planes = example.planes
    if side is None:
        return planes
    tops = [max(0, (n - side) // 2) for n in planes.shape[1:]]
    found: NDArray[np.uint16] = planes[:, tops[0] : tops[0] + side, tops[1] : tops[1] + side]
    return found


@torch.inference_mode()
def fused_levels(
    model: FusionModel, planes: NDArray[np.uint16], task: str, steps: int | None = None
) -> Floats:
    """Return the fused luminance of label and sources (3, h, w), rounded, 0..255."""
    device = next(model.parameters()).device
    x = torch.from_numpy(as_seen(planes)).to(device)
    found = model.fuse(
        x[1][None, None],
        x[2][None, None],
        torch.tensor([TASK_IDS[task]], device=device),
        steps=steps,
        generators=[torch.Generator().manual_seed(0)],
    )
    return np.asarray(np.rint((found[0, 0].float().cpu().numpy().astype(np.float64) + 1) * 127.5))


def psnr(fused: Floats, label: Floats) -> float:
    """Return PSNR of two luminances in dB; 100 where they are equal."""
    error = float(np.mean((fused - label) ** 2))
    return min(_HIGHEST, float(10 * np.log10(255**2 / error))) if error else _HIGHEST


def psnr_local(fused: Floats, label: Floats) -> float:
    """Return PSNR of two luminances without their local means."""
    return psnr(*(plane - cv2.GaussianBlur(plane, (0, 0), _SIGMA) for plane in (fused, label)))


def judge(
    model: FusionModel,
    examples: Iterable[Example],
    *,
    steps: int | None = None,
    side: int | None = None,
    measures: Sequence[str] = MEASURES,
) -> pd.DataFrame:
    """Return what a model makes of some examples: one row each.

    Parameters
    ----------
    steps : of the sampler; the model's own by default.
    side : judge the middle of a scene only; all of it by default.
    measures : some of `MEASURES`.

    Returns
    -------
    Columns ``place``, ``task`` and the measures; nan where the image is too small for a metric.
    """
    was, rows = model.training, []
    model.eval()
    for example in examples:
        planes = middle(example, side)
        fused = fused_levels(model, planes, example.task, steps)
        label, a, b = (levels_of(plane) for plane in planes)
        found = {"PSNR": psnr(fused, label), "PSNR_local": psnr_local(fused, label)}
        asked = [_METRICS[name] for name in measures if name in _METRICS]
        if asked:
            measured = metrics.prepare([a, b], asked, reference=label).measure(fused)
            found |= {name: measured[m] for name, m in _METRICS.items() if m in measured}
        rows.append({"place": example.place, "task": example.task, **found})
    model.train(was)
    return pd.DataFrame(rows, columns=["place", "task", *measures])


def means(judged: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return the means over scenes of what `judge` returned: task -> measure -> value."""
    found = judged.drop(columns="place").groupby("task").mean()
    return {
        str(task): {str(name): round(float(v), 4) for name, v in row.items()}
        for task, row in found.iterrows()
    }

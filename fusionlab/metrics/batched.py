"""The hot metrics on a batch of candidates at once, in torch: the path for a GPU.

Same definitions, same declarations and the same scene-sharing as the kernels of the CPU path, to
which the values are equal within 1e-6 (float64: about 1e-12). With ``dtype=torch.float32`` only
SSIM and Qabf are computed in single precision: VIF and SSIM_cddfuse cancel too much for it, and
EN and SD cost nothing.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fusionlab.devices import check_device
from fusionlab.errors import UnknownNameError
from fusionlab.metrics import inputs, registry
from fusionlab.metrics._fidelity import EPS, TAPS
from fusionlab.metrics._similarity import CENTRE, GAUSSIAN, K1, K2
from fusionlab.metrics.qabf import GAMMA, ORIENTATION, STRENGTH
from fusionlab.metrics.structure import RANGES, SAMPLE, UNIFORM
from fusionlab.metrics.vif import NOISE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray
    from torch import Tensor

#: What this path can measure; everything else goes through `fusionlab.metrics.prepare`.
BATCHED = ("EN", "SD", "SSIM", "SSIM_sum", "SSIM_cddfuse", "SSIM_u7_L255_sum", "Qabf", "VIF")


class BatchedScene:
    """A scene on a device, against which batches of candidates are measured.

    Parameters
    ----------
    sources : the registered inputs a and b, each (H, W) or (H, W, 3), as for `prepare`.
    metrics : some of `BATCHED`.
    device : a torch device, e.g. ``"cuda"`` or ``"cpu"``.
    dtype : ``torch.float64``, or ``torch.float32`` for single-precision SSIM and Qabf.
    data_range : value of full white in float and uint16 arrays.

    Raises
    ------
    UnknownNameError
        For a metric that is not in `BATCHED`.
    UsageError
        For a device that is not there.
    MetricInputError
        For images that metrics must not be computed on.
    """

    def __init__(
        self,
        sources: Sequence[ArrayLike],
        metrics: Sequence[str],
        device: str = "cuda",
        dtype: torch.dtype = torch.float64,
        data_range: float | None = None,
    ) -> None:
        self.metrics = registry.resolve(metrics)
        for metric in self.metrics:
            if metric.name not in BATCHED:
                raise UnknownNameError("batched metric", metric.name, BATCHED)
        self.device, self.dtype, self.data_range = check_device(device), dtype, data_range
        a, b = (inputs.gray(x, f"source {'ab'[i]}", data_range) for i, x in enumerate(sources[:2]))
        inputs.same_size({"source a": a, "source b": b})
        self._shape = a
        self._sources = self._upload([a, b])
        self._wanted = {m.name for m in self.metrics if min(a.shape) >= m.min_side}
        single = self._sources.to(dtype)
        self._gaussian = _moments(single, GAUSSIAN) if self._asks("SSIM", "SSIM_sum") else None
        self._uniform = _moments(self._sources, UNIFORM) if self._asks(*RANGES) else None
        self._edges = _edges(single) if self._asks("Qabf") else None
        self._pyramid = _pyramid(self._sources) if self._asks("VIF") else []

    def measure(self, candidates: Sequence[ArrayLike]) -> list[dict[str, float]]:
        """Return the value of every metric for every candidate; nan where the image is too small.

        Parameters
        ----------
        candidates : N fused images of the size of the sources; memory on the device is about
            20 x 8 x N H W bytes.
        """
        images = [inputs.gray(x, "fused", self.data_range) for x in candidates]
        for image in images:
            inputs.same_size({"the scene": self._shape, "fused": image})
        fused = self._upload(images)
        columns = {name: values.tolist() for name, values in self._columns(fused).items()}
        nan = [math.nan] * len(images)
        return [
            {metric.name: columns.get(metric.name, nan)[i] for metric in self.metrics}
            for i in range(len(images))
        ]

    def _columns(self, fused: Tensor) -> dict[str, Tensor]:
        """Return metric -> (N,) values."""
        values: dict[str, Tensor] = {}
        if self._asks("EN"):
            values["EN"] = _entropy(fused)
        if self._asks("SD"):
            values["SD"] = fused.flatten(1).std(dim=1, correction=0)
        if self._gaussian is not None:
            total = _similarity(fused.to(self.dtype), self._gaussian, GAUSSIAN, 255.0, 1.0)
            values |= {"SSIM": total / 2, "SSIM_sum": total}
        for name, white in RANGES.items():
            if self._uniform is not None and name in self._wanted:
                values[name] = _similarity(fused, self._uniform, UNIFORM, white, SAMPLE)
        if self._edges is not None:
            values["Qabf"] = _transferred(_edges(fused.to(self.dtype)), self._edges)
        if self._pyramid:
            values["VIF"] = _fidelity(_centred(fused), self._pyramid)
        return values

    def _asks(self, *names: str) -> bool:
        return not self._wanted.isdisjoint(names)

    def _upload(self, images: list[NDArray[np.uint8] | NDArray[np.float64]]) -> Tensor:
        """Return images as (N, H, W) float64 on the device; 8-bit ones travel as 8 bits."""
        if all(image.dtype == np.uint8 for image in images):
            return torch.from_numpy(np.stack(images)).to(self.device).to(torch.float64)
        return torch.from_numpy(np.stack([x.astype(np.float64) for x in images])).to(self.device)


@dataclass(frozen=True)
class _Moments:
    """Images less CENTRE, (2, H, W), with local means and (biased) variances, (2, h, w)."""

    images: Tensor
    mean: Tensor
    variance: Tensor


def _filter(x: Tensor, taps: NDArray[np.float64]) -> Tensor:
    """Correlate (..., H, W) with taps along both axes, `valid`.

    Shifted sums, not a convolution: those may run in reduced precision on a GPU.
    """
    n = taps.size
    height, width = x.shape[-2] - n + 1, x.shape[-1] - n + 1
    rows = x[..., :width] * float(taps[0])
    for i in range(1, n):
        rows.add_(x[..., i : i + width], alpha=float(taps[i]))
    out = rows[..., :height, :] * float(taps[0])
    for i in range(1, n):
        out.add_(rows[..., i : i + height, :], alpha=float(taps[i]))
    return out


def _entropy(fused: Tensor) -> Tensor:
    count = fused.shape[0]
    levels = fused.round().to(torch.int64).flatten(1)
    offset = 256 * torch.arange(count, device=fused.device)[:, None]
    counts = torch.bincount((levels + offset).flatten(), minlength=256 * count)
    p = counts.reshape(count, 256).to(torch.float64) / levels.shape[1]
    entropy: Tensor = torch.special.entr(p).sum(dim=1) / math.log(2.0)
    return entropy


def _moments(images: Tensor, taps: NDArray[np.float64]) -> _Moments:
    x = images - CENTRE
    mean = _filter(x, taps)
    return _Moments(x, mean, _filter(x * x, taps) - mean * mean)


def _similarity(
    fused: Tensor, sources: _Moments, taps: NDArray[np.float64], white: float, factor: float
) -> Tensor:
    """Return ssim(F, A) + ssim(F, B) for each fused image; `factor` makes moments sample ones."""
    c1, c2 = (K1 * white) ** 2, (K2 * white) ** 2
    f = _moments(fused, taps)
    total = torch.zeros(fused.shape[0], dtype=torch.float64, device=fused.device)
    for x, mean, variance in zip(sources.images, sources.mean, sources.variance, strict=True):
        cross = factor * (_filter(f.images * x, taps) - f.mean * mean)
        mu_f, mu_x = f.mean + CENTRE, mean + CENTRE
        top = (2 * mu_f * mu_x + c1) * (2 * cross + c2)
        spread = factor * (f.variance + variance) + c2
        total += (top / ((mu_f**2 + mu_x**2 + c1) * spread)).double().flatten(1).mean(dim=1)
    return total


def _edges(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return Sobel strength and orientation, each (N, H, W), zeros outside the image."""
    p = torch.nn.functional.pad(images, (1, 1, 1, 1))
    columns = p[:, :-2] + 2 * p[:, 1:-1] + p[:, 2:]
    rows = p[:, 2:] - p[:, :-2]
    sx = columns[..., :-2] - columns[..., 2:]
    sy = rows[..., :-2] + 2 * rows[..., 1:-1] + rows[..., 2:]
    upright = torch.atan(sy / torch.where(sx == 0, 1, sx))
    return torch.sqrt(sx * sx + sy * sy), torch.where(sx == 0, math.pi / 2, upright)


def _transferred(fused: tuple[Tensor, Tensor], sources: tuple[Tensor, Tensor]) -> Tensor:
    """Return Qabf of each fused image; nan if neither source has any gradient."""
    g_f, alpha_f = fused
    kept = torch.zeros(g_f.shape[0], dtype=torch.float64, device=g_f.device)
    for g_x, alpha_x in zip(*sources, strict=True):
        large = torch.maximum(g_f, g_x)
        ratio = torch.minimum(g_f, g_x) / torch.where(large > 0, large, 1)
        strength = torch.where(g_f == g_x, g_f, ratio)
        orientation = 1 - (alpha_x - alpha_f).abs() / (math.pi / 2)
        q = torch.sigmoid(-STRENGTH[1] * (strength - STRENGTH[2]))
        q = q * torch.sigmoid(-ORIENTATION[1] * (orientation - ORIENTATION[2]))
        kept += GAMMA * (q * g_x).double().flatten(1).sum(dim=1)
    total = sources[0].double().sum()
    return torch.where(total > 0, kept / total, math.nan)


@dataclass(frozen=True)
class _Level:
    """Both sources at one scale of VIF: centred images, means, variances, sum log(1 + s11/2)."""

    images: Tensor
    mean: Tensor
    variance: Tensor
    whole: Tensor


def _centred(images: Tensor) -> Tensor:
    return images - images.mean(dim=(1, 2), keepdim=True).round()


def _pyramid(sources: Tensor) -> list[_Level]:
    level, levels = _centred(sources), []
    for scale, taps in enumerate(TAPS):
        if scale:
            level = _filter(level, taps)[:, ::2, ::2]
        mean = _filter(level, taps)
        variance = (_filter(level * level, taps) - mean * mean).clamp_min(0)
        variance = torch.where(variance < EPS, 0, variance)
        whole = torch.log1p(variance / NOISE).sum(dim=(1, 2))
        levels.append(_Level(level, mean, variance, whole))
    return levels


def _fidelity(fused: Tensor, pyramid: list[_Level]) -> Tensor:
    """Return vifp(A, F) + vifp(B, F) for each fused image."""
    gained = torch.zeros(2, fused.shape[0], dtype=torch.float64, device=fused.device)
    for scale, (taps, level) in enumerate(zip(TAPS, pyramid, strict=True)):
        if scale:
            fused = _filter(fused, taps)[:, ::2, ::2]
        mean = _filter(fused, taps)
        s22 = (_filter(fused * fused, taps) - mean * mean).clamp_min(0)
        for i in range(2):
            s12 = _filter(fused * level.images[i], taps) - mean * level.mean[i]
            s11 = level.variance[i]
            # no gain from anticorrelation, nor where either image is flat
            g = torch.where((s12 > 0) & (s11 > 0) & (s22 >= EPS), s12 / (s11 + EPS), 0)
            noise = (s22 - g * s12).clamp_min(EPS)
            gained[i] += torch.log1p(g * g * s11 / (noise + NOISE)).sum(dim=(1, 2))
    whole = torch.stack([level.whole for level in pyramid]).sum(dim=0)[:, None]
    ratio = torch.where(gained == whole, 1, gained / whole)  # 1 for 0 / 0
    return ratio.sum(dim=0)

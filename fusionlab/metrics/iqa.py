"""The metrics of pyiqa, as ``pyiqa:NAME``; needs the extra ``fusionlab[iqa]``.

    pyiqa:NAME       without reference: of F;  with reference: (m(F, A) + m(F, B)) / 2
    pyiqa:NAME_ref   m(F, T) against the true fused image

pyiqa is imported when the first of its metrics is measured. It gets what it needs to be right:
gray images as three equal channels in 0..1, the fused image as the first argument. Its `entropy` is
wrong on gray images and is refused. It is never let to download: only metrics without weights are
listed; another one works once its weights lie where the error message says.
"""

from __future__ import annotations

import functools
import importlib.util
import io
import math
import os
import threading
import traceback
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from unittest import mock

from fusionlab.errors import MissingMetricError, UnknownNameError
from fusionlab.metrics.base import INF, Direction, Family, Gray, Metric, Scene, Wanted

if TYPE_CHECKING:
    from collections.abc import Iterator

PREFIX = "pyiqa:"
REFERENCE = "_ref"
REFUSED = {"entropy": "is wrong on gray images; use EN"}

#: Metrics without weights: what they are, range, smallest side, direction, with reference or not.
_WITHOUT_WEIGHTS: dict[str, tuple[str, tuple[float, float], int, Direction, bool]] = {
    "ssim": ("SSIM on luminance", (-1.0, 1.0), 11, "higher", True),
    "ssimc": ("SSIM, mean of the channels", (-1.0, 1.0), 11, "higher", True),
    "ms_ssim": ("Multi-scale SSIM", (0.0, 1.0), 176, "higher", True),
    "psnr": ("PSNR in dB; 80 at most", (0.0, INF), 1, "higher", True),
    "psnry": ("PSNR of luminance in dB; 80 at most", (0.0, INF), 1, "higher", True),
    "vif": ("VIF in the wavelet domain", (0.0, INF), 64, "higher", True),
    "fsim": ("Feature similarity", (0.0, 1.0), 16, "higher", True),
    "gmsd": ("Gradient magnitude similarity deviation", (0.0, INF), 16, "lower", True),
    "nlpd": ("Normalised Laplacian pyramid distance", (0.0, INF), 64, "lower", True),
    "vsi": ("Visual saliency induced similarity", (0.0, INF), 16, "higher", True),
    "cw_ssim": ("Complex wavelet SSIM", (0.0, 1.0), 64, "higher", True),
    "piqe": ("PIQE, without reference", (0.0, 100.0), 32, "lower", False),
}

_SLACK = 1e-5  # pyiqa computes in float32
_LEARNED_SIDE = 32
_CLIP_CACHE = Path("~/.cache/clip")
_NAN_WHEN = "pyiqa gives no number, or one outside of the range: flat images"
_CREATING = threading.Lock()
_MEASURING = threading.Lock()


def installed() -> bool:
    """Tell whether pyiqa is there, without importing it."""
    return importlib.util.find_spec("pyiqa") is not None


def offered() -> list[str]:
    """Return the names of the metrics that need no weights; none without pyiqa."""
    return list(_declared()) if installed() else []


def find(name: str) -> Metric:
    """Return the declaration of ``pyiqa:NAME`` or ``pyiqa:NAME_ref``.

    Raises
    ------
    UnknownNameError
        If pyiqa has no such metric.
    MissingMetricError
        If pyiqa is not installed, the metric is refused, or its weights are not there.
    """
    if not installed():
        raise MissingMetricError(
            f"metric {name!r} needs pyiqa: pip install 'fusionlab[iqa]' (7 GB with its torch)"
        )
    if name in _declared():
        return _declared()[name]
    return _learned(name)


@functools.cache
def _declared() -> dict[str, Metric]:
    found: list[Metric] = []
    for name, (title, bounds, side, direction, full) in _WITHOUT_WEIGHTS.items():
        metric = Metric(
            name=PREFIX + name,
            title=f"{title}, by pyiqa" + (", mean over both sources" if full else ""),
            formula=f"(m(F,A) + m(F,B)) / 2, m = pyiqa {name}" if full else f"pyiqa {name} of F",
            source="pyiqa (Chen, Mo 2022)",
            direction=direction,
            range=(bounds[0] - _SLACK, bounds[1] + _SLACK),
            arity="sources" if full else "fused",
            min_side=side,
            nan_when=_NAN_WHEN,
        )
        found += [metric, _against_truth(metric)] if full else [metric]
    return {metric.name: metric for metric in found}


def _against_truth(metric: Metric) -> Metric:
    bare = metric.name.removeprefix(PREFIX)
    return replace(
        metric,
        name=metric.name + REFERENCE,
        title=metric.title.replace("mean over both sources", "against the reference"),
        formula=f"pyiqa {bare} of F and T",
        arity="reference",
    )


@functools.cache
def _learned(name: str) -> Metric:
    """Return the declaration of a metric whose weights are there."""
    bare = name.removeprefix(PREFIX)
    known = _pyiqa().DEFAULT_CONFIGS
    stem = bare.removesuffix(REFERENCE) if bare not in known else bare
    if stem in REFUSED:
        raise MissingMetricError(f"pyiqa's {stem!r} {REFUSED[stem]}")
    full = stem in known and known[stem]["metric_mode"] == "FR"
    if stem not in known or (stem != bare and not full):
        raise UnknownNameError("metric", name, [*offered(), *(PREFIX + k for k in known)])
    _model(stem)
    metric = Metric(
        name=PREFIX + stem,
        title=f"{stem}, by pyiqa" + (", mean over both sources" if full else ""),
        formula=f"(m(F,A) + m(F,B)) / 2, m = pyiqa {stem}" if full else f"pyiqa {stem} of F",
        source="pyiqa (Chen, Mo 2022)",
        direction="lower" if known[stem].get("lower_better") else "higher",
        range=(-INF, INF),
        arity="sources" if full else "fused",
        min_side=_LEARNED_SIDE,
        nan_when=_NAN_WHEN,
    )
    return metric if stem == bare else _against_truth(metric)


@functools.cache
def _pyiqa() -> Any:
    """Import pyiqa, which takes seconds, with the Hugging Face hub offline."""
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    import pyiqa
    from pyiqa import default_model_configs

    pyiqa.DEFAULT_CONFIGS = default_model_configs.DEFAULT_CONFIGS
    return pyiqa


@functools.cache
def _model(name: str) -> Any:
    """Return pyiqa's module of a metric, on the CPU; never downloads."""
    pyiqa = _pyiqa()
    with _CREATING, _no_download(name):
        return pyiqa.create_metric(name, device="cpu")


@contextmanager
def _no_download(name: str) -> Iterator[None]:
    """Turn every attempt to download into an error that names the file and its place."""

    def refuse(url: str, target: str | Path, *_args: Any, **_options: Any) -> None:
        raise MissingMetricError(
            f"metric '{PREFIX}{name}' needs weights that are not there, and FusionLab downloads "
            f"nothing: fetch {url} and save it as {Path(target).resolve()}"
        )

    def no_open(request: Any, *_args: Any, **_options: Any) -> None:
        url = getattr(request, "full_url", str(request))
        refuse(url, _CLIP_CACHE.expanduser() / url.rpartition("/")[2])

    with (
        mock.patch("torch.hub.download_url_to_file", refuse),
        mock.patch("pyiqa.utils.download_util.download_url_to_file", refuse),
        mock.patch("urllib.request.urlopen", no_open),
        mock.patch("huggingface_hub.constants.HF_HUB_OFFLINE", True),
        redirect_stdout(io.StringIO()),  # pyiqa says "Downloading" before it asks us
        redirect_stderr(io.StringIO()),
    ):
        try:
            yield
        except (OSError, ImportError, ValueError, RuntimeError) as error:
            raise MissingMetricError(
                f"metric '{PREFIX}{name}' cannot be made by pyiqa, which may not download here: "
                f"{_hub_file(error) or error}"
            ) from error


def _hub_file(error: BaseException | None) -> str | None:
    """Return which file of the Hugging Face hub was missing; its own errors do not say."""
    while error is not None:
        for frame, _line in traceback.walk_tb(error.__traceback__):
            repository, file = (frame.f_locals.get(key) for key in ("repo_id", "filename"))
            if repository and file:
                command = f"hf download {repository} {file}"
                return f"it lacks {file} of {repository}; where there is a network: {command}"
        error = error.__cause__ or error.__context__
    return None


def prepare(scene: Scene, wanted: Wanted) -> dict[str, tuple[Any, ...]]:
    """Return, by wanted name, the images to compare with: () without reference."""
    found: dict[str, tuple[Any, ...]] = {}
    for name in wanted:
        arity = find(name).arity
        images = {"fused": (), "sources": scene.sources[:2], "reference": (scene.reference,)}
        found[name] = tuple(_tensor(image) for image in images[arity] if image is not None)
    return found


def compute(state: dict[str, tuple[Any, ...]], fused: Gray, wanted: Wanted) -> dict[str, float]:
    """Return the wanted ones."""
    import torch

    image = _tensor(fused)
    values: dict[str, float] = {}
    with _MEASURING, torch.inference_mode():
        for name in wanted:
            metric, against = find(name), state[name]
            bare = name.removeprefix(PREFIX)
            if metric.arity == "reference":
                bare = bare.removesuffix(REFERENCE)
            model = _model(bare)
            scores = [model(image, x) for x in against] if against else [model(image)]
            value = sum(float(score) for score in scores) / len(scores)
            values[name] = value if metric.range[0] <= value <= metric.range[1] else math.nan
    return values


def _tensor(image: Gray) -> Any:
    """Return (H, W) in 0..255 as a (1, 3, H, W) float32 tensor in 0..1."""
    import torch

    plane = torch.from_numpy(image.astype("float32") / 255.0)
    return plane.expand(1, 3, *image.shape).contiguous()


FAMILY = Family("pyiqa", tuple(_declared().values()), prepare, compute)

"""A model as one ONNX file: the whole way from two luminances to the fused one, all steps unrolled.

Inputs ``a`` and ``b``, (N, 1, H, W) float32 in 0..255, and ``task``, (N,) int64 of
`fusionlab.flow.batch.TASK_IDS`; output ``fused``, like ``a``. N, H and W may be any. Chroma is
outside: it is a rule, see `fusionlab.inference.planes`.
"""

from __future__ import annotations

import json
import logging
import warnings
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from fusionlab.atomic import atomic_write_bytes
from fusionlab.errors import ModelError, UsageError
from fusionlab.flow.batch import TASK_IDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from torch import Tensor

    from fusionlab.inference.fuser import Fuser, Sampling

_NEEDS = "ONNX needs packages that are not installed: pip install 'fusionlab[onnx]'"

#: Size of the images that an exported file is compared by; no multiple of anything.
_COMPARED = (2, 1, 61, 83)

#: Largest difference in gray levels that is taken for rounding.
_ROUNDING = 0.02


class _Whole(nn.Module):
    """The sampling of a flow as one module, on levels 0..255."""

    def __init__(self, fuser: Fuser, sampling: Sampling) -> None:
        super().__init__()
        self.model, self.sampling = fuser.model, sampling

    def forward(self, a: Tensor, b: Tensor, task: Tensor) -> Tensor:
        steps, solver = self.sampling.steps, self.sampling.solver
        fused = self.model.fuse(a / 127.5 - 1, b / 127.5 - 1, task, steps=steps, solver=solver)
        return (fused + 1) * 127.5


def export_onnx(
    fuser: Fuser, file: Path, *, steps: int | None = None, solver: str | None = None
) -> dict[str, Any]:
    """Write a model as ONNX, atomically, and compare what ONNX Runtime makes of it.

    Parameters
    ----------
    fuser : on the CPU.
    steps, solver : as for `Fuser.fuse`; they are fixed in the file.

    Returns
    -------
    ``file``, ``bytes``, ``steps``, ``solver``, and ``difference``: the largest one to the model, in
    gray levels, on images of noise.

    Raises
    ------
    UsageError
        When packages are missing, or the model starts from noise.
    ModelError
        When the file gives other images than the model.
    """
    settings = fuser.model.settings
    if settings.start == "noise" or settings.sigma > 0:
        raise UsageError(
            f"model {fuser.name!r}: starts from noise, which an ONNX file cannot draw the same; "
            "export one that starts from its sources"
        )
    sampling = fuser.sampling(steps, solver)
    whole = _Whole(fuser, sampling).eval()
    given = _noise()
    data = _converted(whole, given, {**_about(fuser), **asdict(sampling)})
    with torch.inference_mode():
        expected = whole(*given).numpy()
    found = _run(data, given)
    difference = float(np.abs(found - expected).max())
    if not difference < _ROUNDING:
        raise ModelError(
            f"{file}: ONNX Runtime gives images that differ by {difference:.3g} gray levels from "
            "the model's; not written. Try another version of onnxruntime or torch"
        )
    atomic_write_bytes(file, data)
    about = {"file": str(file), "bytes": len(data), **asdict(sampling)}
    return {**about, "difference": difference}


def _about(fuser: Fuser) -> dict[str, Any]:
    """Return what the file says about itself, under the key ``fusionlab``."""
    levels = "luminance 0..255"
    return {"run": fuser.name, "model": fuser.digest, "tasks": TASK_IDS, "levels": levels}


def _noise() -> tuple[Tensor, Tensor, Tensor]:
    drawn = torch.rand(2, *_COMPARED, generator=torch.Generator().manual_seed(0)) * 255
    return drawn[0], drawn[1], torch.arange(1, 1 + len(drawn[0]))


def _converted(whole: nn.Module, given: tuple[Tensor, ...], about: dict[str, Any]) -> bytes:
    """Return the ONNX file of a module."""
    size = {0: "batch", 2: "height", 3: "width"}
    try:
        with _quiet():
            program = torch.onnx.export(
                whole,
                given,
                dynamo=True,
                verbose=False,
                input_names=["a", "b", "task"],
                output_names=["fused"],
                dynamic_shapes={"a": size, "b": size, "task": {0: "batch"}},
            )
    except ImportError:
        raise UsageError(_NEEDS) from None
    assert program is not None, "torch.onnx.export returns a program where dynamo is True"
    program.model.metadata_props["fusionlab"] = json.dumps(about)
    return bytes(program.model_proto.SerializeToString())


def _run(data: bytes, given: tuple[Tensor, ...]) -> np.ndarray[Any, Any]:
    try:
        import onnxruntime
    except ImportError:
        raise UsageError(_NEEDS) from None
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    names = ("a", "b", "task")
    feed = {name: tensor.numpy() for name, tensor in zip(names, given, strict=True)}
    return np.asarray(session.run(None, feed)[0])


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter's remarks about packages and functions that it uses itself to itself."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", ".*(LeafSpec|The axis name)")
            yield
    finally:
        logger.setLevel(level)

"""Where torch computes."""

from __future__ import annotations

import torch

from fusionlab.errors import UsageError


def check_device(name: str) -> torch.device:
    """Return the torch device `name`.

    Raises
    ------
    UsageError
        When there is no such device here.
    """
    try:
        device = torch.device(name)
    except RuntimeError as error:
        raise UsageError(f"device {name!r}: {error}") from None
    if device.type == "cuda" and not torch.cuda.is_available():
        raise UsageError(
            f"device {name!r}: torch sees no CUDA GPU here; use --device cpu, or install a CUDA "
            "build of torch on a machine with a GPU"
        )
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"device {name!r}: there are {torch.cuda.device_count()} GPUs here, counted from 0"
        )
    if device.type == "mps" and not torch.backends.mps.is_available():
        raise UsageError(f"device {name!r}: torch sees no Apple GPU here; use --device cpu")
    return device


def choose_device(name: str = "auto") -> torch.device:
    """Return a device by name: ``auto`` takes a CUDA GPU, else Apple's, else the CPU.

    Raises
    ------
    UsageError
        When there is no such device here.
    """
    if name == "auto":
        has_mps = torch.backends.mps.is_available()
        name = "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    return check_device(name)

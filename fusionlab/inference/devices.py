"""Where a model runs."""

from __future__ import annotations

import torch

from fusionlab.errors import UsageError
from fusionlab.metrics.batched import check_device


def choose_device(name: str = "auto") -> torch.device:
    """Return a device of torch: ``auto`` takes a CUDA GPU, else Apple's, else the CPU.

    Raises
    ------
    UsageError
        When there is no such device here.
    """
    has_mps = torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if has_mps else "cpu"
    device = check_device(name)
    if device.type == "mps" and not has_mps:
        raise UsageError(f"device {name!r}: torch sees no Apple GPU here; use --device cpu")
    if device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count():
        raise UsageError(
            f"device {name!r}: there are {torch.cuda.device_count()} GPUs here, counted from 0"
        )
    return device

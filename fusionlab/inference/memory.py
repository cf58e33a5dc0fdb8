"""How large a tile may be: by the memory of the machine, and smaller once that has run out."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import torch

from fusionlab.errors import MethodError, UsageError
from fusionlab.inference.tiles import round_up, smallest

if TYPE_CHECKING:
    from torch import nn

    from fusionlab.flow.model import FusionModel

#: Largest tile that is taken without being asked for.
_LARGEST = 2048

#: Share of the memory that one tile may take, and what is taken for it where nobody can tell.
_SHARE, _UNTOLD = 0.25, 4 << 30

#: Side of the image that the memory of a network is told by.
_PROBE = 64


def choose_tile(model: FusionModel, device: torch.device, asked: int | None = None) -> int:
    """Return the side of a tile, a multiple of the model's stride.

    Parameters
    ----------
    asked : what the user wants; rounded up. None takes 2048, halved until a tile fits into a
        quarter of the memory that the machine has (not: has free), so that the same machine always
        takes the same.

    Raises
    ------
    UsageError
        When `asked` is less than `fusionlab.inference.tiles.smallest`.
    """
    least = smallest(model.reach, model.stride)
    if asked is not None:
        if asked < least:
            raise UsageError(
                f"tile: got {asked} pixels, expected at least {least}: the network looks "
                f"{model.reach} pixels to each side, and smaller tiles would be mostly margin. "
                "Name more, or leave it out."
            )
        return round_up(asked, model.stride)
    side = _LARGEST
    room = _SHARE * _memory(device) / bytes_per_pixel(model)
    while side * side > room and side // 2 >= least:
        side //= 2
    return round_up(max(side, least), model.stride)


def bytes_per_pixel(model: FusionModel) -> float:
    """Return the bytes that one velocity takes for each pixel, at most: all layers' outputs."""
    found = 0

    def add(_module: nn.Module, _given: object, output: object) -> None:
        nonlocal found
        if isinstance(output, torch.Tensor):
            found += output.nbytes

    hooks = [
        layer.register_forward_hook(add) for layer in model.modules() if not any(layer.children())
    ]
    device = next(model.parameters()).device
    image = torch.zeros(1, 1, _PROBE, _PROBE, device=device)
    try:
        with torch.inference_mode():
            one = torch.zeros(1, device=device)
            model(image, image, image, one, one.long())
    finally:
        for hook in hooks:
            hook.remove()
    return found / _PROBE**2


def smaller_tile(tile: int, model: FusionModel, shape: tuple[int, ...]) -> int:
    """Return half the side of the tile that was too large for an image of `shape`.

    Raises
    ------
    MethodError
        With reason ``out_of_memory``, when nothing smaller can be.
    """
    least = smallest(model.reach, model.stride)
    tried = min(tile, round_up(max(shape), model.stride))
    if tried > least:
        return max(least, round_up(tried // 2, model.stride))
    height, width = shape
    raise MethodError(
        "out_of_memory",
        f"not enough memory for {height}x{width} pixels (height x width), in tiles of {tried} "
        "neither; end other programs, fuse on --device cpu, or make the image smaller",
    )


def is_out_of_memory(error: BaseException) -> bool:
    """Tell whether an error of torch or NumPy says that memory ran out."""
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).lower()
    return isinstance(error, RuntimeError) and (
        "out of memory" in text or "can't allocate memory" in text
    )


def _memory(device: torch.device) -> int:
    """Return the bytes of memory that the device has."""
    if device.type == "cuda":
        return int(torch.cuda.get_device_properties(device).total_memory)
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (ValueError, OSError):
        return _UNTOLD

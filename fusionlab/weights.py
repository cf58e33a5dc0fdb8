"""Weights that say what they are: safetensors, with a description as JSON in the header."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from safetensors.torch import save

if TYPE_CHECKING:
    from torch import nn

    from fusionlab.configs import Config

_KEY = "fusionlab"
_LENGTH = 8  # bytes before the header that say how long it is


def described(net: nn.Module, description: Config) -> bytes:
    """Return weights and description; the same of both give the same bytes."""
    weights = {key: value.detach().cpu().contiguous() for key, value in net.state_dict().items()}
    return save(weights, {_KEY: description.model_dump_json()})


def description_in(data: bytes) -> str:
    """Return the description in what `described` returned, as JSON.

    Raises
    ------
    ValueError, KeyError
        When there is none.
    """
    length = int.from_bytes(data[:_LENGTH], "little")
    header = json.loads(data[_LENGTH : _LENGTH + length])
    return str(header["__metadata__"][_KEY])

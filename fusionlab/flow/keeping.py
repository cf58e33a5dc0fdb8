"""A model as one file: the weights as safetensors, and in its header, as JSON, what it is.

One atomic write keeps both, so there are no weights without their description.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Literal

from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import load

from fusionlab import __version__
from fusionlab.atomic import atomic_write_bytes
from fusionlab.configs import Config
from fusionlab.errors import ModelError
from fusionlab.flow.model import FusionModel, ModelSettings
from fusionlab.weights import described, description_in

if TYPE_CHECKING:
    import torch

    from fusionlab.paths import Place

FORMAT: Literal[1] = 1


class ModelNote(Config):
    """What a file of weights says about itself.

    Attributes
    ----------
    name : of the run.
    model : what it is built by.
    tasks : that it was trained on.
    labels : name of the labels manifest.
    labels_digest : of the rows and pixels that it was trained on.
    steps : of training.
    """

    format: Literal[1] = FORMAT
    name: str
    model: ModelSettings
    tasks: tuple[str, ...]
    labels: str
    labels_digest: str
    steps: int
    software_version: str = __version__


def save_model(path: Place, model: FusionModel, note: ModelNote) -> None:
    """Write a model, atomically; the same weights and note give the same bytes."""
    atomic_write_bytes(path, described(model, note))


def load_model(path: Place, device: torch.device | str = "cpu") -> tuple[FusionModel, ModelNote]:
    """Read a model, ready to fuse.

    Raises
    ------
    ModelError
        When there is none, or the file is truncated, broken or of another format.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ModelError(f"{path}: cannot be read: {error.strerror}; name a run's folder") from None
    try:
        note = ModelNote.model_validate_json(description_in(data))
        model = FusionModel(note.model)
        model.load_state_dict(load(data))
    except (SafetensorError, ValidationError, ValueError, KeyError, RuntimeError) as error:
        first = str(error).partition("\n")[0]
        raise ModelError(
            f"{path}: is no model that FusionLab {__version__} reads ({first}); it is truncated, "
            "or was written by another version: train again, or use the version that wrote it"
        ) from None
    return model.to(device).eval(), note


def digest_of(model: FusionModel) -> str:
    """Return a digest of what a model is and of its weights."""
    return hashlib.sha256(described(model, model.settings)).hexdigest()

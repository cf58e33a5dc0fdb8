"""Small models with weights by chance, so that every layer does something, for tests of fusing."""

from __future__ import annotations

from pathlib import Path

import torch

from fusionlab.flow.keeping import ModelNote, save_model
from fusionlab.flow.model import FusionModel, ModelSettings
from fusionlab.flow.network import NetworkSettings

TINY = NetworkSettings(widths=(6, 8), blocks=1, contrast=(5,))


def make_model(network: NetworkSettings = TINY, seed: int = 0, **settings: object) -> FusionModel:
    model = FusionModel(ModelSettings(network=network, **settings))
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in model.parameters():
            noise = torch.randn(parameter.shape, generator=generator)
            parameter.copy_(noise * (0.5 / max(1, parameter[0].numel()) ** 0.5))
    return model.eval()


def save_run(
    folder: Path, model: FusionModel | None = None, tasks: tuple[str, ...] = ("ivf", "mef")
) -> Path:
    model = model or make_model()
    note = ModelNote(
        name=folder.name,
        model=model.settings,
        tasks=tasks,
        labels="first",
        labels_digest="0" * 64,
        steps=1,
    )
    folder.mkdir(parents=True, exist_ok=True)
    save_model(folder / "model.safetensors", model, note)
    return folder

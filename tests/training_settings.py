"""Settings of trainings that take a second."""

from __future__ import annotations

from typing import Any

from fusionlab.flow.model import ModelSettings
from fusionlab.flow.network import NetworkSettings
from fusionlab.training.patches import PatchSettings
from fusionlab.training.settings import CheckSettings, OptimiserSettings, TrainSettings

NETWORK = NetworkSettings(widths=(4, 4), blocks=1, contrast=(3,))


def tiny(objective: str = "flow", steps: int = 6, **values: Any) -> TrainSettings:
    """Return settings of a network of a few hundred weights."""
    common: dict[str, Any] = {
        "model": ModelSettings(objective=objective, network=NETWORK),
        "patches": PatchSettings(batch=4, patch=16),
        "optimiser": OptimiserSettings(warmup=2),
        "checks": CheckSettings(log=1, every=2, scenes=1, side=24, samples=0),
        "steps": steps,
    }
    return TrainSettings(**(common | values))

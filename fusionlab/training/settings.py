"""What a training run is told."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from fusionlab.configs import Config
from fusionlab.flow.loss import LossSettings
from fusionlab.flow.model import ModelSettings
from fusionlab.flow.network import NetworkSettings
from fusionlab.training.patches import PatchSettings

Count = Annotated[int, Field(ge=1)]
Positive = Annotated[float, Field(gt=0)]

#: Networks by name: 0.2 M, 1.4 M parameters.
NETWORKS = {
    "small": NetworkSettings(widths=(24, 40, 64), blocks=1),
    "default": NetworkSettings(),
}


#: Channels at the first level of the widest network that takes the whole step size.
_RATED_FOR = 24


class OptimiserSettings(Config):
    """AdamW, a step size that warms up and falls along a cosine, and a mean of the weights.

    Attributes
    ----------
    rate : largest step size, of a network of up to 24 channels at its first level. A wider one
        takes it in proportion, 24 / width: with twice the channels it was too large.
    last : the step size at the end, as a share of `rate`.
    warmup : steps until the largest step size.
    clip : largest norm of the gradient.
    ema : decay of the mean of the weights, which is what fuses; it is smaller at the beginning.
    accumulate : parts in which a batch goes through the network, to save memory.
    """

    rate: Positive = 2e-3
    last: Annotated[float, Field(ge=0, le=1)] = 0.01
    warmup: Annotated[int, Field(ge=0)] = 100
    weight_decay: Annotated[float, Field(ge=0)] = 1e-4
    clip: Positive = 1.0
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.999
    accumulate: Count = 1


class CheckSettings(Config):
    """When a run looks at itself, and what it keeps.

    Attributes
    ----------
    log : steps between two lines of the log.
    every : steps between two checks on validation scenes; after each the run can be resumed.
    scenes : validation scenes a task that a check looks at.
    side : of the middle of a scene that it looks at, in pixels.
    samples : steps between two sheets of sample pictures; 0 makes none.
    keep : checkpoints that are kept besides the best.
    """

    log: Count = 10
    every: Count = 250
    scenes: Count = 6
    side: Count = 160
    samples: Annotated[int, Field(ge=0)] = 1000
    keep: Count = 2

    def tells(self, step: int, steps: int) -> bool:
        """Tell whether the loss of a step is looked at; before every check it is."""
        return step % self.log == 0 or step % self.every == 0 or step == steps


class TrainSettings(Config):
    """All that the weights of a run depend on, but data and device.

    Attributes
    ----------
    steps : of the optimiser.
    precision : ``auto`` is bf16 on CUDA, else float32.
    """

    model: ModelSettings = ModelSettings()
    loss: LossSettings = LossSettings()
    patches: PatchSettings = PatchSettings()
    optimiser: OptimiserSettings = OptimiserSettings()
    checks: CheckSettings = CheckSettings()
    steps: Count = 20_000
    precision: Literal["auto", "float32", "bf16"] = "auto"
    compile: bool = False

    @property
    def rate_share(self) -> float:
        """Return the share of `OptimiserSettings.rate` that the network takes by its width."""
        return min(1.0, _RATED_FOR / self.model.network.widths[0])

    @property
    def seed(self) -> int:
        """Return the seed of every random number."""
        return self.patches.seed

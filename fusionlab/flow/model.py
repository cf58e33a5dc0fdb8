r"""The model: a network, and how it is used to fuse.

The network predicts the end of the path, :math:`\hat x_1(x_t, a, b, t)`. Its velocity is

.. math:: v = \hat x_1 - x_0 \ \text{(straight)}, \quad v = \frac{\hat x_1 - x_t}{1 - t}
          \ \text{(endpoint)}

Both are :math:`x_1 - x_0` on the path where the prediction is right, and the loss is the same. With
a straight velocity the fused image is the mean of the predictions of all Euler steps; with the
other one it is the last of them. Where :math:`x_0` holds noise it is no function of the sources,
and only the second can be had.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Literal, Self

import torch
from pydantic import Field, model_validator
from torch import nn

from fusionlab.configs import Config
from fusionlab.flow.batch import TASK_IDS
from fusionlab.flow.network import Network, NetworkSettings
from fusionlab.flow.path import Start, per_image, start_of
from fusionlab.flow.samplers import Solver, sample

if TYPE_CHECKING:
    from collections.abc import Sequence

    from torch import Tensor

    from fusionlab.flow.samplers import Velocity

Objective = Literal["flow", "regression", "noise-flow"]

#: 1 - t of an endpoint velocity is at least this; no sampler of ours asks for t = 1.
_LAST = 1e-3

#: Steps that a model takes where nothing is said.
_STEPS = {"flow": 4, "regression": 1, "noise-flow": 4}


class ModelSettings(Config):
    """What a model is.

    Attributes
    ----------
    objective : ``flow``; ``regression``, the same network that knows t = 0 only and takes one step;
        or ``noise-flow``, a flow that starts from noise. The latter two are controls.
    start : what x_0 is made of.
    sigma : of the noise on x_0.
    velocity : ``straight`` or ``endpoint``.
    steps : of the sampler; by default 4, and 1 of a regression.
    """

    objective: Objective = "flow"
    start: Start = "mean"
    sigma: Annotated[float, Field(ge=0)] = 0.0
    velocity: Literal["straight", "endpoint"] = "straight"
    steps: Annotated[int, Field(ge=0)] = 0
    solver: Solver = "euler"
    network: NetworkSettings = NetworkSettings()

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        values = self.model_copy().__dict__
        if self.objective == "noise-flow":
            values["start"] = "noise"
        if values["start"] == "noise" or self.sigma > 0:
            values["velocity"] = "endpoint"
        if not self.steps:
            values["steps"] = _STEPS[self.objective]
        self.__dict__.update(values)
        return self


class FusionModel(nn.Module):
    """Fuses the luminances of two sources.

    Attributes
    ----------
    settings : what it was built by.
    scales : (5, 2), by task id: mean square of v and mean magnitude of its gradient over the
        labels, by which losses are divided; v here is always of the mean of the sources.
    """

    scales: Tensor

    def __init__(self, settings: ModelSettings) -> None:
        super().__init__()
        self.settings = settings
        self.network = Network(settings.network)
        self.register_buffer("scales", torch.ones(len(TASK_IDS), 2))

    @property
    def stride(self) -> int:
        """Return what the origins of tiles must be multiples of."""
        return self.settings.network.stride

    @property
    def reach(self) -> int:
        """Return how far a velocity depends on pixels, to each side."""
        return self.settings.network.reach

    def start(self, a: Tensor, b: Tensor, generators: Sequence[torch.Generator] = ()) -> Tensor:
        """Return x_0 of sources (N, 1, H, W) in -1..1.

        Parameters
        ----------
        generators : of the noise, if there is any, on the CPU: one an image, or none for torch's
            own.
        """
        settings = self.settings
        sigma = 1.0 if settings.start == "noise" else settings.sigma
        if not sigma:
            return start_of(a, b, settings.start)
        each: Sequence[torch.Generator | None] = generators or [None] * len(a)
        noise = torch.stack([torch.randn(a.shape[1:], generator=g) for g in each])
        return start_of(a, b, settings.start, sigma * noise.to(a))

    def predict(self, x_t: Tensor, a: Tensor, b: Tensor, t: Tensor, task: Tensor) -> Tensor:
        """Return the predicted x_1, not clipped; the parameters are those of `forward`."""
        found: Tensor = self.network(x_t, a, b, t, task)
        return found

    def forward(self, x_t: Tensor, a: Tensor, b: Tensor, t: Tensor, task: Tensor) -> Tensor:
        """Return the velocity (N, 1, H, W).

        Parameters
        ----------
        x_t, a, b : (N, 1, H, W) in -1..1, of any height and width.
        t : (N,) in 0..1.
        task : (N,) int64, of `TASK_IDS`.
        """
        x_1 = self.predict(x_t, a, b, t, task)
        if self.settings.velocity == "straight":
            return x_1 - start_of(a, b, self.settings.start)
        return (x_1 - x_t) / per_image((1 - t).clamp(min=_LAST))

    def fuse(
        self,
        a: Tensor,
        b: Tensor,
        task: Tensor,
        *,
        steps: int | None = None,
        solver: Solver | None = None,
        generators: Sequence[torch.Generator] = (),
        velocity: Velocity | None = None,
    ) -> Tensor:
        """Return the fused luminance (N, 1, H, W) in -1..1.

        Parameters
        ----------
        a, b, task : as of `forward`.
        steps, solver : those of the settings by default.
        generators : of the noise in x_0, if there is any: one an image.
        velocity : of state and time, in place of one call of the network for the whole image.
        """
        settings = self.settings
        x_1 = sample(
            velocity or partial(self._velocity, a, b, task),
            self.start(a, b, generators),
            settings.steps if steps is None else steps,
            solver or settings.solver,
            open_end=settings.velocity == "endpoint",
        )
        return x_1.clamp(-1, 1)

    def _velocity(self, a: Tensor, b: Tensor, task: Tensor, x_t: Tensor, t: float) -> Tensor:
        found: Tensor = self(x_t, a, b, torch.full_like(x_t[:, 0, 0, 0], t), task)
        return found

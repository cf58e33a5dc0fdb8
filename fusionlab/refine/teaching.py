r"""Training of probes and assembler on sound labels, in two stages.

.. math:: L_P = \frac{1}{2} \sum_k |P_k(F) - S_k|, \quad L_A = |A(P_1(F), P_2(F)) - F|

First the probes, then the assembler, which leaves the probes as they are. Both by Adam on patches
that are drawn and flipped by chance, the step size falling to zero along half a cosine.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import numpy as np
import torch
from pydantic import Field

from fusionlab.configs import Config
from fusionlab.cropping import at_least, turned
from fusionlab.refine.probes import MIN_SIDE, Probes

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from torch import Tensor

    from fusionlab.refine.examples import Example

    Loss = Callable[[Probes, Tensor], Tensor]

#: Patches of the scenes held out by which progress is judged.
_JUDGED = 64

#: A check that is better by this share counts as progress; after so many without, a stage ends.
_PROGRESS, _PATIENCE = 0.002, 5


class Settings(Config):
    """How probes are trained.

    Attributes
    ----------
    steps : of each of the two stages, at most.
    batch : patches a step.
    patch : side of a patch, in pixels.
    rate : Adam's first step size.
    every : steps between two checks on the scenes held out.
    """

    steps: Annotated[int, Field(ge=1)] = 1500
    batch: Annotated[int, Field(ge=1)] = 8
    patch: Annotated[int, Field(ge=MIN_SIDE)] = 64
    rate: Annotated[float, Field(gt=0)] = 4e-3
    every: Annotated[int, Field(ge=1)] = 100
    seed: Annotated[int, Field(ge=0)] = 0


@dataclass(frozen=True)
class Check:
    """How far a stage of the training is.

    Attributes
    ----------
    stage : ``probes`` or ``assembler``.
    step, steps : done, and at most to be done, of the stage.
    loss : mean since the last check, on the training patches.
    held_out : on the scenes held out.
    """

    stage: str
    step: int
    steps: int
    loss: float
    held_out: float


def probe_loss(net: Probes, planes: Tensor) -> Tensor:
    """Return L_P of patches (N, 3, h, w): label, first and second source."""
    return (net.explain(planes[:, :1]) - planes[:, 1:]).abs().mean()


def assembler_loss(net: Probes, planes: Tensor) -> Tensor:
    """Return L_A of patches (N, 3, h, w); its gradient does not reach the probes."""
    with torch.no_grad():
        components = net.explain(planes[:, :1])
    return (net.assemble(components) - planes[:, :1]).abs().mean()


def teach(
    examples: Sequence[Example],
    held_out: Sequence[Example],
    settings: Settings,
    device: torch.device,
    on_check: Callable[[Check], None] = lambda _: None,
) -> Probes:
    """Train one set of probes; on a CPU the same weights for the same seed and thread count.

    Parameters
    ----------
    examples, held_out : of one task, at least one of `examples`. Where no scene is held out,
        progress is judged by the examples.
    on_check : called at every check.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(settings.seed)
        net = Probes().to(device)
    judged = patches(
        held_out or examples, _JUDGED, settings.patch, np.random.default_rng([settings.seed, 1])
    ).to(device)
    rng = np.random.default_rng(settings.seed)

    def batch() -> Tensor:
        return patches(examples, settings.batch, settings.patch, rng).to(device)

    probes = [*net.first.parameters(), *net.second.parameters()]
    _stage("probes", net, probes, probe_loss, batch, judged, settings, on_check)
    rest = list(net.assembler.parameters())
    _stage("assembler", net, rest, assembler_loss, batch, judged, settings, on_check)
    return net.eval()


def _stage(
    name: str,
    net: Probes,
    parameters: list[torch.nn.Parameter],
    loss: Loss,
    batch: Callable[[], Tensor],
    judged: Tensor,
    settings: Settings,
    on_check: Callable[[Check], None],
) -> None:
    """Train some of the parameters, and leave them as they were at the best check."""
    adam = torch.optim.Adam(parameters, settings.rate)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(adam, settings.steps)
    best, kept, waited, seen = np.inf, copy.deepcopy(net.state_dict()), 0, []
    for step in range(1, settings.steps + 1):
        adam.zero_grad()
        value = loss(net, batch())
        value.backward()  # type: ignore[no-untyped-call]
        adam.step()
        schedule.step()
        seen.append(float(value.detach()))
        if step % settings.every and step < settings.steps:
            continue
        found = _judge(net, judged, loss)
        on_check(Check(name, step, settings.steps, float(np.mean(seen)), found))
        waited, seen = (0 if found < best * (1 - _PROGRESS) else waited + 1), []
        if found < best:
            best, kept = found, copy.deepcopy(net.state_dict())
        if waited >= _PATIENCE:
            break
    net.load_state_dict(kept)


def _judge(net: Probes, planes: Tensor, loss: Loss) -> float:
    with torch.inference_mode():
        return float(loss(net, planes))


def patches(examples: Sequence[Example], count: int, side: int, rng: np.random.Generator) -> Tensor:
    """Return (count, 3, side, side) patches, from places and in flips by chance.

    An image smaller than a patch goes on as its mirror image.
    """
    found = np.empty((count, 3, side, side), dtype=np.float32)
    for i in range(count):
        planes = at_least(examples[int(rng.integers(len(examples)))].planes, side)
        y, x = (int(rng.integers(n - side + 1)) for n in planes.shape[1:])
        flip_y, flip_x, transpose = (bool(rng.integers(2)) for _ in range(3))
        patch = planes[:, y : y + side, x : x + side]
        found[i] = turned(patch, flip_y, flip_x, transpose)
    return torch.from_numpy(found)

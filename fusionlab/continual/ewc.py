r"""Elastic weight consolidation: weights that mattered to old tasks are held where they were.

.. math:: F_k = E_{x, t, x_0}\left[\left(\frac{\partial \ell}{\partial \theta_k}\right)^2\right],
    \qquad P(\theta) = \frac{\lambda}{2} \sum_i \sum_k F_{ik} (\theta_k - \theta^*_{ik})^2

l: the loss of one sample; F_i: its diagonal (empirical) Fisher information at the weights theta*_i
that task i ended with. A sample is a patch with its t and x_0, so the expectation over t is the
mean over the draws that `fisher` is given: draw them as training does.

The tasks' sum is a quadratic again, so that memory and time do not grow with the tasks. Of the
vectors A, mu and the number c in

.. math:: P(\theta) = \frac{\lambda}{2} \Big(\sum_k A_k (\theta_k - \mu_k)^2 + c\Big)

one more task makes, exactly,

.. math:: A' = A + F, \quad \mu' = \mu + \frac{F}{A'} (\theta^* - \mu), \quad
    c' = c + \sum_k \frac{A_k F_k}{A'_k} (\theta^*_k - \mu_k)^2

(Kirkpatrick et al., "Overcoming catastrophic forgetting in neural networks", PNAS 114, 2017; one
quadratic for all tasks: Huszar, "Note on the quadratic penalties in elastic weight consolidation",
PNAS 115, 2018, with all tasks weighted alike here.)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Literal

import torch
from pydantic import Field
from torch import nn
from torch.func import functional_call, grad, vmap

from fusionlab.configs import Config
from fusionlab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from torch import Tensor

    Samples = tuple[Tensor, ...]
    Loss = Callable[[nn.Module, Samples], Tensor]

#: Module that `fisher` puts around the network, and so the first part of its weights' names.
_INSIDE = "net"


class EwcSettings(Config):
    """How strongly weights are held, and which.

    Attributes
    ----------
    weight : lambda; 0 is none at all.
    shape : what is done to a task's Fisher, whose largest 1 % of weights hold nearly all of its
        sum: ``raw`` nothing; ``clip`` cuts it off at `quantile`; ``sqrt`` takes its root. Each is
        then scaled to a mean of 1, for tasks' Fishers differ by factors of a thousand.
    quantile : of the weights, where ``clip`` cuts.
    patches : of a task, from which its Fisher is estimated.
    times : draws of t and x_0 for each of these.
    chunk : samples whose gradients are held at once: chunk x weights x 4 bytes.
    """

    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] = 1.0
    shape: Literal["raw", "clip", "sqrt"] = "raw"
    quantile: Annotated[float, Field(gt=0, le=1)] = 0.99
    patches: Annotated[int, Field(ge=1)] = 128
    times: Annotated[int, Field(ge=1)] = 2
    chunk: Annotated[int, Field(ge=1)] = 8


class _Inside(nn.Module):
    """A network and its loss as one module, so that the network's weights can be replaced."""

    def __init__(self, net: nn.Module, loss: Loss) -> None:
        super().__init__()
        self.add_module(_INSIDE, net)
        self._loss = loss

    def forward(self, *sample: Tensor) -> Tensor:
        """Return the loss of one sample, whose tensors come without their first axis."""
        net = self.get_submodule(_INSIDE)
        return self._loss(net, tuple(part.unsqueeze(0) for part in sample)).squeeze(0)


def fisher(net: nn.Module, loss: Loss, batches: Iterable[Samples], chunk: int = 8) -> Tensor:
    """Return F, the mean of the squared gradients of single samples.

    Parameters
    ----------
    net : its trainable weights are meant; it is left as it is.
    loss : of ``(net, samples)``, the losses (N,) of N samples; no sample's may depend on another.
    batches : tuples of tensors with N samples along the first axis, as `loss` takes them.
    chunk : samples whose gradients are held at once.

    Returns
    -------
    (K,) float32, in the order of `flat`.

    Raises
    ------
    LabError
        When there is no sample, or a gradient is not finite.
    """
    weights = {f"{_INSIDE}.{name}": p.detach() for name, p in _trainable(net).items()}
    inside = _Inside(net, loss)

    def of_one(weights: Mapping[str, Tensor], sample: Samples) -> Tensor:
        value: Tensor = functional_call(inside, dict(weights), sample)
        return value

    gradients = vmap(grad(of_one), in_dims=(None, 0))
    total, count = torch.zeros_like(flat(net), dtype=torch.float64), 0
    for batch in batches:
        for part in zip(*(torch.split(tensor, chunk) for tensor in batch), strict=True):
            found = gradients(weights, part)
            total += torch.cat([found[n].double().square().sum(0).reshape(-1) for n in weights])
            count += len(part[0])
    if not count or not bool(torch.isfinite(total).all()):
        raise LabError(
            f"the Fisher information of {count} samples is not finite; expected some samples, and "
            "gradients without nan: lower the learning rate, or look at the labels"
        )
    return (total / count).float()


def shaped(importance: Tensor, settings: EwcSettings) -> Tensor:
    """Return F in the shape of the settings, with a mean of 1; all zeros stay."""
    if settings.shape == "clip":
        rank = max(1, round(settings.quantile * len(importance)))
        importance = importance.clamp(max=importance.kthvalue(rank).values)
    if settings.shape == "sqrt":
        importance = importance.sqrt()
    mean = importance.double().mean()
    return (importance / mean).float() if mean > 0 else importance


def flat(net: nn.Module) -> Tensor:
    """Return the trainable weights (K,) one after another, however they lie in memory."""
    return torch.cat([weight.reshape(-1) for weight in _trainable(net).values()])


def _trainable(net: nn.Module) -> dict[str, nn.Parameter]:
    return {name: weight for name, weight in net.named_parameters() if weight.requires_grad}


class Ewc:
    """The penalty of all tasks so far.

    Parameters
    ----------
    weight : lambda.

    Attributes
    ----------
    tasks : how many were added.
    """

    def __init__(self, weight: float) -> None:
        self.weight, self.tasks = weight, 0
        self._importance = self._anchor = torch.zeros(0)
        self._offset = torch.zeros(())

    def add(self, net: nn.Module, importance: Tensor) -> None:
        """Hold the weights of `net`, as they are now, by `importance` (K,) as well."""
        anchor = flat(net).detach()
        if not self.tasks:
            self._importance, self._anchor = torch.zeros_like(anchor), anchor
            self._offset = torch.zeros((), device=anchor.device)
        self._check(anchor)
        before, mine, away = (
            x.double() for x in (self._importance, importance, anchor - self._anchor)
        )
        after = before + mine
        share = mine / torch.where(after > 0, after, 1)
        self._offset = (self._offset.double() + (before * share * away.square()).sum()).float()
        # of one task the sum would only round what is already there
        moved = anchor if not self.tasks else (self._anchor.double() + share * away).float()
        self._importance, self._anchor = after.float(), moved
        self.tasks += 1

    def penalty(self, net: nn.Module) -> Tensor:
        """Return P(theta), a number that can be differentiated; 0 before the first task."""
        weights = flat(net)
        if not self.tasks:
            return weights.new_zeros(())
        self._check(weights)
        if self._anchor.device != weights.device:  # as after a state was loaded
            self.load_state_dict({k: v.to(weights.device) for k, v in self.state_dict().items()})
        held = (self._importance * (weights - self._anchor).square()).sum()
        return self.weight / 2 * (held + self._offset)

    def state_dict(self) -> dict[str, Tensor]:
        """Return all that `load_state_dict` needs, tensors only."""
        return {
            "importance": self._importance,
            "anchor": self._anchor,
            "offset": self._offset,
            "tasks": torch.tensor(self.tasks),
        }

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Become what `state_dict` returned."""
        self._importance, self._anchor = state["importance"], state["anchor"]
        self._offset, self.tasks = state["offset"], int(state["tasks"])

    def _check(self, weights: Tensor) -> None:
        if self._anchor.shape != weights.shape:
            raise LabError(
                f"the penalty holds {len(self._anchor)} weights, but the network has "
                f"{len(weights)}; start again with one network for all stages"
            )

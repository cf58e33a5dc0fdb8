r"""Solvers of :math:`dx/dt = v(x, t)` from t = 0 to t = 1, in steps of equal length.

With :math:`h` the length of a step:

============ ============================================ =============== =====
solver       one step                                     calls of v      order
============ ============================================ =============== =====
``euler``    x + h k1                                     1               1
``midpoint`` x + h v(x + h/2 k1, t + h/2)                 2               2
``heun``     x + h/2 (k1 + v(x + h k1, t + h))            2               2
``rk4``      x + h/6 (k1 + 2 k2 + 2 k3 + k4)              4               4
============ ============================================ =============== =====

Hairer, Norsett and Wanner, Solving Ordinary Differential Equations I, Springer 1993.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

from torch import Tensor

from fusionlab.errors import UsageError

Solver = Literal["euler", "midpoint", "heun", "rk4"]
Velocity: TypeAlias = Callable[[Tensor, float], Tensor]
Step: TypeAlias = Callable[[Velocity, Tensor, float, float], Tensor]


def euler(v: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """Return x at t + h; the error of a step is O(h^2)."""
    return x + h * v(x, t)


def midpoint(v: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """Return x at t + h; the error of a step is O(h^3)."""
    return x + h * v(x + h / 2 * v(x, t), t + h / 2)


def heun(v: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """Return x at t + h; the error of a step is O(h^3)."""
    k1 = v(x, t)
    return x + h / 2 * (k1 + v(x + h * k1, t + h))


def rk4(v: Velocity, x: Tensor, t: float, h: float) -> Tensor:
    """Return x at t + h; the error of a step is O(h^5)."""
    k1 = v(x, t)
    k2 = v(x + h / 2 * k1, t + h / 2)
    k3 = v(x + h / 2 * k2, t + h / 2)
    k4 = v(x + h * k3, t + h)
    return x + h / 6 * (k1 + 2 * k2 + 2 * k3 + k4)


#: Solvers that ask for the velocity at the end of a step.
_ASK_FOR_END = frozenset({"heun", "rk4"})

SOLVERS: dict[str, Step] = {"euler": euler, "midpoint": midpoint, "heun": heun, "rk4": rk4}


def sample(
    velocity: Velocity,
    x_0: Tensor,
    steps: int,
    solver: Solver = "euler",
    *,
    open_end: bool = False,
) -> Tensor:
    """Return x_1 of a flow.

    Parameters
    ----------
    velocity : of the state, any shape, and the time in 0..1.
    steps : of equal length, one at least.
    open_end : the velocity is not defined at t = 1; where a solver would ask for it, the last step
        is one of Euler's.

    Raises
    ------
    UsageError
        When `steps` is below 1.
    """
    if steps < 1:
        raise UsageError(f"steps of the sampler: got {steps}, expected 1 or more")
    x = x_0
    for number in range(steps):
        bounded = open_end and number == steps - 1 and solver in _ASK_FOR_END
        x = SOLVERS["euler" if bounded else solver](velocity, x, number / steps, 1 / steps)
    return x

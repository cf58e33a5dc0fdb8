import math

import pytest
import torch
import torchdiffeq
from hypothesis import given
from hypothesis import strategies as st

from fusionlab.errors import UsageError
from fusionlab.flow.samplers import SOLVERS, sample

#: Ours -> theirs; their rk4 is another Runge-Kutta formula of order four.
SAME = {"euler": "euler", "midpoint": "midpoint", "heun": "heun2"}
ORDER = {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}


def decay(x, t):
    """dx/dt = -2 t x, whose flow is x_0 exp(-t^2)."""
    return -2 * t * x


def ahead(x, t):
    """A flow that depends on time alone: x_0 + sin(t)."""
    return torch.full_like(x, math.cos(t))


@pytest.fixture
def x_0():
    return torch.tensor([[-1.0, 0.3], [0.7, 2.0]], dtype=torch.float64)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("steps", [1, 2, 5])
def test_a_constant_velocity_is_followed_exactly(solver, steps, x_0):
    v = torch.tensor([[0.5, -1.0], [0.0, 3.0]], dtype=torch.float64)
    assert torch.allclose(sample(lambda _x, _t: v, x_0, steps, solver), x_0 + v, atol=1e-14, rtol=0)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize(
    ("velocity", "flow"),
    [(decay, lambda x: x * math.exp(-1)), (ahead, lambda x: x + math.sin(1))],
    ids=["decay", "ahead"],
)
def test_the_error_falls_with_the_order_of_the_solver(solver, velocity, flow, x_0):
    errors = [
        float((sample(velocity, x_0, n, solver) - flow(x_0)).abs().max()) for n in (16, 32, 64)
    ]
    seen = [math.log2(errors[i] / errors[i + 1]) for i in range(2)]
    assert seen == pytest.approx([ORDER[solver]] * 2, abs=0.35)


@pytest.mark.parametrize("solver", SAME)
@pytest.mark.parametrize("steps", [1, 4, 7])
def test_solvers_equal_those_of_torchdiffeq(solver, steps, x_0):
    times = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
    theirs = torchdiffeq.odeint(
        lambda t, x: decay(x, t), x_0, times, method=SAME[solver], options={"perturb": False}
    )[-1]
    assert torch.allclose(sample(decay, x_0, steps, solver), theirs, atol=1e-12, rtol=0)


def test_rk4_agrees_with_an_adaptive_solver(x_0):
    times = torch.tensor([0.0, 1.0], dtype=torch.float64)
    theirs = torchdiffeq.odeint(lambda t, x: decay(x, t), x_0, times, rtol=1e-10, atol=1e-12)[-1]
    assert torch.allclose(sample(decay, x_0, 32, "rk4"), theirs, atol=1e-7, rtol=0)


@given(st.integers(1, 9), st.sampled_from(sorted(SOLVERS)))
def test_the_velocity_is_asked_for_at_times_within_the_path(steps, solver):
    times = []

    def velocity(x, t):
        times.append(t)
        return x

    sample(velocity, torch.zeros(1), steps, solver)
    assert len(times) == steps * {"euler": 1, "midpoint": 2, "heun": 2, "rk4": 4}[solver]
    assert min(times) == 0
    assert max(times) <= 1 + 1e-12


def test_no_steps_are_refused():
    with pytest.raises(UsageError, match="got 0, expected 1 or more"):
        sample(decay, torch.zeros(1), 0)

"""Elastic weights: the Fisher against loops and closed forms, the penalty against its sum."""

import io

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from fusionlab.continual.ewc import Ewc, EwcSettings, fisher, flat, shaped
from fusionlab.errors import LabError


def squared(net, samples):
    """Return the squared error of each sample (x, y)."""
    x, y = samples
    return (net(x) - y).square().sum(dim=1)


def flow_loss(net, samples):
    """Return the flow loss of each sample (x_0, x_1, t) of a network u(x_t, t)."""
    x_0, x_1, t = samples
    x_t = (1 - t)[:, None] * x_0 + t[:, None] * x_1
    return (net(torch.cat([x_t, t[:, None]], 1)) - (x_1 - x_0)).square().mean(dim=1)


def linear(seed=0, inputs=3, outputs=2):
    torch.manual_seed(seed)
    return nn.Linear(inputs, outputs).double()


def small(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


def draw(count, shape=(3,), seed=0):
    return torch.randn(count, *shape, generator=torch.Generator().manual_seed(seed))


def by_single_passes(net, loss, batch):
    """Return the mean of squared gradients by one backward pass a sample."""
    total = torch.zeros_like(flat(net))
    for i in range(len(batch[0])):
        net.zero_grad()
        loss(net, tuple(part[i : i + 1] for part in batch)).sum().backward()
        total += torch.cat([p.grad.reshape(-1) for p in net.parameters()]) ** 2
    net.zero_grad(set_to_none=True)
    return total / len(batch[0])


@pytest.mark.parametrize("chunk", [1, 3, 100])
def test_fisher_is_the_mean_over_single_backward_passes(chunk):
    net = small()
    t = torch.rand(10, generator=torch.Generator().manual_seed(3)) * (torch.arange(10) % 2)
    batch = (draw(10), draw(10, seed=1), t)
    found = fisher(
        net, flow_loss, [tuple(p[:6] for p in batch), tuple(p[6:] for p in batch)], chunk
    )
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, by_single_passes(net, flow_loss, batch))


def test_fisher_of_a_linear_model_is_that_of_its_formula():
    net, x, y = linear(), draw(7).double(), draw(7, (2,), 1).double()
    r = (net(x) - y).detach()
    weights = (4 * (r[:, :, None] * x[:, None, :]) ** 2).mean(0)
    expected = torch.cat([weights.reshape(-1), (4 * r**2).mean(0)]).float()
    torch.testing.assert_close(fisher(net, squared, [(x, y)]), expected)


def test_fisher_is_not_the_square_of_the_mean_gradient():
    net, x = linear(), draw(6).double()
    x = torch.cat([x, -x])
    y = net(x).detach() + torch.tensor([1.0, 1.0]).double()
    weights = fisher(net, squared, [(x, y)])[:6]
    mean = torch.autograd.grad(squared(net, (x, y)).mean(), net.weight)[0]
    assert mean.abs().max() < 1e-12
    assert weights.min() > 0.1


def test_expectation_over_t_is_the_mean_over_the_draws_of_t():
    """With half of the draws at t = 0, F is half that at 0 and half that of the others."""
    net, x_0, x_1 = small(), draw(8), draw(8, seed=1)
    t = torch.rand(8, generator=torch.Generator().manual_seed(1))
    zero = torch.zeros(8)
    drawn = [(x_0, x_1, zero), (x_0, x_1, t)]
    alone = [fisher(net, flow_loss, [one]) for one in drawn]
    torch.testing.assert_close(fisher(net, flow_loss, drawn), (alone[0] + alone[1]) / 2)
    assert not torch.allclose(alone[0], alone[1])


def test_fisher_leaves_network_and_random_numbers_alone():
    net = small()
    net[0].bias.requires_grad_(False)
    before, state = flat(net).clone(), torch.random.get_rng_state()
    found = fisher(net, flow_loss, [(draw(3), draw(3, seed=1), torch.zeros(3))])
    assert len(found) == len(before) == 4 * 5 + 5 * 3 + 3
    assert torch.equal(flat(net), before)
    assert all(p.grad is None for p in net.parameters())
    assert torch.equal(state, torch.random.get_rng_state())


def test_fisher_takes_convolutions_with_channels_last():
    torch.manual_seed(0)
    net = nn.Conv2d(2, 3, 3, padding=1, padding_mode="reflect").to(
        memory_format=torch.channels_last
    )

    def loss(net, samples):
        return net(samples[0]).square().mean(dim=(1, 2, 3))

    batch = (draw(4, (2, 5, 6)),)
    torch.testing.assert_close(fisher(net, loss, [batch], 3), by_single_passes(net, loss, batch))


@pytest.mark.parametrize("batches", [[], [(torch.full((2, 3), torch.nan), torch.zeros(2, 2))]])
def test_fisher_of_nothing_or_of_nan_is_an_error(batches):
    with pytest.raises(LabError, match=r"of [02] samples is not finite"):
        fisher(linear().float(), squared, batches)


def test_shapes():
    raw = torch.tensor([0.0, 1.0, 4.0, 9.0, 10000.0])
    torch.testing.assert_close(shaped(raw, EwcSettings(shape="raw")), raw / raw.mean())
    root = shaped(raw, EwcSettings(shape="sqrt"))
    torch.testing.assert_close(root, torch.tensor([0, 1, 2, 3, 100]) / 21.2)
    cut = shaped(raw, EwcSettings(shape="clip", quantile=0.8))
    torch.testing.assert_close(cut, torch.tensor([0, 1, 4, 9, 9]) / 4.6)
    for shape in ("raw", "clip", "sqrt"):
        assert shaped(torch.zeros(4), EwcSettings(shape=shape)).equal(torch.zeros(4))


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=20), st.sampled_from(["clip", "sqrt"]))
def test_a_shape_has_mean_1_and_keeps_the_order(values, shape):
    raw = torch.tensor(values, dtype=torch.float32)
    found = shaped(raw, EwcSettings(shape=shape))
    assert float(found.mean()) == pytest.approx(float(raw.max() > 0), rel=1e-5)
    order = raw.argsort()
    assert bool((found[order].diff() >= 0).all())


def moved(net, by):
    with torch.no_grad():
        for p in net.parameters():
            p.add_(by * torch.randn(p.shape, generator=torch.Generator().manual_seed(p.numel())))
    return net


def test_penalty_is_zero_at_the_anchor_and_pulls_back_from_elsewhere():
    net, ewc = small(), Ewc(2.0)
    assert ewc.penalty(net) == 0
    importance = torch.rand(flat(net).shape, generator=torch.Generator().manual_seed(0))
    ewc.add(net, importance)
    value = ewc.penalty(net)
    value.backward()
    assert value == 0
    assert all(not p.grad.any() for p in net.parameters())
    anchor = flat(net).detach()
    net.zero_grad()
    moved(net, 0.5)
    value = ewc.penalty(net)
    value.backward()
    away = flat(net).detach() - anchor
    torch.testing.assert_close(value.detach(), (importance * away**2).sum())
    gradient = torch.cat([p.grad.reshape(-1) for p in net.parameters()])
    torch.testing.assert_close(gradient, 2 * importance * away)
    assert bool((gradient != 0).all())


def test_penalty_of_a_linear_model_with_its_closed_form():
    """Ridge regression: with an anchor, one step of Newton's reaches the known minimum."""
    net = nn.Linear(1, 1, bias=False).double()
    with torch.no_grad():
        net.weight.fill_(3.0)
    x, y = torch.tensor([[1.0], [2.0]]).double(), torch.tensor([[1.0], [2.0]]).double()
    importance = fisher(net, squared, [(x, y)])
    # loss (3 x - x)^2, derivative 2 (2 x) x: squares 16 and 256
    assert importance.tolist() == [136.0]
    ewc = Ewc(0.5)
    ewc.add(net, importance)
    optimiser = torch.optim.LBFGS(net.parameters(), max_iter=50, tolerance_grad=1e-12)

    def closure():
        optimiser.zero_grad()
        value = squared(net, (x, y)).mean() + ewc.penalty(net)
        value.backward()
        return value

    optimiser.step(closure)
    # d/dw [2.5 (w - 1)^2 + 34 (w - 3)^2] = 0
    assert net.weight.item() == pytest.approx((5 + 68 * 3) / 73, abs=1e-6)


@given(st.integers(1, 5), st.integers(0, 100))
def test_many_tasks_are_one_quadratic(tasks, seed):
    rng = torch.Generator().manual_seed(seed)
    net, ewc, each = small(seed), Ewc(0.7), []
    for _ in range(tasks):
        moved(net, 0.3)
        importance = torch.rand(flat(net).shape, generator=rng)
        importance[torch.rand(importance.shape, generator=rng) < 0.3] = 0
        ewc.add(net, importance)
        each.append((importance.double(), flat(net).detach().double()))
    moved(net, 1.0)
    weights = flat(net).detach().double()
    expected = 0.35 * sum((f * (weights - anchor) ** 2).sum() for f, anchor in each)
    found = ewc.penalty(net)
    assert found.item() == pytest.approx(float(expected), rel=1e-5)
    gradient = torch.cat([g.reshape(-1) for g in torch.autograd.grad(found, net.parameters())])
    slope = 0.7 * sum(f * (weights - anchor) for f, anchor in each)
    torch.testing.assert_close(gradient.double(), slope, rtol=1e-4, atol=1e-5)
    assert sum(tensor.numel() for tensor in ewc.state_dict().values()) == 2 * len(weights) + 2


def test_state_goes_through_a_file_without_pickle():
    net, ewc = small(), Ewc(1.0)
    ewc.add(net, torch.ones_like(flat(net)))
    ewc.add(moved(net, 0.1), torch.ones_like(flat(net)))
    file = io.BytesIO()
    torch.save(ewc.state_dict(), file)
    file.seek(0)
    again = Ewc(1.0)
    again.load_state_dict(torch.load(file, weights_only=True))
    assert again.tasks == 2
    moved(net, 0.4)
    assert torch.equal(again.penalty(net), ewc.penalty(net))


def test_another_network_is_an_error():
    ewc = Ewc(1.0)
    ewc.add(small(), torch.ones_like(flat(small())))
    with pytest.raises(LabError, match="holds 43 weights, but the network has 8"):
        ewc.penalty(linear())
    with pytest.raises(LabError, match="43 weights"):
        ewc.add(linear(), torch.ones(8))


def test_weights_that_mattered_move_less():
    """Two regressions that share weights: the penalty keeps what the first one needs."""

    def train(net, x, y, ewc):
        optimiser = torch.optim.SGD(net.parameters(), 0.05)
        for _ in range(300):
            optimiser.zero_grad()
            (squared(net, (x, y)).mean() + (ewc.penalty(net) if ewc else 0)).backward()
            optimiser.step()

    first = draw(40).double() * torch.tensor([1.0, 1.0, 0.0])
    second = draw(40, seed=1).double() * torch.tensor([0.0, 1.0, 1.0])
    targets = [x @ linear(seed).weight.T for seed, x in ((1, first), (2, second))]
    targets = [y.detach() + 0.1 * draw(40, (2,), 5).double() for y in targets]
    lost = {}
    for weight in (0.0, 3.0):
        net = linear(5)
        train(net, first, targets[0], None)
        ewc = Ewc(weight)
        ewc.add(net, shaped(fisher(net, squared, [(first, targets[0])]), EwcSettings(shape="raw")))
        train(net, second, targets[1], ewc if weight else None)
        lost[weight] = squared(net, (first, targets[0])).mean().item()
    assert lost[3.0] < 0.2 * lost[0.0]
    assert np.isfinite(lost[3.0])

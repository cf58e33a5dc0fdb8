import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call, grad, vmap

from fusionlab.flow.batch import TASK_IDS, Batch
from fusionlab.flow.contrast import contrasts
from fusionlab.flow.network import Network, NetworkSettings

TINY = NetworkSettings(widths=(4, 4, 8), blocks=1, contrast=(3, 5))
T, TASK = torch.zeros(1), torch.tensor([1])


def woken(network_settings=TINY, seed=0):
    """Return a network none of whose weights is zero, as after training."""
    torch.manual_seed(seed)
    network = Network(network_settings)
    with torch.no_grad():
        for p in network.parameters():
            p.add_(0.3 * torch.randn(p.shape))
    return network.eval()


def planes(height, width, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(3, 1, 1, height, width, generator=generator) * 2 - 1


def parameters(network_settings):
    return sum(p.numel() for p in Network(network_settings).parameters())


def test_the_default_network_is_light():
    assert 1.2e6 < parameters(NetworkSettings()) <= 1.5e6


def test_before_training_it_returns_the_mean_of_the_sources():
    x_t, a, b = planes(20, 30)
    assert torch.equal(Network(TINY)(x_t, a, b, T, TASK), (a + b) / 2)


@pytest.mark.parametrize(("sign", "which"), [(1, 0), (-1, 1)])
def test_the_gate_copies_either_source_exactly(sign, which):
    network = Network(TINY)
    with torch.no_grad():  # s is far from 0 but finite: tanh need not reach 1
        network.head.bias.copy_(torch.tensor([sign * 3.0, 0.0]))
    x_t, *sources = planes(17, 23)
    found = network(x_t, *sources, T, TASK)
    assert torch.allclose(found, sources[which], atol=1e-6, rtol=0)


@settings(deadline=None, max_examples=25)
@given(st.integers(1, 40), st.integers(1, 40), st.sampled_from([1, 2]))
def test_every_size_goes_through(height, width, fold):
    network = Network(NetworkSettings(widths=(4, 4), blocks=1, fold=fold, contrast=(3,)))
    x_t, a, b = planes(height, width)
    found = network(x_t, a, b, T, TASK)
    assert found.shape == (1, 1, height, width)
    assert bool(found.isfinite().all())


@pytest.mark.parametrize("fold", [1, 2])
@pytest.mark.parametrize("levels", [2, 3])
def test_no_pixel_beyond_the_reach_matters(fold, levels):
    sizes = NetworkSettings(widths=(4,) * levels, blocks=1, fold=fold, contrast=(3, 11))
    network = woken(sizes).double()
    side = 2 * (sizes.reach + sizes.stride) + 33
    middle = side // 2
    inputs = planes(side, side).double().requires_grad_()
    x_t, a, b = inputs
    network(x_t, a, b, T.double(), TASK)[0, 0, middle, middle].backward()
    touched = inputs.grad.abs().amax(dim=(0, 1, 2)).nonzero()
    far = (touched - middle).abs().max()
    assert 0 < far <= sizes.reach
    assert far > sizes.reach // 3  # the bound is not idle


def test_shifting_by_the_stride_shifts_the_output():
    network = woken().double()
    shift, reach = TINY.stride, TINY.reach
    x_t, a, b = planes(2 * reach + 40, 2 * reach + 40).double()
    whole = network(x_t, a, b, T.double(), TASK)
    part = network(*(p[..., shift:, shift:] for p in (x_t, a, b)), T.double(), TASK)
    inner = slice(reach, -reach)
    assert torch.allclose(
        whole[..., shift:, shift:][..., inner, inner], part[..., inner, inner], atol=1e-10
    )


def test_time_and_task_matter_and_tasks_differ():
    network = woken()
    x_t, a, b = planes(16, 16)
    base = network(x_t, a, b, T, TASK)
    assert not torch.allclose(base, network(x_t, a, b, T + 0.5, TASK))
    seen = [network(x_t, a, b, T, torch.tensor([i])) for i in TASK_IDS.values()]
    assert all(not torch.allclose(seen[0], other) for other in seen[1:])


def test_without_the_task_as_input_tasks_do_not_differ():
    network = woken(TINY.model_copy(update={"task": False}))
    x_t, a, b = planes(16, 16)
    assert torch.equal(network(x_t, a, b, T, TASK), network(x_t, a, b, T, TASK + 2))


def test_gradients_of_single_patches_can_be_vectorised():
    network = woken().double()
    weights = {k: v.detach() for k, v in network.named_parameters()}
    x = torch.rand(3, 3, 1, 8, 8, dtype=torch.float64)

    def loss(w, patch):
        x_t, a, b = patch[:, None]
        return functional_call(network, w, (x_t, a, b, T.double(), TASK)).square().mean()

    many = vmap(grad(loss), in_dims=(None, 0))(weights, x)
    one = grad(loss)(weights, x[1])
    for name, gradient in one.items():
        assert torch.allclose(many[name][1], gradient, rtol=1e-9)


class TestContrasts:
    def test_the_sharper_source_has_the_larger_sign(self):
        a = torch.zeros(1, 1, 16, 16)
        a[..., ::2] = 1
        found = contrasts(a, torch.zeros_like(a), (5, 11))
        assert found.shape == (1, 2, 16, 16)
        assert bool((found > 0.9).all())
        assert torch.equal(contrasts(torch.zeros_like(a), a, (5, 11)), -found)

    def test_equal_and_flat_sources_have_none(self):
        flat, a = torch.full((1, 1, 9, 9), 0.3), torch.rand(1, 1, 9, 9)
        assert torch.equal(contrasts(a, a, (5,)), torch.zeros(1, 1, 9, 9))
        assert torch.equal(contrasts(flat, -flat, (5,)), torch.zeros(1, 1, 9, 9))

    def test_the_mean_at_the_border_is_over_the_pixels_there_are(self):
        a = torch.rand(1, 1, 6, 7, dtype=torch.float64)
        padded = torch.nn.functional.pad(a, (1, 1, 1, 1), mode="replicate")[0, 0]
        detail = (
            padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
            - 4 * padded[1:-1, 1:-1]
        ).abs()  # fmt: skip
        corner = detail[:3, :3].mean()  # of 5 x 5, what lies inside
        found = contrasts(a, torch.zeros_like(a), (5,))[0, 0, 0, 0]
        assert found == pytest.approx(float(corner / (corner + 0.01)), abs=1e-12)


def test_batches_join_and_part():
    batch = Batch(*torch.rand(3, 4, 1, 2, 2), torch.arange(4), torch.ones(4))
    parts = [batch.part(slice(0, 1)), batch.part(slice(1, 4))]
    joined = Batch.join(parts)
    assert len(batch) == 4
    assert all(torch.equal(x, y) for x, y in zip(joined.tensors(), batch.tensors(), strict=True))

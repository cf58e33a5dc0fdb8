import pytest
import torch

from fusionlab.flow.batch import Batch
from fusionlab.flow.loss import Draw, LossSettings, draw, losses, scales_of, states, total
from fusionlab.flow.model import FusionModel, ModelSettings
from fusionlab.flow.network import NetworkSettings

TINY = NetworkSettings(widths=(4, 4), blocks=1, contrast=(3,))


def model(**settings):
    return FusionModel(ModelSettings(network=TINY, **settings))


def batch(count=6, side=12, seed=0):
    generator = torch.Generator().manual_seed(seed)
    planes = torch.rand(3, count, 1, side, side, generator=generator) * 2 - 1
    return Batch(*planes, torch.arange(count) % 4 + 1, torch.ones(count))


def generators(count, seed=0):
    return [torch.Generator().manual_seed(seed + i) for i in range(count)]


def drawn(m, patches, settings=None):
    return draw(patches, m, settings or LossSettings(), generators(len(patches)))


def test_a_perfect_prediction_costs_nothing_but_missing_detail():
    m, patches = model(), batch()
    m.predict = lambda *_: patches.label
    d = drawn(m, patches, LossSettings(own=0))
    found = losses(m, patches, states(m, patches, d), d.t, d.task, LossSettings())
    for name in ("value", "gradient", "ssim"):
        assert found[name].abs().max() < 1e-5
    assert bool((found["detail"] > 0).all())


def test_the_value_is_the_flow_matching_loss():
    m, patches = model(), batch()
    d = drawn(m, patches)
    x_t = states(m, patches, Draw(d.t, d.x_0, torch.zeros_like(d.own), d.task))
    u = m(x_t, patches.a, patches.b, d.t, d.task)
    v = patches.label - d.x_0
    plain = LossSettings(relative="none")
    found = losses(m, patches, x_t, d.t, d.task, plain)
    assert torch.allclose(found["value"], (u - v).square().mean(dim=(1, 2, 3)), atol=1e-6)


def test_the_scale_of_the_task_divides():
    m, patches = model(), batch()
    m.scales[1:] = torch.tensor([[2.0, 4.0]])
    d = drawn(m, patches)
    x_t = states(m, patches, d)
    by_task = losses(m, patches, x_t, d.t, d.task, LossSettings())
    plain = losses(m, patches, x_t, d.t, d.task, LossSettings(relative="none"))
    assert torch.allclose(by_task["value"], plain["value"] / 2)
    assert torch.allclose(by_task["gradient"], plain["gradient"] / 4)


def test_scales_are_the_mean_square_of_v_and_the_mean_of_its_gradient():
    patches = batch()
    v = (patches.label - (patches.a + patches.b) / 2).double()
    down = (v[..., 1:, :-1] - v[..., :-1, :-1]).abs()
    right = (v[..., :-1, 1:] - v[..., :-1, :-1]).abs()
    expected = torch.stack([v.square().mean(), (down + right).mean()])
    assert torch.allclose(scales_of(patches).double(), expected, atol=1e-6)


def test_labels_that_are_the_mean_do_not_divide_by_zero():
    patches = batch()
    same = Batch((patches.a + patches.b) / 2, *patches.tensors()[1:])
    assert bool((scales_of(same) > 0).all())


@pytest.mark.parametrize("relative", ["task", "sample", "none"])
def test_the_total_is_the_weighted_sum(relative):
    settings = LossSettings(relative=relative, gradient=0.25, ssim=0.5, detail=2.0, intensity=3.0)
    m, patches = model(), batch()
    d = drawn(m, patches)
    found = losses(m, patches, states(m, patches, d), d.t, d.task, settings)
    expected = found["value"] + 0.25 * found["gradient"] + 0.5 * found["ssim"]
    expected = expected + 2 * found["detail"] + 3 * found["intensity"]
    assert torch.allclose(total(found, settings), expected)


def test_the_brighter_source_is_asked_for_in_two_tasks_only():
    m, patches = model(), batch()
    m.predict = lambda *_: torch.maximum(patches.a, patches.b) - 0.25
    d = drawn(m, patches, LossSettings(own=0))
    found = losses(m, patches, d.x_0, d.t, d.task, LossSettings(intensity=1.0))["intensity"]
    expected = torch.where(patches.task <= 2, 0.25, 0.0)  # ivf, mif
    assert torch.allclose(found, expected, atol=1e-6)


def test_terms_without_weight_are_not_computed():
    settings = LossSettings(gradient=0, ssim=0, detail=0)
    m, patches = model(), batch()
    d = drawn(m, patches)
    assert list(losses(m, patches, d.x_0, d.t, d.task, settings)) == ["value"]


def test_a_regression_knows_only_the_start():
    d = drawn(model(objective="regression"), batch(64))
    assert bool((d.t == 0).all())
    assert not bool(d.own.any())


def test_half_of_the_times_are_zero_and_the_rest_uniform():
    patches = batch(2000, side=1)
    t = drawn(model(), patches, LossSettings(still=0.5)).t
    assert float((t == 0).float().mean()) == pytest.approx(0.5, abs=0.05)
    assert float(t[t > 0].mean()) == pytest.approx(0.5, abs=0.03)
    assert float(t.max()) < 1


def test_the_task_is_left_out_now_and_then():
    patches = batch(2000, side=1)
    d = drawn(model(), patches, LossSettings(unknown=0.2))
    assert float((d.task == 0).float().mean()) == pytest.approx(0.2, abs=0.04)
    assert torch.equal(d.task[d.task > 0], patches.task[d.task > 0])


def test_a_patch_gets_the_same_draw_in_whatever_batch_it_is():
    m, patches = model(sigma=0.1), batch()
    whole = drawn(m, patches)
    alone = draw(patches.part(slice(2, 3)), m, LossSettings(), generators(6)[2:3])
    assert all(
        torch.equal(x[2:3], y) for x, y in zip(whole.tensors(), alone.tensors(), strict=True)
    )


def test_own_states_lie_on_the_way_to_the_prediction_at_zero():
    m, patches = model(), batch()
    guess = torch.full_like(patches.label, 0.25)
    m.predict = lambda x_t, *_: guess[: len(x_t)]
    d = drawn(m, patches)
    own = torch.tensor([True, False, True, False, False, False])
    x_t = states(m, patches, Draw(torch.full((6,), 0.5), d.x_0, own, d.task))
    assert torch.allclose(x_t[own], (d.x_0[own] + 0.25) / 2)
    assert torch.allclose(x_t[~own], (d.x_0[~own] + patches.label[~own]) / 2)


def test_the_leak_a_network_that_only_inverts_the_path_is_perfect_but_at_zero():
    """Why the loss at t = 0 is reported apart."""
    m, patches = model(), batch()

    def invert(x_t, a, b, t, _task):
        x_0, time = (a + b) / 2, t.reshape(-1, 1, 1, 1)
        return torch.where(time > 0, x_0 + (x_t - x_0) / time.clamp(min=1e-6), x_0)

    m.predict = invert
    for time, bound in ((0.5, 1e-10), (0.0, None)):
        d = Draw(torch.full((6,), time), m.start(patches.a, patches.b), torch.zeros(6) > 0, None)
        value = losses(m, patches, states(m, patches, d), d.t, d.task, LossSettings())["value"]
        assert bool((value < bound).all()) if bound else bool((value > 0.1).all())

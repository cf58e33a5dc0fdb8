import pytest
import torch

from fusionlab.configs import checked
from fusionlab.errors import ConfigError
from fusionlab.flow.model import FusionModel, ModelSettings
from fusionlab.flow.network import NetworkSettings

TINY = NetworkSettings(widths=(4, 4), blocks=1, contrast=(3,))
TASK = torch.tensor([1])


def model(predicted=None, **settings):
    found = FusionModel(ModelSettings(network=TINY, **settings)).eval()
    if predicted is not None:
        found.predict = predicted
    return found


def sources(seed=0):
    generator = torch.Generator().manual_seed(seed)
    return (torch.rand(2, 1, 1, 12, 10, generator=generator) * 2 - 1).unbind(0)


def test_the_default_takes_four_steps_and_a_regression_one():
    assert [ModelSettings(objective=o).steps for o in ("flow", "noise-flow", "regression")] == [
        *(4, 4, 1),
    ]
    assert ModelSettings(objective="regression", steps=3).steps == 3


def test_what_holds_noise_has_an_endpoint_velocity():
    assert ModelSettings().velocity == "straight"
    assert ModelSettings(sigma=0.1).velocity == "endpoint"
    settings = ModelSettings(objective="noise-flow")
    assert (settings.start, settings.velocity) == ("noise", "endpoint")


def test_settings_survive_json():
    for objective in ("flow", "noise-flow", "regression"):
        settings = ModelSettings(objective=objective, network=TINY)
        assert ModelSettings.model_validate_json(settings.model_dump_json()) == settings


def test_a_wrong_setting_is_named():
    with pytest.raises(ConfigError, match=r"unknown key 'sigm'\. Did you mean 'sigma'"):
        checked({"sigm": 1}, ModelSettings, "settings")


@pytest.mark.parametrize("velocity", ["straight", "endpoint"])
@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun", "rk4"])
@pytest.mark.parametrize("steps", [1, 3])
def test_a_perfect_prediction_is_reached_from_anywhere(velocity, solver, steps):
    a, b = sources()
    label = a * 0.3 + 0.1
    found = model(lambda *_: label, velocity=velocity).fuse(a, b, TASK, steps=steps, solver=solver)
    assert torch.allclose(found, label, atol=1e-5)


def test_with_a_straight_velocity_euler_returns_the_mean_of_the_predictions():
    a, b = sources()
    told = []

    def predict(x_t, _a, _b, t, _task):
        told.append(0.2 * x_t + 0.1 * t.reshape(-1, 1, 1, 1))
        return told[-1]

    found = model(predict).fuse(a, b, TASK, steps=4)
    assert torch.allclose(found, torch.stack(told).mean(0), atol=1e-6)


def test_with_an_endpoint_velocity_euler_returns_the_last_prediction():
    a, b = sources()
    told = []

    def predict(x_t, _a, _b, t, _task):
        told.append(0.2 * x_t + 0.1 * t.reshape(-1, 1, 1, 1))
        return told[-1]

    found = model(predict, velocity="endpoint").fuse(a, b, TASK, steps=4)
    assert torch.allclose(found, told[-1], atol=1e-6)


def test_the_result_is_within_black_and_white():
    a, b = sources()
    found = model(lambda x_t, *_: 5 * torch.sign(x_t)).fuse(a, b, TASK)
    assert float(found.max()) <= 1
    assert float(found.min()) >= -1


def test_noise_depends_on_the_image_s_generator_alone():
    noisy = model(sigma=0.1)
    a, b = sources()
    two = [torch.cat([x, x]) for x in (a, b)]
    generators = [torch.Generator().manual_seed(i) for i in (3, 4)]
    both = noisy.start(*two, generators)
    one = noisy.start(a, b, [torch.Generator().manual_seed(4)])
    assert torch.equal(both[1:], one)
    assert not torch.equal(both[:1], one)


def test_another_velocity_can_be_put_in_place_of_the_network():
    a, b = sources()
    found = model().fuse(a, b, TASK, steps=2, velocity=lambda x, _t: torch.full_like(x, 0.1))
    assert torch.allclose(found, ((a + b) / 2 + 0.1).clamp(-1, 1))

import pytest
import torch

from fusionlab.flow.path import between, start_of

A, B = torch.tensor([[[[-1.0, 0.5]]]]), torch.tensor([[[[0.0, -0.5]]]])


@pytest.mark.parametrize(
    ("start", "expected"),
    [("mean", [-0.5, 0.0]), ("max", [0.0, 0.5]), ("a", [-1.0, 0.5]), ("b", [0.0, -0.5])],
)
def test_starts_are_made_of_the_sources(start, expected):
    assert start_of(A, B, start).flatten().tolist() == expected


def test_noise_is_added_to_a_start_and_is_all_of_a_noise_start():
    noise = torch.tensor([[[[0.25, -0.25]]]])
    assert torch.equal(start_of(A, B, "mean", noise), start_of(A, B, "mean") + noise)
    assert torch.equal(start_of(A, B, "noise", noise), noise)


def test_the_path_is_straight_and_its_velocity_constant():
    x_0, x_1 = torch.randn(3, 1, 2, 2), torch.randn(3, 1, 2, 2)
    zero, half, one = (torch.full((3,), t) for t in (0.0, 0.5, 1.0))
    assert torch.equal(between(x_0, x_1, zero), x_0)
    assert torch.equal(between(x_0, x_1, one), x_1)
    step = between(x_0, x_1, half) - x_0
    assert torch.allclose(2 * step, x_1 - x_0, atol=1e-6)


def test_each_image_has_its_own_time():
    x_0, x_1 = torch.zeros(2, 1, 1, 1), torch.ones(2, 1, 1, 1)
    assert between(x_0, x_1, torch.tensor([0.25, 0.75])).flatten().tolist() == [0.25, 0.75]

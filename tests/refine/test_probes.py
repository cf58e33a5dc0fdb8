"""The networks of the probes: sizes, shapes, borders, and the booster by hand."""

import cv2
import numpy as np
import pytest
import torch

from fusionlab.refine.probes import MIN_SIDE, REACH, Assembler, Probe, Probes, boost


def parameters(module):
    return sum(p.numel() for p in module.parameters())


@pytest.fixture
def net():
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        return Probes().requires_grad_(False)


def test_parameter_counts_are_those_of_the_paper():
    assert parameters(Probe()) == 9569
    assert parameters(Assembler()) == 23873
    assert parameters(Probes()) == 2 * 9569 + 23873 == 43011


@pytest.mark.parametrize("size", [(16, 16), (17, 23), (2, 2), (2, 31)])
def test_every_size_keeps_its_size_and_range(net, size):
    fused = torch.rand(3, 1, *size, generator=torch.Generator().manual_seed(1))
    components = net.explain(fused)
    assert components.shape == (3, 2, *size)
    rebuilt = net(fused)
    assert rebuilt.shape == fused.shape
    for out in (components, rebuilt):
        assert float(out.min()) >= 0
        assert float(out.max()) <= 1


def test_the_two_components_come_from_probes_of_their_own(net):
    fused = torch.rand(1, 1, 9, 9, generator=torch.Generator().manual_seed(2))
    components = net.explain(fused)
    torch.testing.assert_close(components[:, :1], net.first(fused))
    torch.testing.assert_close(components[:, 1:], net.second(fused))
    assert not torch.allclose(components[:, :1], components[:, 1:])


def test_borders_are_reflected(net):
    fused = torch.rand(1, 1, 6, 7, generator=torch.Generator().manual_seed(3))
    for layer in (net.first.layers[0], net.second.layers[0], net.assembler.first[0]):
        around = torch.nn.functional.pad(fused, (1, 1, 1, 1), mode="reflect")
        by_hand = torch.nn.functional.conv2d(around, layer.weight, layer.bias)
        torch.testing.assert_close(layer(fused), by_hand)


def test_a_flat_image_stays_flat(net):
    out = net(torch.full((1, 1, 10, 11), 0.3))
    assert float(out.max() - out.min()) < 1e-6


@pytest.mark.parametrize("size", [(20, 27), (MIN_SIDE, MIN_SIDE), (4, 9)])
def test_booster_is_its_formula(size):
    rng = np.random.default_rng(0)
    components, sources = rng.random((2, 2, 2, *size))
    boosted = boost(torch.from_numpy(components), torch.from_numpy(sources)).numpy()
    for n in range(2):
        for k in range(2):
            rec, source = components[n, k], sources[n, k]
            padded = np.pad(rec, 3, mode="reflect")
            mean = (
                sum(
                    padded[dy : dy + size[0], dx : dx + size[1]]
                    for dy in range(7)
                    for dx in range(7)
                )
                / 49
            )
            np.testing.assert_allclose(boosted[n, k], rec + source - mean, atol=1e-12)
            blurred = cv2.blur(rec, (7, 7), borderType=cv2.BORDER_REFLECT_101)
            np.testing.assert_allclose(mean, blurred, atol=1e-12)


def test_nothing_further_than_the_reach_matters(net):
    side = 2 * REACH + 3
    fused = torch.rand(1, 1, side, side, generator=torch.Generator().manual_seed(4))
    sources = torch.rand(1, 2, side, side, generator=torch.Generator().manual_seed(5))
    centre = REACH + 1

    def out(f):
        return net.assemble(boost(net.explain(f), sources))[0, 0, centre, centre].item()

    far, near = fused.clone(), fused.clone()
    far[..., 0, 0] = 1 - far[..., 0, 0]
    near[..., centre, centre] = 1 - near[..., centre, centre]
    assert out(far) == out(fused)
    assert out(near) != out(fused)

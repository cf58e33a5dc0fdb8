"""Tiles: what they cut, and that nobody can tell from the fused image that there were any."""

from __future__ import annotations

import pytest
import torch
from fusing_models import make_model
from hypothesis import given
from hypothesis import strategies as st

from fusionlab.flow.network import NetworkSettings
from fusionlab.inference.tiles import round_up, smallest, spans, tiled_velocity


def narrow(model, more=1):
    """The side of a tile of which little is kept, so that a small image has many."""
    return 2 * round_up(model.reach, model.stride) + more * 4 * model.stride


@given(
    side=st.integers(1, 3000),
    stride=st.sampled_from([1, 2, 4, 8]),
    reach=st.integers(0, 40),
    more=st.integers(0, 60),
)
def test_spans_keep_every_pixel_once_with_its_surroundings(side, stride, reach, more):
    tile = 2 * round_up(reach, stride) + (1 + more) * stride
    found = spans(side, tile, reach, stride)
    kept = [pixel for span in found for pixel in range(span.first, span.last)]
    assert kept == list(range(side))
    for span in found:
        assert span.start % stride == 0
        assert span.stop == side or span.stop % stride == 0
        assert 0 < span.stop - span.start <= max(tile, side if len(found) == 1 else 0)
        assert span.start <= max(0, span.first - reach)
        assert span.stop >= min(side, span.last + reach)


def test_tiles_are_few_and_of_nearly_one_size():
    sizes = [span.stop - span.start for span in spans(1000, 256, 30, 8)]
    assert len(sizes) == 5
    assert max(sizes) - min(sizes) <= 8 * len(sizes)
    assert [(s.start, s.stop) for s in spans(256, 256, 30, 8)] == [(0, 256)]
    assert len(spans(257, 256, 30, 8)) == 2


def test_the_smallest_tile_costs_four_times_at_most():
    tile = smallest(108, 8)
    seen = sum(span.stop - span.start for span in spans(10_000, tile, 108, 8))
    assert seen / 10_000 <= 2


NETWORKS = {
    "fold 2": NetworkSettings(widths=(6, 8), blocks=1, contrast=(5,)),
    "fold 1": NetworkSettings(widths=(4, 6, 8), blocks=1, contrast=(), fold=1, gate=False),
    "wide boxes": NetworkSettings(widths=(4, 4), blocks=2, contrast=(5, 31)),
}
SIZES = [(97, 131), (64, 301), (300, 1), (1, 257), (150, 7)]


@pytest.mark.parametrize("network", NETWORKS)
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_tiled_equals_whole_at_every_pixel(network, size):
    model = make_model(NETWORKS[network])
    tile = narrow(model)
    a, b = torch.rand(2, 1, 1, *size, generator=torch.Generator().manual_seed(1)) * 2 - 1
    task = torch.tensor([1])
    with torch.inference_mode():
        whole = model.fuse(a, b, task, steps=2)
        tiled = model.fuse(a, b, task, steps=2, velocity=tiled_velocity(model, a, b, task, tile))
    assert whole.std() > 0.05
    assert torch.allclose(tiled, whole, rtol=0, atol=1e-5)


@pytest.mark.parametrize("solver", ["euler", "midpoint", "heun", "rk4"])
@pytest.mark.parametrize("steps", [1, 3])
def test_tiled_equals_whole_for_every_solver(solver, steps):
    model = make_model(start="max", velocity="endpoint")
    a, b = torch.rand(2, 2, 1, 111, 150, generator=torch.Generator().manual_seed(2)) * 2 - 1
    task = torch.tensor([0, 4])
    tile = narrow(model, 2)
    velocity = tiled_velocity(model, a, b, task, tile)
    with torch.inference_mode():
        whole = model.fuse(a, b, task, steps=steps, solver=solver)
        tiled = model.fuse(a, b, task, steps=steps, solver=solver, velocity=velocity)
    assert torch.allclose(tiled, whole, rtol=0, atol=1e-4)


def test_a_margin_of_less_than_the_reach_would_show():
    """The test above can fail: with half the margin the same comparison does not hold."""
    model = make_model(NETWORKS["wide boxes"])
    a, b = torch.rand(2, 1, 1, 40, 400, generator=torch.Generator().manual_seed(3)) * 2 - 1
    task = torch.tensor([1])

    class Short:
        stride, reach = model.stride, 4

        def __call__(self, *given):
            return model(*given)

    with torch.inference_mode():
        whole = model.fuse(a, b, task, steps=1)
        short = model.fuse(a, b, task, steps=1, velocity=tiled_velocity(Short(), a, b, task, 48))
    assert (short - whole).abs().max() > 1e-3

"""Maps of metrics: their weighted mean is the metric, and they tell where it changed."""

from __future__ import annotations

import numpy as np
import pytest

from fusionlab.metrics import measure
from fusionlab.metrics.maps import MAPS, LocalMaps
from fusionlab.testing.scenes import cases, textures


@pytest.mark.parametrize("case", cases(33), ids=lambda case: case.name)
def test_the_weighted_mean_is_the_metric(case) -> None:
    maps = LocalMaps(dict.fromkeys(MAPS, 0), case.a, case.b)
    found = maps.values(case.fused)
    for name, value in measure(case.a, case.b, case.fused, list(MAPS)).items():
        weight = maps.weights[name].sum()
        if np.isnan(value):
            assert weight == 0
        else:
            assert found[name].sum() / weight == pytest.approx(value, rel=1e-9, abs=1e-12)


def test_a_halved_map_is_the_metric_of_halved_images() -> None:
    images = textures(64, 80)[:3]
    halves = [(x[::2] + x[1::2]).astype(float) for x in (image.astype(float) for image in images)]
    halves = [(x[:, ::2] + x[:, 1::2]) / 4 for x in halves]
    maps = LocalMaps(dict.fromkeys(MAPS, 1), images[0], images[1])
    values = measure(*halves, list(MAPS), data_range=255.0)
    for name, found in maps.values(images[2]).items():
        assert found.shape == maps.weights[name].shape == (32, 40)
        assert found.sum() / maps.weights[name].sum() == pytest.approx(values[name], rel=1e-9)


def test_a_change_shows_where_it_is() -> None:
    a, b, fused, _ = textures(64, 80)
    changed = fused.copy()
    changed[30:34, 50:54] ^= 64
    maps = LocalMaps({"QG": 0, "QW": 0, "QY": 1}, a, b)
    before, after = maps.values(fused), maps.values(changed)
    for name, reach in {"QG": 1, "QW": 5, "QY": 7}.items():
        scale = 80 // before[name].shape[1]
        y, x = np.nonzero(before[name] != after[name])
        assert len(y)
        assert (30 - reach - 1) // scale <= y.min() <= y.max() <= (34 + reach) // scale
        assert (50 - reach - 1) // scale <= x.min() <= x.max() <= (54 + reach) // scale


def test_a_metric_without_a_map_is_told() -> None:
    with pytest.raises(KeyError):
        LocalMaps({"VIF": 0}, *textures(48, 48)[:2])

"""measure, measure_many, prepare, and the table of metrics."""

import math
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from fusionlab.errors import MetricInputError, UnknownNameError
from fusionlab.metrics import DEFAULT_METRICS, get, measure, measure_many, names, prepare, resolve

OF_SOURCES = [name for name in names() if get(name).arity != "reference"]
SMALL = [name for name in OF_SOURCES if get(name).min_side <= 47]


def test_names_are_unique_and_resolve():
    assert len(set(names())) == len(names())
    assert [m.name for m in resolve(["VIF", "EN", "VIF"])] == ["VIF", "EN"]
    assert resolve("EN") == (get("EN"),)


@pytest.mark.parametrize("name", names())
def test_declaration(name):
    metric = get(name)
    assert metric.direction in {"higher", "lower"}
    assert metric.arity in {"fused", "sources", "reference"}
    assert metric.range[0] < metric.range[1]
    assert metric.version >= 1
    assert metric.min_side >= 2
    assert metric.title
    assert metric.formula
    assert metric.source
    assert hash(metric) == hash(get(name))


def test_unknown_name():
    with pytest.raises(UnknownNameError, match="Did you mean 'Qabf'"):
        measure(np.zeros((9, 9)), np.zeros((9, 9)), np.zeros((9, 9)), ["QABF"])


def test_order_is_that_asked(images):
    asked = ("VIF", "EN", "SSIM")
    assert tuple(measure(*images, asked)) == asked
    table = measure_many(images[0], images[1], {"z": images[2], "a": images[0]}, asked)
    assert tuple(table.columns) == asked
    assert list(table.index) == ["z", "a"]
    assert table.index.name == "method"


def test_many_equals_one_bit_for_bit(images):
    a, b, f = images
    candidates = {"one": f, "two": a, "three": f / 2 + 0.25, "four": (b // 2 + a // 2)}
    chosen = [*SMALL, "PSNR_ref", "SSIM_ref"]
    table = measure_many(a, b, candidates, chosen, reference=b)
    for name, fused in candidates.items():
        one = measure(a, b, fused, chosen, reference=b)
        assert np.array_equal(table.loc[name].to_numpy(), list(one.values()), equal_nan=True)


def test_alone_equals_together_bit_for_bit(images):
    together = measure(*images, SMALL)
    for name in SMALL:
        assert measure(*images, [name])[name] == together[name]


def test_no_candidates(images):
    table = measure_many(images[0], images[1], {})
    assert table.shape == (0, len(DEFAULT_METRICS))
    assert tuple(table.columns) == DEFAULT_METRICS


def test_threads_share_a_scene(images):
    a, b, f = images
    prepared = prepare((a, b), SMALL)
    with ThreadPoolExecutor(4) as pool:
        results = list(pool.map(prepared.measure, [f] * 16))
    assert all(values == measure(a, b, f, SMALL) for values in results)


@pytest.mark.parametrize("name", OF_SOURCES)
def test_smallest_side(name, make_triple):
    side = get(name).min_side
    assert math.isfinite(measure(*make_triple(side, side + 3), [name])[name])
    small = make_triple(side - 1, side + 3)
    wanted = rf"{name} needs at least {side} x {side} pixels; got {side - 1} x {side + 3}"
    with pytest.raises(MetricInputError, match=wanted):
        measure(*small, [name])
    with pytest.raises(MetricInputError, match=wanted):
        measure_many(small[0], small[1], {"one": small[2]}, [name])


def test_prepared_scene_gives_nan_when_too_small(make_triple):
    a, b, f = make_triple(16, 16)
    values = prepare((a, b), ("EN", "VIF", "SSIM")).measure(f)
    assert math.isnan(values["VIF"])
    assert math.isfinite(values["EN"])
    assert math.isfinite(values["SSIM"])


def test_what_a_metric_needs(images):
    a, b, f = images
    with pytest.raises(MetricInputError, match="VIF needs two sources; got 1"):
        prepare((a,), ("VIF",))
    with pytest.raises(MetricInputError, match="SSIM_ref compares with a reference"):
        measure(a, b, f, ["SSIM_ref"])
    with pytest.raises(MetricInputError, match="got none"):
        prepare(())
    assert prepare((a,), ("EN",)).measure(f) == measure(a, b, f, ["EN"])
    assert prepare((), ("SSIM_ref",), reference=a).measure(f) == measure(
        a, b, f, ["SSIM_ref"], reference=a
    )


def test_shots_must_fit(images):
    a, b, f = images
    assert measure(a, b, f, ["EN"], shots=(a, b, f)) == measure(a, b, f, ["EN"])
    with pytest.raises(MetricInputError, match="shot 2"):
        measure(a, b, f, ["EN"], shots=(a, b[1:]))


def test_import_is_light():
    code = (
        "import sys, fusionlab.metrics; print([m for m in ('pandas', 'torch') if m in sys.modules])"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"

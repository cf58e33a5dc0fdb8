"""Our metrics pass the suite; metrics that break a rule are told which."""

import dataclasses
import threading

import numpy as np
import pytest

from fusionlab import metrics
from fusionlab.errors import UnknownNameError
from fusionlab.metrics import Family, Metric, registry
from fusionlab.testing import ConformanceError, check_metric

OURS = [metric.name for family in registry.FAMILIES for metric in family.metrics]


@pytest.mark.parametrize("name", OURS)
def test_ours_pass(name: str) -> None:
    check_metric(name)


def test_a_declaration_will_do_and_an_unknown_name_will_not() -> None:
    check_metric(metrics.get("EN"))
    with pytest.raises(UnknownNameError, match="Qabf"):
        check_metric("Qabg")


GOOD = Metric(
    name="toy",
    title="Mean of the fused image",
    formula="mean F",
    source="this test",
    range=(0.0, 255.0),
    arity="fused",
)


def mean(_state: object, fused: np.ndarray, _wanted: object) -> dict[str, float]:
    return {"toy": float(fused.mean())}


def nothing(_scene: object, _wanted: object) -> None:
    return None


@pytest.fixture
def registered(monkeypatch: pytest.MonkeyPatch):
    def register(metric: Metric = GOOD, compute=mean, prepare=nothing) -> str:
        family = Family("toy", (metric,), prepare, compute)
        table = {**registry._table(), "toy": (metric, family)}
        monkeypatch.setattr(registry, "_table", lambda: table)
        return metric.name

    return register


def broken_by(name: str) -> str:
    with pytest.raises(ConformanceError) as caught:
        check_metric(name)
    assert caught.value.name == name
    assert caught.value.rule in str(caught.value)
    return caught.value.rule


def test_the_toy_passes(registered) -> None:
    check_metric(registered())


@pytest.mark.parametrize(
    "change",
    [
        {"title": " "},
        {"source": ""},
        {"range": (1.0, 0.0)},
        {"direction": "up"},
        {"min_side": 0},
        {"version": 0},
    ],
)
def test_declaration(registered, change: dict) -> None:
    assert broken_by(registered(dataclasses.replace(GOOD, **change))) == "declaration"


def test_range(registered) -> None:
    assert broken_by(registered(dataclasses.replace(GOOD, range=(0.0, 50.0)))) == "range"


def test_negative_zero(registered) -> None:
    assert broken_by(registered(compute=lambda *_: {"toy": -0.0})) == "range"


def test_not_a_float(registered) -> None:
    assert broken_by(registered(compute=lambda *_: {"toy": 1})) == "value"


def test_nan_must_be_declared_and_only_on_degenerate_images(registered) -> None:
    def spread(_state, fused, _wanted):
        return {"toy": float(fused.std()) if fused.std() else float("nan")}

    assert broken_by(registered(compute=spread)) == "nan"
    check_metric(registered(dataclasses.replace(GOOD, nan_when="F is flat"), spread))
    assert broken_by(registered(compute=lambda *_: {"toy": float("nan")})) == "nan"


def test_raw_8_bit_arithmetic(registered) -> None:
    def wraps(_state, fused, _wanted):
        return {"toy": float((fused + fused.dtype.type(100)).mean())}

    wide = dataclasses.replace(GOOD, range=(0.0, 400.0))
    assert broken_by(registered(wide, wraps)) == "uint8 = float64"


def test_more_than_was_wanted(registered) -> None:
    both = {"toy": 1.0, "other": 2.0}
    assert broken_by(registered(compute=lambda *_: both)) == "compute"


def test_input_that_is_changed(registered) -> None:
    def paints(_state, fused, _wanted):
        value = float(fused.mean())
        fused[0, 0] = 255 - fused[0, 0]
        return {"toy": value}

    assert broken_by(registered(compute=paints)) in ("memory order", "uint8 = float64")


def test_a_value_that_depends_on_the_call(registered) -> None:
    calls, lock = iter(range(10**6)), threading.Lock()

    def counts(_state, fused, _wanted):
        with lock:
            return {"toy": float(fused.mean()) + 1e-12 * (next(calls) + 1)}

    assert broken_by(registered(compute=counts)) == "determinism"


def test_state_that_candidates_leave_behind(registered) -> None:
    def remembers(state, fused, _wanted):
        state.append(float(fused.mean()))
        return {"toy": max(state)}

    name = registered(compute=remembers, prepare=lambda *_: [])
    assert broken_by(name) == "batch = single"


def test_symmetry_and_direction(registered) -> None:
    sources = dataclasses.replace(GOOD, arity="sources", range=(-255.0, 255.0))

    def order(state, fused, _wanted):
        return {"toy": float(state.a.astype(float).mean() - fused.mean())}

    def error(state, fused, _wanted):
        return {"toy": float(np.abs(state.a.astype(float) - fused).mean())}

    def keep(scene, _wanted):
        return scene

    assert broken_by(registered(sources, order, keep)) == "symmetry"
    lopsided = dataclasses.replace(sources, symmetric=False)
    assert broken_by(registered(lopsided, error, keep)) == "direction"
    check_metric(registered(dataclasses.replace(lopsided, direction="lower"), error, keep))

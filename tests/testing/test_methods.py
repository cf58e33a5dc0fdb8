"""Our methods pass the suite; methods that break a rule are told which."""

import dataclasses
import threading

import numpy as np
import pytest

from fusionlab import baselines
from fusionlab.baselines import Baseline
from fusionlab.errors import UnknownNameError
from fusionlab.testing import ConformanceError, check_method


@pytest.mark.parametrize("name", baselines.names())
def test_ours_pass(name: str) -> None:
    check_method(name)


def test_an_unknown_name() -> None:
    with pytest.raises(UnknownNameError, match="laplacian"):
        check_method("laplacien")


def mean(planes):
    return np.mean(planes, axis=0)


GOOD = Baseline("toy", "a mean", ("ivf", "mff"), "this test", mean)


def broken_by(fuse=mean, **change) -> str:
    with pytest.raises(ConformanceError, match="method 'toy' breaks the rule") as caught:
        check_method(dataclasses.replace(GOOD, fuse=fuse, **change))
    assert (caught.value.name, caught.value.kind) == ("toy", "method")
    return caught.value.rule


def test_a_declaration_that_is_not_registered_will_do() -> None:
    check_method(GOOD)


@pytest.mark.parametrize(
    "change",
    [{"title": " "}, {"paper": ""}, {"tasks": ()}, {"tasks": ("ivff",)}, {"version": 0}],
)
def test_declaration(change: dict) -> None:
    assert broken_by(**change) == "declaration"


@pytest.mark.parametrize(
    "fuse",
    [
        lambda planes: mean(planes)[:-1],
        lambda planes: mean(planes) * np.nan,
        lambda planes: (planes[0] + planes[1]) / (len(planes) == 2 and 2),
        lambda planes: (planes[0] + planes[1]) / 2 if len(planes) == 2 else planes[3],
        lambda planes: mean(planes) + 0 * np.array(planes)[:, 7, 7].sum(),
    ],
    ids=["cropped", "nan", "division", "two sources only", "large ones only"],
)
@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_results_that_are_no_image(fuse) -> None:
    assert broken_by(fuse) == "result"


def test_input_that_is_changed() -> None:
    def paints(planes):
        planes[0] += 0.0 if planes[0].max() == planes[0].min() else 1.0
        return mean(planes)

    assert broken_by(paints) == "input"


def test_results_that_depend_on_the_call() -> None:
    calls, lock = iter(range(10**6)), threading.Lock()

    def counts(planes):
        with lock:
            return mean(planes) + next(calls) % 2

    assert broken_by(counts) == "determinism"


def test_memory_that_is_taken_for_contiguous() -> None:
    def reads_flat(planes):
        shape = planes[0].shape
        return np.mean([p.ravel(order="K").reshape(shape) for p in planes], axis=0)

    assert broken_by(reads_flat) == "memory order"


def test_order() -> None:
    def second(planes):
        return 0.6 * planes[0] + 0.4 * planes[-1]

    assert broken_by(second) == "symmetry"
    check_method(dataclasses.replace(GOOD, fuse=second, symmetric=False))


def test_flat_sources_and_identical_ones() -> None:
    def brightens(planes):
        return mean(planes) + (40.0 if np.ptp(mean(planes)) == 0 else 2.0)

    def stretches(planes):
        plane = mean(planes)
        low, high = plane.min(), plane.max()
        return plane if high == low else (plane - low) * 255 / (high - low)

    assert broken_by(brightens) == "flat"
    assert broken_by(stretches) == "identity"
    check_method(dataclasses.replace(GOOD, fuse=brightens), tolerance=40.0)
    check_method(dataclasses.replace(GOOD, fuse=stretches), tolerance=255.0)

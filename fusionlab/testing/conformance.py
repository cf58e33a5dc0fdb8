"""What every metric must keep, whoever wrote it.

The declaration is complete; values lie in the declared range and never get worse for a perfect
copy; 8-bit and float64 images, contiguous or not, alone or in a batch, once or again, give the same
value; exchanging the sources changes nothing where that is declared; nan appears only where it is
declared, and for images that are too small.
"""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np

from fusionlab.errors import MetricInputError
from fusionlab.metrics import Metric, Scene, get, measure, prepare, registry
from fusionlab.testing.scenes import Case, cases, random_images, textures

RELATIVE, ABSOLUTE = 1e-6, 1e-9
"""How far values may lie apart that are equal but for the order of sums."""

_THREADS = 4
_PLAIN_SIDE = 64  # histograms of smaller images have too many empty levels


class ConformanceError(AssertionError):
    """A metric or a method that breaks a rule.

    Parameters
    ----------
    name : that of the metric or method.
    rule : short name of the rule.
    detail : what was got and what was expected.
    kind : ``"metric"`` or ``"method"``.
    """

    def __init__(self, name: str, rule: str, detail: str, kind: str = "metric") -> None:
        self.name, self.rule, self.detail, self.kind = name, rule, detail, kind
        super().__init__(f"{kind} {name!r} breaks the rule {rule!r}: {detail}")


def check_metric(metric: str | Metric) -> None:
    """Check that a metric keeps the rules that all of FusionLab's metrics keep.

    Parameters
    ----------
    metric : its name or declaration. It must be registered: ours, or a plug-in's that is installed.

    Raises
    ------
    ConformanceError
        For the first rule that is broken; an `AssertionError`, so that tests report it as theirs.
    UnknownNameError
        If the metric is not registered.
    """
    declared = get(metric if isinstance(metric, str) else metric.name)
    _declaration(declared)
    found = cases(declared.min_side)
    for rule in (_values, _types, _memory, _determinism, _batch, _symmetry):
        for case in found:
            rule(declared, case)
    _direction(declared)
    _too_small(declared)


def _declaration(metric: Metric) -> None:
    for name in ("name", "title", "formula", "source"):
        text = getattr(metric, name)
        if not isinstance(text, str) or not text.strip() or text != text.strip():
            _fail(metric, "declaration", f"{name} is {text!r}; expected words")
    low, high = metric.range
    if not low < high:
        _fail(metric, "declaration", f"range is {metric.range}; expected (smallest, largest)")
    choices = {
        "direction": (metric.direction, ("higher", "lower")),
        "arity": (metric.arity, ("fused", "sources", "reference")),
    }
    for name, (value, allowed) in choices.items():
        if value not in allowed:
            _fail(metric, "declaration", f"{name} is {value!r}; expected one of {allowed}")
    if metric.min_side < 1 or metric.version < 1:
        _fail(metric, "declaration", "min_side and version must be 1 or more")


def _values(metric: Metric, case: Case) -> None:
    """Check for a float in the declared range, and nan only on degenerate images, if declared."""
    value = _measure(metric, case)
    if not isinstance(value, float):
        _fail(metric, "value", f"is a {type(value).__name__} on {case.name} images, not a float")
    if math.isnan(value):
        if not (case.degenerate and metric.nan_when):
            _fail(metric, "nan", f"nan on {case.name} images; nan_when is {metric.nan_when!r}")
        return
    low, high = metric.range
    slack = ABSOLUTE + RELATIVE * max(abs(x) for x in (low, high, 0.0) if math.isfinite(x))
    if not low - slack <= value <= high + slack:
        _fail(metric, "range", f"{value} on {case.name} images is outside {low:g}..{high:g}")
    if value == 0 and math.copysign(1.0, value) < 0:
        _fail(metric, "range", f"-0.0 on {case.name} images; expected 0.0")


def _types(metric: Metric, case: Case) -> None:
    """Check that the integer path and the float64 path of the family agree."""
    family, wanted = registry.family_of(metric.name), frozenset({metric.name})
    exact = Scene((case.a, case.b), case.truth, (case.a, case.b))
    loose = exact.as_float()
    integer = family.compute(family.prepare(exact, wanted), case.fused, wanted)
    floating = family.compute(family.prepare(loose, wanted), case.fused.astype(np.float64), wanted)
    if set(integer) != wanted or set(floating) != wanted:
        _fail(metric, "compute", f"returns {sorted(integer)}; expected exactly {sorted(wanted)}")
    _same(metric, "uint8 = float64", case, integer[metric.name], floating[metric.name])


def _memory(metric: Metric, case: Case) -> None:
    """Check that memory order does not matter and that no input is changed."""
    images = (case.a, case.b, case.fused, case.truth)
    before = [image.copy() for image in images]
    plain = _measure(metric, case)
    for change in (np.asfortranarray, _strided):
        a, b, fused, truth = (change(image) for image in images)
        changed = Case(case.name, a, b, fused, truth)
        _same(metric, "memory order", case, plain, _measure(metric, changed))
    if not all(np.array_equal(x, y) for x, y in zip(images, before, strict=True)):
        _fail(metric, "memory order", f"changes its input on {case.name} images")


def _determinism(metric: Metric, case: Case) -> None:
    """Check for the same value to the bit, again and from several threads at once."""
    first = _measure(metric, case)
    scene = _prepare(metric, case)
    with ThreadPoolExecutor(_THREADS) as pool:
        again = list(pool.map(lambda _: scene.measure(case.fused)[metric.name], range(_THREADS)))
    for value in again:
        if not _equal(first, value):
            _fail(metric, "determinism", f"{first!r} and then {value!r} on {case.name} images")


def _batch(metric: Metric, case: Case) -> None:
    """Check that a scene gives each of many candidates what a fresh scene gives it."""
    scene = _prepare(metric, case)
    for fused in (case.fused, case.a, case.truth, case.fused):
        alone = _prepare(metric, case).measure(fused)[metric.name]
        _same(metric, "batch = single", case, alone, scene.measure(fused)[metric.name])


def _symmetry(metric: Metric, case: Case) -> None:
    if metric.symmetric and metric.arity == "sources":
        swapped = Case(case.name, case.b, case.a, case.fused, case.truth)
        value, other = _measure(metric, case), _measure(metric, swapped)
        _same(metric, "symmetry", case, value, other)


def _direction(metric: Metric) -> None:
    """Check that a perfect copy is not worse than an image of noise."""
    if metric.arity == "fused":
        return
    side = max(metric.min_side, _PLAIN_SIDE)
    image, noise = textures(side, side)[0], random_images(side, side)[0]
    best = _measure(metric, Case("copy", image, image, image, image))
    worst = _measure(metric, Case("noise", image, image, noise, image))
    if best < worst if metric.direction == "higher" else best > worst:
        _fail(
            metric,
            "direction",
            f"{metric.direction} is better, but a perfect copy has {best:g} and noise {worst:g}",
        )


def _too_small(metric: Metric) -> None:
    """Check that images below min_side are nan in a scene and an error when measured alone."""
    side = metric.min_side - 1
    if side < 1:
        return
    small = Case("too small", *textures(side, side + 9))
    value = _prepare(metric, small).measure(small.fused)[metric.name]
    if not math.isnan(value):
        _fail(metric, "min_side", f"{value} on images of {side} pixels; expected nan")
    try:
        measure(small.a, small.b, small.fused, [metric.name], reference=small.truth)
    except MetricInputError:
        return
    _fail(metric, "min_side", f"no error on images of {side} pixels")


def _prepare(metric: Metric, case: Case) -> Any:
    return prepare((case.a, case.b), [metric.name], reference=case.truth)


def _measure(metric: Metric, case: Case) -> float:
    value: float = _prepare(metric, case).measure(case.fused)[metric.name]
    return value


def _strided(image: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Return the same image, every second element of a larger array, in reversed order."""
    height, width = image.shape
    wide = np.zeros((height, 2 * width), image.dtype)
    view = wide[::-1, ::-2]
    view[...] = image
    return view


def _same(metric: Metric, rule: str, case: Case, one: float, other: float) -> None:
    close = math.isclose(one, other, rel_tol=RELATIVE, abs_tol=ABSOLUTE)
    if not (close or _equal(one, other)):
        _fail(metric, rule, f"{one!r} and {other!r} on {case.name} images")


def _equal(one: float, other: float) -> bool:
    return one == other or (math.isnan(one) and math.isnan(other))


def _fail(metric: Metric, rule: str, detail: str) -> None:
    raise ConformanceError(metric.name, rule, detail)

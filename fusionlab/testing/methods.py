"""What every fusion method must keep, whoever wrote it.

The declaration is complete; a method takes two sources or more of any size, gray or colour, flat,
black or identical, and returns an image of their size, to the bit the same again and from several
threads at once; it changes no input, and the order of memory does not matter to it; what is the
same in all sources comes back; what is flat stays between the sources; exchanging the sources
changes nothing where that is declared.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import numpy as np

from fusionlab import colour
from fusionlab.baselines import Baseline, apply, get
from fusionlab.baselines.base import name_fault, tasks_fault
from fusionlab.testing.conformance import ConformanceError
from fusionlab.testing.scenes import random_images, textures

if TYPE_CHECKING:
    from collections.abc import Callable

    from fusionlab.colour import Image, Plane

TOLERANCE = 1.0
"""How far, in levels, identical sources may come back from where they were."""

_EQUAL = 0.01  # levels: planes that are equal but for the order of sums and 32 bits
_THREADS = 4
_SIZES = ((1, 1), (1, 9), (9, 1), (2, 3), (7, 5), (32, 48), (37, 53))


@dataclass(frozen=True)
class _Case:
    """The sources of one scene, and what it is in words."""

    words: str
    sources: tuple[Image, ...]

    @property
    def planes(self) -> list[Plane]:
        return [colour.luminance(source) for source in self.sources]


def check_method(method: str | Baseline, *, tolerance: float = TOLERANCE) -> None:
    """Check that a fusion method keeps the rules that all of FusionLab's methods keep.

    Parameters
    ----------
    method : its name, ours or a plug-in's that is installed; or its declaration.
    tolerance : how many levels the result may differ from sources that are all the same, or leave
        the range of flat ones. 255 for methods that are not meant to return what all sources show.

    Raises
    ------
    ConformanceError
        For the first rule that is broken; an `AssertionError`, so that tests report it as theirs.
    UnknownNameError
        If there is no method of that name.
    """
    declared = method if isinstance(method, Baseline) else get(method)
    _declaration(declared)
    for case in _cases():
        for task in declared.tasks:
            _result(declared, task, case)
        _again(declared, case)
        _memory(declared, case)
        _order(declared, case)
    for case in _flat_cases():
        _result(declared, declared.tasks[0], case)
        _between(declared, case, tolerance)
    for case in _identical_cases():
        for task in declared.tasks:
            _result(declared, task, case)
            _identity(declared, task, case, tolerance)


def _declaration(method: Baseline) -> None:
    fault = name_fault(method.name) or tasks_fault(method.tasks)
    for field in ("title", "paper"):
        text = getattr(method, field)
        if not isinstance(text, str) or not text.strip() or text != text.strip():
            fault = fault or f"{field} is {text!r}; expected words"
    if not callable(method.fuse):
        fault = fault or f"fuse is {method.fuse!r}; expected a function"
    if not isinstance(method.version, int) or method.version < 1:
        fault = fault or f"version is {method.version!r}; expected 1 or more"
    if fault:
        _fail(method, "declaration", fault)


def _cases() -> list[_Case]:
    """Return scenes of two and three sources, with and without colour, structure and light."""
    found = [_Case(f"of size {s[0]} x {s[1]}", random_images(*s)[:2]) for s in _SIZES]
    a, b, c, _ = textures(37, 53)
    tinted = np.stack([a, c, b], axis=2)
    flat, black, white = (np.full_like(a, level) for level in (90, 0, 255))
    return [
        *found,
        _Case("textured", (a, b)),
        _Case("textured, three of them", (a, b, c)),
        _Case("gray and colour", (a, tinted)),
        _Case("colour and gray", (tinted, b)),
        _Case("colour, three of them", (tinted, tinted[..., ::-1], tinted[..., [1, 0, 2]])),
        _Case("textured and flat", (a, flat)),
        _Case("textured and black", (a, black)),
        _Case("flat and textured", (white, b)),
    ]


def _flat_cases() -> list[_Case]:
    levels = {"black and white": (0, 255), "flat": (90, 140), "flat, three of them": (9, 60, 61)}
    return [
        _Case(words, tuple(np.full((19, 26), level, np.uint8) for level in chosen))
        for words, chosen in levels.items()
    ]


def _identical_cases() -> list[_Case]:
    a, b, c, _ = textures(30, 41)
    images = {
        "textured": a,
        "colour": np.stack([a, b, c], axis=2),
        "random": random_images(21, 30)[0],
        "black": np.zeros((12, 17), np.uint8),
        "white": np.full((12, 17), 255, np.uint8),
        "one pixel": np.full((1, 1), 77, np.uint8),
    }
    pairs = [_Case(f"identical, {words}", (x, x.copy())) for words, x in images.items()]
    return [*pairs, _Case("identical, three of them", (a, a.copy(), a.copy()))]


def _result(method: Baseline, task: str, case: _Case) -> None:
    """Check for a uint8 image of the sources' size, in colour where the task's rule says so."""
    before = [source.copy() for source in case.sources]
    fused = _try(method, case, lambda: apply(method, task, case.sources))
    size = case.sources[0].shape[:2]
    allowed = [size, (*size, 3)] if any(map(colour.is_colour, case.sources)) else [size]
    if fused.dtype != np.uint8 or fused.shape not in allowed:
        got = f"{fused.dtype} {fused.shape} on {case.words} images for {task}"
        _fail(method, "result", f"{got}; expected uint8 {' or '.join(map(str, allowed))}")
    if not all(map(np.array_equal, case.sources, before)):
        _fail(method, "input", f"changes its input on {case.words} images")


def _again(method: Baseline, case: _Case) -> None:
    """Check for the same image to the bit, again and from several threads at once."""
    task = method.tasks[0]
    first = apply(method, task, case.sources)
    with ThreadPoolExecutor(_THREADS) as pool:
        again = list(pool.map(lambda _: apply(method, task, case.sources), range(_THREADS)))
    if not all(np.array_equal(first, other) for other in again):
        _fail(method, "determinism", f"not the same image twice on {case.words} images")


def _memory(method: Baseline, case: _Case) -> None:
    """Check that memory order does not matter and that no plane that is given is changed."""
    planes = case.planes
    plain = method.fuse(planes)
    if not all(map(np.array_equal, planes, case.planes)):
        _fail(method, "input", f"changes its input on {case.words} images")
    for change in (np.asfortranarray, _strided):
        changed = [change(plane) for plane in planes]
        other = _try(method, case, partial(method.fuse, changed))
        _same(method, "memory order", case, plain, other)


def _order(method: Baseline, case: _Case) -> None:
    if method.symmetric:
        planes = case.planes
        _same(method, "symmetry", case, method.fuse(planes), method.fuse(planes[::-1]))


def _between(method: Baseline, case: _Case, tolerance: float) -> None:
    """Check that what is flat stays within the levels of the sources."""
    planes = case.planes
    low, high = np.min(planes) - tolerance, np.max(planes) + tolerance
    fused = np.asarray(method.fuse(planes))
    if fused.min() < low or fused.max() > high:
        got = f"{fused.min():g} to {fused.max():g} on {case.words} images"
        _fail(method, "flat", f"{got}; expected {low:g} to {high:g}")


def _identity(method: Baseline, task: str, case: _Case, tolerance: float) -> None:
    """Check that what all sources show comes back."""
    fused, source = apply(method, task, case.sources), case.sources[0]
    if fused.ndim < source.ndim:  # the task's rule may find no colour
        source = colour.to_uint8(colour.luminance(source))
    error = np.abs(fused.astype(float) - source).max()
    if error > tolerance:
        _fail(
            method,
            "identity",
            f"differs by {error:g} levels on {case.words} images for {task}; "
            f"expected {tolerance:g} at the most",
        )


def _strided(plane: Plane) -> Plane:
    """Return the same plane, every second element of a larger array, in reversed order."""
    wide = np.zeros((plane.shape[0], 2 * plane.shape[1]), plane.dtype)
    view = wide[::-1, ::-2]
    view[...] = plane
    return view


def _same(method: Baseline, rule: str, case: _Case, one: Plane, other: Plane) -> None:
    apart = float(np.abs(np.asarray(one) - np.asarray(other)).max())
    if not apart <= _EQUAL:
        _fail(method, rule, f"{apart:g} levels apart on {case.words} images; expected no change")


def _try(method: Baseline, case: _Case, call: Callable[[], Any]) -> Any:
    """Return what a call returns; one that raises breaks a rule."""
    try:
        return call()
    except Exception as error:  # noqa: BLE001 - whatever another's method raises is the finding
        _fail(method, "result", f"raises {type(error).__name__} on {case.words} images: {error}")


def _fail(method: Baseline, rule: str, detail: str) -> NoReturn:
    raise ConformanceError(method.name, rule, detail, "method")

"""What a metric is, and how a family of metrics shares its work.

A family is a handful of metrics that stand on the same intermediate values. It has two parts::

    state  = family.prepare(scene, wanted)           # source-only work, once a scene
    values = family.compute(state, fused, wanted)    # the rest, once a candidate
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, Literal, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

Gray: TypeAlias = NDArray[np.uint8] | NDArray[np.float64]
"""(H, W) luminance on the 0..255 scale: uint8 where every value is an integer, else float64."""

Floats: TypeAlias = NDArray[np.float64]
Wanted: TypeAlias = frozenset[str]
Direction: TypeAlias = Literal["higher", "lower"]
Arity: TypeAlias = Literal["fused", "sources", "reference"]

INF = float("inf")


@dataclass(frozen=True, kw_only=True)
class Metric:
    """The declaration of one metric.

    Parameters
    ----------
    name : unique name, also the column in tables.
    title : one line for people.
    formula : the definition in plain text.
    source : the paper that defined it.
    direction : whether a better image scores ``"higher"`` or ``"lower"``.
    range : smallest and largest value it can take.
    arity : what it looks at: the fused image, it and the sources, or it and a reference.
    min_side : smallest height and width, in pixels, for which it is defined.
    symmetric : whether exchanging sources a and b leaves it unchanged.
    nan_when : for which images it is nan, in words; empty if for none that are large enough.
    constants : the numbers of the formula, by their symbol.
    version : raised whenever the values change.
    """

    name: str
    title: str
    formula: str
    source: str
    direction: Direction = "higher"
    range: tuple[float, float]
    arity: Arity = "sources"
    min_side: int = 2
    symmetric: bool = True
    nan_when: str = ""
    constants: Mapping[str, float] = field(default_factory=dict, hash=False)
    version: int = 1


@dataclass(frozen=True)
class Scene:
    """The images that all candidates of one scene share, each (H, W) on the 0..255 scale.

    Parameters
    ----------
    sources : the registered inputs; the first two are `a` and `b`.
    reference : the true fused image, where there is one.
    shots : all exposures, for metrics over any number of them.

    All images are uint8, or all are float64: kernels never meet a mixture.
    """

    sources: tuple[Gray, ...]
    reference: Gray | None = None
    shots: tuple[Gray, ...] = ()

    @property
    def a(self) -> Gray:
        """First source."""
        return self.sources[0]

    @property
    def b(self) -> Gray:
        """Second source."""
        return self.sources[1]

    @property
    def truth(self) -> Gray:
        """The reference; only for metrics of arity ``"reference"``, for which it is there."""
        assert self.reference is not None
        return self.reference

    def images(self) -> tuple[Gray, ...]:
        """Return every image of the scene."""
        extra = () if self.reference is None else (self.reference,)
        return self.sources + extra + self.shots

    def as_float(self) -> Scene:
        """Return the same scene with every image as float64."""
        return Scene(
            tuple(x.astype(np.float64) for x in self.sources),
            None if self.reference is None else self.reference.astype(np.float64),
            tuple(x.astype(np.float64) for x in self.shots),
        )


S = TypeVar("S")


@dataclass(frozen=True)
class Family(Generic[S]):
    """Metrics that share their work.

    Parameters
    ----------
    name : unique name.
    metrics : what it offers.
    prepare : ``(scene, wanted) -> state``, source-only work. Must not look at images that none of
        the wanted metrics needs.
    compute : ``(state, fused, wanted) -> {name: value}`` for exactly the wanted metrics. `fused` is
        uint8 if and only if the images of the scene are.
    """

    name: str
    metrics: tuple[Metric, ...]
    prepare: Callable[[Scene, Wanted], S]
    compute: Callable[[S, Gray, Wanted], dict[str, float]]

"""Measure candidates against a scene: the way in to every metric."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab.errors import MetricInputError
from fusionlab.metrics import inputs, registry
from fusionlab.metrics.base import Scene

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import pandas as pd
    from numpy.typing import ArrayLike

    from fusionlab.metrics.base import Family, Metric

DEFAULT_METRICS = ("EN", "SD", "SSIM", "Qabf", "VIF")


class PreparedScene:
    """A scene whose source-only work is done once and shared by all of its candidates.

    The work of a family is done when the first candidate asks for it. Candidates whose pixels are
    8-bit integers, as the sources', go through integer kernels; any other one through float64.

    Parameters
    ----------
    scene : the images, all uint8 or all float64.
    metrics : what to measure, in this order.
    data_range : the value of full white in float and uint16 candidates.
    """

    def __init__(
        self, scene: Scene, metrics: tuple[Metric, ...], data_range: float | None = None
    ) -> None:
        self.scene, self.metrics, self.data_range = scene, metrics, data_range
        self._shape = scene.images()[0].shape
        self._states: dict[tuple[str, bool], Any] = {}
        self._families: dict[str, Family[Any]] = {}
        wanted: dict[str, set[str]] = {}
        for metric in metrics:
            if min(self._shape) >= metric.min_side:
                family = registry.family_of(metric.name)
                self._families[family.name] = family
                wanted.setdefault(family.name, set()).add(metric.name)
        self._wanted = {name: frozenset(chosen) for name, chosen in wanted.items()}
        self._integer = all(image.dtype == np.uint8 for image in scene.images())
        self._floats = None if self._integer else scene

    @property
    def too_small_for(self) -> tuple[Metric, ...]:
        """Metrics that were asked for but need larger images; they measure as nan."""
        return tuple(m for m in self.metrics if min(self._shape) < m.min_side)

    def measure(self, fused: ArrayLike) -> dict[str, float]:
        """Return the value of every metric for one fused image.

        Parameters
        ----------
        fused : (H, W) or (H, W, 3) array of the size of the sources.

        Raises
        ------
        MetricInputError
            For an image that metrics must not be computed on, or of another size.
        """
        image = inputs.gray(fused, "fused", self.data_range)
        inputs.same_size({"the scene": self.scene.images()[0], "fused": image})
        integer = self._integer and image.dtype == np.uint8
        if not integer:
            image = image.astype(np.float64, copy=False)
        values: dict[str, float] = {}
        for family in self._families.values():
            wanted = self._wanted[family.name]
            values |= family.compute(self._state(family, integer), image, wanted)
        return {m.name: values.get(m.name, float("nan")) for m in self.metrics}

    def _state(self, family: Family[Any], integer: bool) -> Any:
        key = (family.name, integer)
        if key not in self._states:
            if not integer and self._floats is None:
                self._floats = self.scene.as_float()
            scene = self.scene if integer else self._floats
            assert scene is not None
            self._states[key] = family.prepare(scene, self._wanted[family.name])
        return self._states[key]


def prepare(
    sources: Sequence[ArrayLike],
    metrics: Sequence[str] = DEFAULT_METRICS,
    *,
    reference: ArrayLike | None = None,
    data_range: float | None = None,
) -> PreparedScene:
    """Ready a scene for measuring many candidates; metrics that need larger images give nan.

    Parameters
    ----------
    sources : registered inputs, each (H, W) or (H, W, 3) RGB; the first two are a and b. Metrics
        over any number of exposures, such as MEF_SSIM, see all of them.
    metrics : names, see `fusionlab.metrics.names`.
    reference : the true fused image, for metrics of arity ``"reference"``.
    data_range : value of full white in float and uint16 arrays (255 and 65535 by default).

    Raises
    ------
    UnknownNameError
        For a metric that does not exist.
    MetricInputError
        For images that metrics must not be computed on, or that a metric lacks.
    """
    return _prepare(sources, metrics, reference, (), data_range)


def measure(
    a: ArrayLike,
    b: ArrayLike,
    fused: ArrayLike,
    metrics: Sequence[str] = DEFAULT_METRICS,
    *,
    reference: ArrayLike | None = None,
    shots: Sequence[ArrayLike] = (),
    data_range: float | None = None,
) -> dict[str, float]:
    """Return the metrics of one fused image.

    Parameters
    ----------
    a, b, fused : (H, W) or (H, W, 3) RGB arrays of one size, of uint8, uint16 or float.
    metrics : names, see `fusionlab.metrics.names`.
    reference : the true fused image, for metrics of arity ``"reference"``.
    shots : all exposures, for metrics over more than two; `a` and `b` by default.
    data_range : value of full white in float and uint16 arrays (255 and 65535 by default).

    Returns
    -------
    Name to value, in the order of `metrics`.

    Raises
    ------
    UnknownNameError
        For a metric that does not exist.
    MetricInputError
        For images that metrics must not be computed on, or that are too small for one of them.
    """
    scene = _prepare((a, b), metrics, reference, shots, data_range)
    _refuse_small(scene)
    return scene.measure(fused)


def measure_many(
    a: ArrayLike,
    b: ArrayLike,
    candidates: Mapping[str, ArrayLike],
    metrics: Sequence[str] = DEFAULT_METRICS,
    *,
    reference: ArrayLike | None = None,
    shots: Sequence[ArrayLike] = (),
    data_range: float | None = None,
) -> pd.DataFrame:
    """Return the metrics of many fused images of one scene; the sources are worked on once.

    Parameters
    ----------
    candidates : method name to fused image.
    a, b, metrics, reference, shots, data_range : as for `measure`.

    Returns
    -------
    One row a candidate (index ``"method"``), one column a metric, both in the order given.

    Raises
    ------
    UnknownNameError, MetricInputError
        As `measure`; the message names the candidate.
    """
    import pandas as pd

    scene = _prepare((a, b), metrics, reference, shots, data_range)
    _refuse_small(scene)
    rows = {}
    for name, fused in candidates.items():
        try:
            rows[name] = scene.measure(fused)
        except MetricInputError as error:
            raise MetricInputError(f"candidate {name!r}: {error}") from error
    columns = [metric.name for metric in scene.metrics]
    table = [[row[column] for column in columns] for row in rows.values()]
    index = pd.Index(list(rows), name="method", dtype=object)
    return pd.DataFrame(table, index=index, columns=columns, dtype=np.float64)


def _prepare(
    sources: Sequence[ArrayLike],
    metrics: Sequence[str],
    reference: ArrayLike | None,
    shots: Sequence[ArrayLike],
    data_range: float | None,
) -> PreparedScene:
    chosen = registry.resolve(metrics)
    named = {f"source {'ab'[i] if i < 2 else i + 1}": x for i, x in enumerate(sources)}
    named |= {} if reference is None else {"reference": reference}
    named |= {f"shot {i + 1}": x for i, x in enumerate(shots)}
    images = {name: inputs.gray(x, name, data_range) for name, x in named.items()}
    _require(chosen, len(sources), reference is not None)
    inputs.same_size(images)
    scene = Scene(
        tuple(x for name, x in images.items() if name.startswith("source")),
        images.get("reference"),
        tuple(x for name, x in images.items() if name.startswith("shot")),
    )
    mixed = len({x.dtype for x in images.values()}) > 1
    return PreparedScene(scene.as_float() if mixed else scene, chosen, data_range)


def _require(metrics: tuple[Metric, ...], sources: int, has_reference: bool) -> None:
    if not sources and not has_reference:
        raise MetricInputError("a scene needs at least one source or a reference; got none")
    for metric in metrics:
        if metric.arity == "sources" and sources < 2:
            raise MetricInputError(f"metric {metric.name} needs two sources; got {sources}")
        if metric.arity == "reference" and not has_reference:
            raise MetricInputError(
                f"metric {metric.name} compares with a reference image; pass reference="
            )


def _refuse_small(scene: PreparedScene) -> None:
    for metric in scene.too_small_for:
        side, image = metric.min_side, scene.scene.images()[0]
        raise MetricInputError(
            f"metric {metric.name} needs at least {side} x {side} pixels; got {inputs.size(image)}"
        )

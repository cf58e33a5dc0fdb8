"""Metrics place by place: what a metric is the mean of, as a map over the image.

    metric = sum(w q) / sum(w)

Of QG w is 1; of QW and QY it is their weight of a window, which stands at the window's middle. So
it can be told where an image gained and where it lost, without measuring a tile at a time.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from fusionlab.metrics import locality, qg
from fusionlab.metrics._pyramid import halved
from fusionlab.metrics.base import Scene

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from fusionlab.metrics.base import Floats, Gray

#: Metric -> the smallest side of an image that it has a map of.
MAPS = {"QG": 2, "QW": 11, "QY": 7}


class LocalMaps:
    """Metrics of one scene, place by place; what depends on the sources is worked out once.

    Parameters
    ----------
    halvings : metric of `MAPS` -> how often all images are halved before it looks at them: coarser
        structure is judged then, in a quarter of the time.
    a, b : the sources, (H, W), 0..255.

    Attributes
    ----------
    weights : metric -> w, of the size of the halved images; 0 where no window fits.
    """

    def __init__(self, halvings: Mapping[str, int], a: Gray, b: Gray) -> None:
        self._halvings = dict(halvings)
        self._deepest = max(halvings.values(), default=0)
        sources = zip(_scales(a, self._deepest), _scales(b, self._deepest), strict=True)
        scenes = [Scene(pair) for pair in sources]
        ready = {m: _ready(m, scenes[n]) for m, n in halvings.items()}
        self.weights = {metric: weight for metric, (weight, _) in ready.items()}
        self._maps = {metric: values for metric, (_, values) in ready.items()}

    def values(self, fused: Gray) -> dict[str, Floats]:
        """Return by metric w q of a fused image (H, W), 0..255; of the size of its weights."""
        scales = _scales(fused, self._deepest)
        return {
            metric: _framed(values(scales[self._halvings[metric]]), self.weights[metric].shape)
            for metric, values in self._maps.items()
        }


def _ready(metric: str, scene: Scene) -> tuple[Floats, Callable[[Floats], Floats]]:
    """Do the source-only work; return w, and what gives w q where windows fit."""
    if metric == "QG":
        edges = qg.prepare(scene, frozenset({metric}))
        return np.ones(scene.a.shape), edges.map
    state = locality.prepare(scene, frozenset({metric}))
    mixture = {"QW": state.piella, "QY": state.yang}[metric]
    assert mixture is not None
    weight = _framed(mixture.weight, scene.a.shape)
    return weight, lambda fused: mixture.weight * mixture.map(fused - locality.CENTRE)


def _scales(image: Gray, halvings: int) -> list[Floats]:
    scales = [np.ascontiguousarray(image, dtype=np.float64)]
    while len(scales) <= halvings:
        scales.append(halved(scales[-1]))
    return scales


def _framed(values: Floats, shape: tuple[int, ...]) -> Floats:
    """Put the values of windows into the middle of a map of `shape`, zeros around."""
    if values.shape == shape:
        return values
    frame = np.zeros(shape)
    top, left = ((whole - part) // 2 for whole, part in zip(shape, values.shape, strict=True))
    frame[top : top + values.shape[0], left : left + values.shape[1]] = values
    return frame

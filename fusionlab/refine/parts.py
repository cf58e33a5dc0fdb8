"""What trained probes make of a label: the learned way to decompose it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import torch

from fusionlab.refine.probes import MIN_SIDE, REACH, boost

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from fusionlab.refine.probes import Probes

    Layer = NDArray[np.float32]

#: Pixels that the networks are given at once; the largest layer then takes 128 MiB.
_AT_ONCE = 2**19


@dataclass(frozen=True)
class Parts:
    """A label as probes see it; every plane float32 (H, W), 0..255.

    Attributes
    ----------
    label : the label itself.
    sources : the two sources that the probes predict.
    told : R_k, what the label tells of each.
    rebuilt : A(R_1, R_2), the label as the assembler rebuilds it.
    boosted : A(R'_1, R'_2), the label that the booster makes.
    """

    label: Layer
    sources: tuple[Layer, Layer]
    told: tuple[Layer, Layer]
    rebuilt: Layer
    boosted: Layer


def take_apart(net: Probes, label: Layer, sources: Sequence[Layer]) -> Parts:
    """Take a label apart against its first two sources; planes (H, W) of one size, 0..255."""
    stacked = np.stack([label, *sources[:2]]).astype(np.float32)
    height, width = label.shape
    missing = [(0, max(0, MIN_SIDE - n)) for n in label.shape]
    unit = np.pad(stacked / np.float32(255), [(0, 0), *missing], mode="symmetric")
    made = 255 * _in_strips(net, unit)[:, :height, :width]
    first, second, rebuilt, boosted = made
    return Parts(stacked[0], (stacked[1], stacked[2]), (first, second), rebuilt, boosted)


def _in_strips(net: Probes, planes: Layer) -> Layer:
    """Return R_1, R_2, the rebuilt and the boosted label, (4, H, W), of planes (3, H, W) in 0..1.

    Strip by strip of rows, with as many rows around as the networks look at: memory is bounded,
    and the pixels are those of the whole image.
    """
    height, width = planes.shape[1:]
    rows = max(MIN_SIDE, _AT_ONCE // width)
    made = np.empty((4, height, width), np.float32)
    for top in range(0, height, rows):
        bottom = min(top + rows, height)
        first, last = max(0, top - REACH), min(height, bottom + REACH)
        strip = _through(net, planes[:, first:last])
        made[:, top:bottom] = strip[:, top - first : bottom - first]
    return made


def _through(net: Probes, planes: Layer) -> Layer:
    device = next(net.parameters()).device
    with torch.inference_mode():
        given = torch.from_numpy(np.ascontiguousarray(planes))[None].to(device)
        told = net.explain(given[:, :1])
        boosted = net.assemble(boost(told, given[:, 1:]))
        return np.asarray(torch.cat([told, net.assemble(told), boosted], dim=1)[0].cpu().numpy())

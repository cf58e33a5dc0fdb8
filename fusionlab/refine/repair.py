"""Three of the refiner's four steps in a row, training-free; the fourth is the gate.

::

    from fusionlab.refine import repair

    repaired = repair(fused, [infrared, visible], "ivf")
    repaired.plane, repaired.damage.maps["noise"]
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionlab.refine.damage import Repair
from fusionlab.refine.decompose import decompose
from fusionlab.refine.enhance import enhance
from fusionlab.refine.identify import identify
from fusionlab.refine.limits import LIMITS
from fusionlab.tasks import get_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.colour import Plane
    from fusionlab.refine.limits import Limits

#: Changes with everything that changes what comes out.
VERSION = 1


def repair(
    fused: Plane, sources: Sequence[Plane], task: str, limits: Limits | None = None
) -> Repair:
    """Repair a label where it is damaged.

    Parameters
    ----------
    fused : luminance of the label, (H, W), 0..255.
    sources : luminances of its two or more sources, of its size.
    task : key of the task, which decides on the limits.
    limits : others.

    Raises
    ------
    UnknownNameError
        For an unknown task.
    ImageError
        For fewer than two sources, or sizes that differ.
    """
    chosen = limits or LIMITS[get_task(task, "refiner").key]
    layers = decompose(fused, sources)
    findings = identify(layers, chosen)
    return Repair(enhance(layers, findings, chosen), findings.damage)

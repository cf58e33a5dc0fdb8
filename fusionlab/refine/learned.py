r"""The learned way of the refiner: identify, decompose and enhance by trained probes.

With :math:`R_k = P_k(F)`, the booster's :math:`R'_k` and the assembler A, as in
`fusionlab.refine.probes`, three ways to enhance:

- ``everywhere``, as the paper does: :math:`F' = A(R'_1, R'_2)`;
- ``masked``: :math:`F' = F + m\,(A(R'_1, R'_2) - A(R_1, R_2))`;
- ``by_kind``: :math:`F' = F + \max(d, t) H_2 \Delta + t (W - H_2) \Delta + n\,(A(R_1, R_2) - F)`
  with :math:`\Delta = A(R'_1, R'_2) - A(R_1, R_2)`.

m: the worst damage of all kinds; d: lost detail, t: lost targets and clipping, n: noise, each 0..1.
:math:`H_\sigma`: what is finer than a Gaussian; W: all, of tasks whose sources have the label's
tones (multi-focus), else :math:`H_6`. A probe errs in tone more than in structure, and so only
lost detail in structure is put back, and of targets what is finer than the tones; and the
assembler, which cannot rebuild noise, removes it. Halos are found, but not repaired.

Probes know two sources: of more shots the first two, which metrics use too. Structure of a third
one would look like a halo, so that halos are then not judged. Levels cut off are found as without
probes.
"""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING, Literal, get_args

import numpy as np

from fusionlab.devices import check_device
from fusionlab.errors import UsageError
from fusionlab.images import join_digests
from fusionlab.refine.damage import KINDS, Damage, Repair
from fusionlab.refine.decompose import decompose
from fusionlab.refine.identify import identify
from fusionlab.refine.keeping import load_probes, probes_path
from fusionlab.refine.limits import LIMITS
from fusionlab.refine.measures import finer, maps_of
from fusionlab.refine.parts import take_apart

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fusionlab.colour import Plane
    from fusionlab.lab import Lab
    from fusionlab.refine.measures import Limits
    from fusionlab.refine.parts import Layer, Parts
    from fusionlab.refine.probes import Probes

    Repairing = Callable[[Plane, Sequence[Plane], str], Repair]

#: Changes with everything that changes what probes make of a label.
VERSION = 1

_DETAIL, _TARGET = 2.0, 6.0  # sigmas, in pixels

Enhancement = Literal["everywhere", "masked", "by_kind"]
ENHANCEMENTS: tuple[Enhancement, ...] = get_args(Enhancement)


def load_repair(
    lab: Lab, name: str, task: str, device: str = "cpu", enhancement: Enhancement = "by_kind"
) -> Repairing:
    """Return a function like `fusionlab.refine.repair`, by the probes `name` of `task`.

    It takes the luminance of a label, (H, W), 0..255, those of its two or more sources, and the
    task; it may be called from many threads.

    Raises
    ------
    LabError
        When there are no such probes, or their file is broken.
    UsageError
        For a device that is not there; and the function, for another task.
    """
    net, origin = load_probes(lab, name, task, check_device(device))

    def repair(fused: Plane, sources: Sequence[Plane], of_task: str) -> Repair:
        if of_task != task:
            raise UsageError(
                f"probes {name!r}: got a label of {of_task}, expected one of {task}; load the "
                f"probes of {of_task}"
            )
        return repair_by(net, origin.limits, fused, sources, task, enhancement)

    return repair


def load_repairs(
    lab: Lab, name: str, tasks: Iterable[str], device: str = "cpu"
) -> tuple[Repairing, str]:
    """Return such a function for several tasks, and the version of what it makes.

    The version is a digest of the probes, so that it changes when they are trained again.

    Raises
    ------
    LabError, UsageError
        As `load_repair`, for any of the tasks.
    """
    repairs = {task: load_repair(lab, name, task, device) for task in tasks}
    digests = [sha256(probes_path(lab, name, t).read_bytes()).hexdigest() for t in repairs]

    def repair(fused: Plane, sources: Sequence[Plane], task: str) -> Repair:
        if task not in repairs:
            raise UsageError(
                f"probes {name!r}: got a label of {task}, loaded are those of {', '.join(repairs)}"
            )
        return repairs[task](fused, sources, task)

    return repair, f"{VERSION}-{join_digests(digests)[:12]}"


def repair_by(
    net: Probes,
    limits: Limits,
    fused: Plane,
    sources: Sequence[Plane],
    task: str,
    enhancement: Enhancement = "by_kind",
) -> Repair:
    """Repair a label (H, W) by probes of its task, as `fusionlab.refine.repair` does without.

    Raises
    ------
    ImageError
        For fewer than two sources, or sizes that differ.
    """
    without = identify(decompose(fused, sources), LIMITS[task]).damage
    parts = take_apart(net, _layer(fused), [_layer(source) for source in sources[:2]])
    found = maps_of(parts, limits) | {"clipping": without.maps["clipping"]}
    if len(sources) > 2:
        found["halo"] = np.zeros_like(found["halo"])
    damage = Damage({kind: found[kind].astype(np.float64) for kind in KINDS})
    return Repair(enhance_parts(fused, parts, damage, task, enhancement), damage)


def enhance_parts(
    fused: Plane, parts: Parts, damage: Damage, task: str, enhancement: Enhancement
) -> Plane:
    """Return the enhanced luminance, (H, W), 0..255."""
    if enhancement == "everywhere":
        return np.asarray(parts.boosted, dtype=np.float64)
    change, maps = parts.boosted - parts.rebuilt, damage.maps
    if enhancement == "masked":
        made = damage.anywhere * change
    else:
        structure = finer(change, _DETAIL)
        wide = change if LIMITS[task].tone else finer(change, _TARGET)
        target = np.maximum(maps["target"], maps["clipping"])
        made = np.maximum(maps["detail"], target) * structure + target * (wide - structure)
        made += maps["noise"] * (parts.rebuilt - parts.label)
    return np.asarray(np.clip(fused + made, 0.0, 255.0))


def _layer(plane: Plane) -> Layer:
    return np.asarray(plane, dtype=np.float32)

r"""Whether a repair is kept: by metrics that the refiner did not optimise, beyond their noise.

.. math:: z = \frac{1}{J} \sum_j \frac{g_j}{s_j} > Z, \quad g_j \ge \lambda s_j \text{ for all } j

g_j and s_j: gain in judge j and its noise (`fusionlab.refine.judges`). Judges are metrics that the
policy does not use. Where a repair loses in a part of the image, it is taken back there, smoothly,
and what is left is judged again: a tile keeps the repair if the tiles around it gain,

.. math:: \sum_{t' \in N(t)} \sum_j D_{jt'} / \sqrt{\textstyle\sum D_j^2} \ge 0

without itself, for what judged itself worthy would also be taken for worthy. At last the policy's
guards must not fail where they passed before.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import cv2
import numpy as np

from fusionlab.errors import UsageError
from fusionlab.metrics import prepare
from fusionlab.metrics.maps import MAPS
from fusionlab.refine.judges import TILE, Panel
from fusionlab.selection.held_out import JUDGES, held_out
from fusionlab.tasks import get_task

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from fusionlab.colour import Plane
    from fusionlab.refine.judges import Gain
    from fusionlab.selection.policy import Policy

#: Changes with everything that changes what is kept.
VERSION = 1

#: Z and lambda above: what the mean gain of the judges must exceed, and each of them reach.
BEYOND, LEAST = 1.5, -1.0

#: As many times larger is Z for a repair that was taken back in parts: the judges had a say in it.
IN_PARTS = 2.0

#: Reason of a label that the refiner found nothing to repair in; no reject.
NO_CHANGE = "refine_no_change"

_AROUND = 5  # tiles across the surroundings that decide about a tile
_LITTLE = 0.02  # share of all that tiles gain and lose: where less is lost, nothing is taken back
_WHITE = 255.0


@dataclass(frozen=True)
class Verdict:
    """What became of one repair.

    Attributes
    ----------
    plane : the luminance that is kept, (H, W), 0..255: repaired, in part repaired, or as it was.
    reason : the code of why nothing was kept; empty where something was.
    detail : one sentence.
    gains : judge -> gain of what was kept, or else of the repair.
    mask : (H, W), 0..1, the share of the repair that is kept.
    """

    plane: Plane
    reason: str
    detail: str
    mask: Plane
    gains: Mapping[str, Gain] = field(default_factory=dict)

    @property
    def gain(self) -> float:
        """Return z, the mean gain of the judges in units of their noise."""
        return mean_ratio(self.gains)


@dataclass(frozen=True)
class _Trial:
    """A repair, kept where `mask` says, and what the judges say of it."""

    plane: Plane
    mask: Plane
    tiles: Mapping[str, Plane]
    gains: Mapping[str, Gain]


def gate(
    before: Plane,
    after: Plane,
    sources: Sequence[Plane],
    task: str,
    policy: Policy | None = None,
    *,
    beyond: float = BEYOND,
    least: float = LEAST,
    step: float = 1.0,
    regions: bool = True,
) -> Verdict:
    """Judge a repaired label.

    Parameters
    ----------
    before, after : luminance of the label as it was and repaired, (H, W), 0..255.
    sources : luminances of the scene's sources, K >= 2; the judges look at the first two.
    policy : whose metrics do not judge and whose guards must pass; without one all judges judge.
    beyond, least : Z and lambda above.
    step : the least difference that the label's data type holds: changes are whole multiples of it.
    regions : take the repair back where it loses.

    Raises
    ------
    UsageError
        When shapes differ, or `policy` uses all judges that there are.
    """
    judges = judges_of(policy, task)
    _check_shapes(before, after, sources)
    if not np.isfinite(after).all():
        return _refused(before, "refine_error", "the repair holds values that are no number")
    change = np.rint((np.clip(after, 0.0, _WHITE) - before) / step) * step
    if not change.any():
        return _refused(before, NO_CHANGE, "nothing to repair was found")
    panel = Panel(before, sources[0], sources[1], change != 0, judges)
    whole = _tried(panel, before, change, np.ones(before.shape), step)
    parts = _parts(panel, before, change, step, whole) if regions else []
    passing = [trial for trial in [whole] if _passes(trial.gains, beyond, least)]
    passing += [trial for trial in parts if _passes(trial.gains, IN_PARTS * beyond, least)]
    if not passing:
        needed = f"a mean above {beyond:g} and none below {least:g} are needed"
        said = f"{in_words(whole.gains)}; {needed}"
        return _refused(before, "refine_no_gain", said, whole.gains)
    best = max(passing, key=lambda trial: _weight(trial.tiles, whole.tiles))
    if policy and (guard := _newly_failed(before, best.plane, sources, policy, task)):
        said = f"it fails the guard {guard!r} of the policy, and the label did not"
        return _refused(before, "refine_guard", said, best.gains)
    return Verdict(best.plane, "", in_words(best.gains), best.mask, best.gains)


def judges_of(policy: Policy | None, task: str) -> list[str]:
    """Return the judges of `task` that have a map and are not used by `policy`.

    Raises
    ------
    UsageError
        When there is none.
    """
    get_task(task)
    if policy is None:
        return [judge for judge in JUDGES[task] if judge in MAPS]
    judges = held_out(policy, task, MAPS)
    if not judges:
        raise UsageError(
            f"policy {policy.name!r} uses all judges of {task} that work place by place "
            f"({', '.join(MAPS)}); refine labels of a policy that leaves one of them out"
        )
    return judges


def mean_ratio(gains: Mapping[str, Gain]) -> float:
    """Return the mean gain in units of the noise; 0 without judges."""
    return float(np.mean([gain.ratio for gain in gains.values()])) if gains else 0.0


def in_words(gains: Mapping[str, Gain]) -> str:
    """Say what the judges found."""
    if not gains:
        return "the image is too small for every judge"
    parts = (f"{judge} {g.change:+.4f} ({g.ratio:+.1f})" for judge, g in gains.items())
    return f"held-out gain {mean_ratio(gains):+.1f} times its noise: {', '.join(parts)}"


def _refused(
    before: Plane, reason: str, detail: str, gains: Mapping[str, Gain] | None = None
) -> Verdict:
    return Verdict(before, reason, detail, np.zeros(before.shape), gains or {})


def _check_shapes(before: Plane, after: Plane, sources: Sequence[Plane]) -> None:
    shapes = [plane.shape for plane in (before, after, *sources)]
    if len(sources) < 2 or len(set(shapes)) > 1 or len(shapes[0]) != 2:
        raise UsageError(
            f"gate: got planes of {shapes}; expected the label, its repair and two sources or "
            "more, all (H, W) and of one size"
        )


def _tried(panel: Panel, before: Plane, change: Plane, mask: Plane, step: float) -> _Trial:
    plane = before + np.rint(mask * change / step) * step
    tiles = panel.differences(plane)
    return _Trial(plane, mask, tiles, panel.gains(tiles))


def _parts(panel: Panel, before: Plane, change: Plane, step: float, whole: _Trial) -> list[_Trial]:
    """Return the repair where it gains, if that is neither everywhere nor nowhere."""
    if not whole.tiles:
        return []
    gained = np.sum([tiles / (_size(tiles) or 1.0) for tiles in whole.tiles.values()], axis=0)
    losing = float(-gained[gained < 0].sum())
    if losing < _LITTLE * float(np.abs(gained).sum()):
        return []
    square = (_AROUND, _AROUND)
    around = cv2.boxFilter(gained, -1, square, normalize=False, borderType=cv2.BORDER_CONSTANT)
    kept = (around - gained >= 0).astype(np.float32)
    height, width = (n * TILE for n in kept.shape)
    mask = cv2.resize(kept, (width, height), interpolation=cv2.INTER_LINEAR)
    mask = mask[: before.shape[0], : before.shape[1]].astype(np.float64)
    touched = mask[change != 0]
    if touched.min() == 1.0 or touched.max() == 0.0:
        return []
    return [_tried(panel, before, change, mask, step)]


def _size(tiles: Plane) -> float:
    return float(np.sqrt((tiles * tiles).sum()))


def _weight(tiles: Mapping[str, Plane], whole: Mapping[str, Plane]) -> float:
    """Return the sum of all gains, each judge in units of its noise over the whole repair."""
    return sum(float(t.sum()) / (_size(whole[judge]) or 1.0) for judge, t in tiles.items())


def _passes(gains: Mapping[str, Gain], beyond: float, least: float) -> bool:
    ratios = [gain.ratio for gain in gains.values()]
    return bool(ratios) and mean_ratio(gains) > beyond and min(ratios) >= least


def _newly_failed(
    before: Plane, after: Plane, sources: Sequence[Plane], policy: Policy, task: str
) -> str:
    """Return the guard that the repaired label fails and the label did not, or the empty text."""
    guards = policy.task_guards(task)
    metrics = list(dict.fromkeys(metric for metric, _, _ in guards.values()))
    if not metrics:
        return ""
    scene = prepare(sources, metrics, data_range=_WHITE)
    broken = _broken(scene.measure(after), guards)
    if not broken:
        return ""
    sound_before = broken - _broken(scene.measure(before), guards)
    return min(sound_before, default="")


def _broken(
    values: Mapping[str, float], guards: Mapping[str, tuple[str, float, float]]
) -> set[str]:
    """Return the guards that an image fails; a value that is not a number fails none."""
    return {
        name
        for name, (metric, low, high) in guards.items()
        if values[metric] < low or values[metric] > high
    }

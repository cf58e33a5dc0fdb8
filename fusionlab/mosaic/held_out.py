"""The metrics that judge a mosaic: those that did not choose its parts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fusionlab.selection.policy import Policy

#: Metrics by which a mosaic is judged, by task, the first ones first.
JUDGES: dict[str, tuple[str, ...]] = {
    "ivf": ("QW", "QY", "QG", "QP", "FMI_gradient", "Qcb"),
    "mif": ("QW", "QY", "QG", "QP", "FMI_gradient", "Qcb"),
    "mef": ("QW", "QP", "QG", "QY", "FMI_gradient", "Qcb"),
    "mff": ("QW", "QY", "QG", "QP", "FMI_gradient", "Qcb"),
}

COUNT = 3


def held_out(policy: Policy, task: str) -> list[str]:
    """Return the metrics that judge the mosaics of `task`: three that `policy` does not use."""
    used = policy.task_metrics(task)
    return [metric for metric in JUDGES[task] if metric not in used][:COUNT]

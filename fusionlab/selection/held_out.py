"""The metrics that judge what a policy helped to make: those that the policy does not use."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection

    from fusionlab.selection.policy import Policy

#: Metrics by which mosaics and refined labels are judged, by task, the first ones first.
JUDGES: dict[str, tuple[str, ...]] = {
    "ivf": ("QW", "QY", "QG", "QP", "FMI_gradient", "Qcb"),
    "mif": ("QW", "QY", "QG", "QP", "FMI_gradient", "Qcb"),
    "mef": ("QW", "QP", "QG", "QY", "FMI_gradient", "Qcb"),
    "mff": ("QW", "QY", "QG", "QP", "FMI_gradient", "Qcb"),
}

COUNT = 3


def held_out(policy: Policy, task: str, among: Collection[str] | None = None) -> list[str]:
    """Return the metrics that judge in `task`: three at the most that `policy` does not use.

    Parameters
    ----------
    among : the metrics that can judge; all of `JUDGES` by default.
    """
    used = policy.task_metrics(task)
    judges = [m for m in JUDGES[task] if m not in used and (among is None or m in among)]
    return judges[:COUNT]

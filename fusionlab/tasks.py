"""The four tasks of image fusion: what their two modalities are and which one carries colour."""

from __future__ import annotations

from dataclasses import dataclass

from fusionlab.errors import UnknownNameError


@dataclass(frozen=True, slots=True)
class Task:
    """One fusion task.

    Attributes
    ----------
    key : short name used in paths, tables and on the command line.
    title : the name people use.
    a, b : what the first and the second source usually are.
    colour : where the fused image takes its chroma from: ``"b"``, ``"first colour source"``
        (pseudo-colour PET and SPECT) or ``"both"`` (weighted by distance from gray).
    policy : name of the selection policy used when none is named.
    """

    key: str
    title: str
    a: str
    b: str
    colour: str
    policy: str = "robust"


TASKS: dict[str, Task] = {
    t.key: t
    for t in (
        Task("ivf", "infrared-visible", "infrared", "visible", "b"),
        Task("mif", "medical", "CT, PET or SPECT", "MRI", "first colour source"),
        Task("mef", "multi-exposure", "under-exposed", "over-exposed", "both"),
        Task("mff", "multi-focus", "near focus", "far focus", "both"),
    )
}


def get_task(key: str, where: str = "") -> Task:
    """Return the task named `key`.

    Raises
    ------
    UnknownNameError
        When there is no such task.
    """
    try:
        return TASKS[key]
    except KeyError:
        raise UnknownNameError("task", key, TASKS, where) from None

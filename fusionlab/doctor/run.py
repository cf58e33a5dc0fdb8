"""The examination: every check once, and none that fails stops the others."""

from __future__ import annotations

import tempfile
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from fusionlab.doctor import labs, machine, selftest, software
from fusionlab.doctor.findings import FAIL, Finding

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from fusionlab.paths import Place

Check = tuple[str, "Callable[[], Iterable[Finding]]"]


def examine(lab: Place) -> list[Finding]:
    """Look at versions, devices, threads, memory, disks and a lab, and try what everything needs.

    Nothing is changed; temporary files are removed.

    Parameters
    ----------
    lab : need not be there.
    """
    scratch = Path(tempfile.gettempdir())
    checks: Sequence[Check] = (
        ("versions", software.versions),
        ("extras", software.extras),
        ("devices", machine.devices),
        ("threads", machine.threads),
        ("memory", machine.memory_left),
        ("disk of the lab", partial(machine.disk, "disk of the lab", lab)),
        ("temporary files", partial(machine.disk, "temporary files", scratch)),
        ("lab", partial(labs.lab_state, lab)),
        ("kernels", selftest.kernels),
        ("metrics", selftest.metrics_are_right),
        ("Zarr", partial(selftest.zarr_is_read_back, scratch)),
        ("network", selftest.network_runs),
    )
    return [found for name, check in checks for found in _tried(name, check)]


def _tried(name: str, check: Callable[[], Iterable[Finding]]) -> list[Finding]:
    """Return what a check found; one that raises is a finding itself."""
    try:
        return list(check())
    except Exception as error:  # noqa: BLE001  of whatever is broken, the rest is still examined
        remedy = "install FusionLab anew in an empty environment; if it stays so, report it"
        return [Finding(name, f"{type(error).__name__}: {error}", FAIL, remedy)]

"""Devices, threads, memory and disks."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from fusionlab import memory
from fusionlab.doctor.findings import FAIL, OK, WARN, Finding, in_bytes
from fusionlab.objects import ObjectPath

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionlab.paths import Place

#: Bytes below which something is scarce, and below which nothing works.
_SCARCE_MEMORY, _NO_MEMORY = 2e9, 3e8
_SCARCE_DISK, _NO_DISK = 2e9, 1e8

#: A lab has a file an image: so few free ones are scarce.
_SCARCE_FILES = 10_000

_THREADS = ("NUMBA_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_QUOTA = Path("/sys/fs/cgroup/cpu.max")
_DRIVER = Path("/proc/driver/nvidia/version")


def devices() -> Iterator[Finding]:
    """Yield the GPUs that torch sees, or why there are none."""
    import torch

    if torch.cuda.is_available():
        for number in range(torch.cuda.device_count()):
            facts = torch.cuda.get_device_properties(number)
            said = f"{facts.name}, {in_bytes(facts.total_memory)}, CUDA {torch.version.cuda}"
            yield Finding(f"cuda:{number}", said)
    elif torch.backends.mps.is_available():
        yield Finding("mps", "an Apple GPU")
    elif not _DRIVER.exists():
        yield Finding("GPU", "none here (no NVIDIA driver); all runs on the CPU")
    else:
        built = f"is built for CUDA {torch.version.cuda}" if torch.version.cuda else "is CPU only"
        said = f"this machine has an NVIDIA driver, and torch, which {built}, sees no GPU"
        remedy = "install a torch that fits the driver: see pytorch.org, Get Started"
        yield Finding("GPU", said, WARN, remedy)


def threads() -> Iterator[Finding]:
    """Yield how many cores may be used, and settings that say otherwise."""
    cores, usable = os.cpu_count() or 1, _usable()
    said = f"{usable} of {cores} may be used" if usable < cores else f"{cores}"
    if usable < cores:
        remedy = f"--workers {usable}: by default there is a thread a core of the machine"
        yield Finding("cores", said, WARN, remedy)
    else:
        yield Finding("cores", said)
    for name in _THREADS:
        value = os.environ.get(name)
        if value is not None and value != str(usable):
            remedy = f"unset {name}, unless you mean it"
            yield Finding(name, f"is {value}, cores are {usable}", WARN, remedy)


def _usable() -> int:
    """Return the cores that affinity and the container's quota leave."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    try:
        quota, period = _QUOTA.read_text(encoding="ascii").split()
    except (OSError, ValueError):
        return allowed or 1
    limit = allowed or 1
    return limit if quota == "max" else max(1, min(limit, int(quota) // int(period)))


def memory_left() -> Iterator[Finding]:
    """Yield how much memory can still be taken."""
    free = memory.available()
    if free is None:
        yield Finding("memory", "unknown on this system")
        return
    verdict = FAIL if free < _NO_MEMORY else WARN if free < _SCARCE_MEMORY else OK
    remedy = "end other programs, or ask for a larger container" if verdict != OK else ""
    yield Finding("memory", f"{in_bytes(free)} free", verdict, remedy)


def disk(what: str, place: Place) -> Iterator[Finding]:
    """Yield the room where `place` is or would be, and whether it can be written to."""
    if isinstance(place, ObjectPath):
        yield Finding(what, f"{place}: an object store, whose room nobody tells")
        return
    folder = next(p for p in (place.absolute(), *place.absolute().parents) if p.is_dir())
    free, files = shutil.disk_usage(folder).free, _free_files(folder)
    said = f"{folder}: {in_bytes(free)} free"
    try:
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        remedy = "choose another folder, or get the right to write there"
        yield Finding(what, f"{said}; not writable: {error.strerror}", FAIL, remedy)
        return
    verdict = FAIL if free < _NO_DISK else WARN if free < _SCARCE_DISK else OK
    remedy = "free some, or choose another disk" if verdict != OK else ""
    if files is not None and files < _SCARCE_FILES:
        said, verdict = f"{said}, only {files} more files", max(verdict, WARN, key=(OK, WARN).index)
        remedy = remedy or "a lab has a file an image: choose another disk"
    yield Finding(what, said, verdict, remedy)


def _free_files(folder: Path) -> int | None:
    """Return how many more files there may be; None where that is not limited or known."""
    if not hasattr(os, "statvfs"):
        return None
    found = os.statvfs(folder)
    return found.f_favail if found.f_files else None

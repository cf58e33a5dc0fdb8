"""How much memory there is, to say no before a run dies of it."""

from __future__ import annotations

from pathlib import Path

from fusionlab.errors import UsageError

_MEMINFO = Path("/proc/meminfo")
_GROUP = Path("/sys/fs/cgroup")


def available() -> int | None:
    """Return the bytes that can still be taken, of the machine or container; None if unknown."""
    found = [n for n in (_of_machine(), _of_group()) if n is not None]
    return min(found, default=None)


def check_fits(needed: int, what: str, remedy: str) -> None:
    """Refuse what would not fit into the memory.

    Raises
    ------
    UsageError
        With what takes how much, how much there is, and the remedy.
    """
    free = available()
    if free is not None and needed > free:
        raise UsageError(
            f"{what}: takes {needed / 1e9:.1f} GB of memory, {free / 1e9:.1f} GB are free; {remedy}"
        )


def _of_machine() -> int | None:
    try:
        lines = _MEMINFO.read_text(encoding="ascii").splitlines()
    except OSError:  # not Linux
        return None
    found = [line.split()[1] for line in lines if line.startswith("MemAvailable:")]
    return 1024 * int(found[0]) if found else None


def _of_group() -> int | None:
    """Return what the limit of a container leaves; what the page cache holds counts as free."""
    try:
        limit, used, cached = (
            (_GROUP / name).read_text(encoding="ascii")
            for name in ("memory.max", "memory.current", "memory.stat")
        )
    except OSError:
        return None
    if limit.strip() == "max":
        return None
    kept = [line.split()[1] for line in cached.splitlines() if line.startswith("inactive_file ")]
    return max(0, int(limit) - int(used) + sum(map(int, kept)))

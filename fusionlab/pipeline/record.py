"""The record of a run: what was called, how long it took, what it made, by which versions.

One JSON file a run, ``LAB/pipelines/NAME/TIME.json``, written anew after every stage, so that it
tells of a run that was killed too.
"""

from __future__ import annotations

import json
import platform
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path  # noqa: TC003  a dataclass field
from typing import Any

from fusionlab import __version__
from fusionlab.atomic import atomic_write_bytes
from fusionlab.pipeline.state import World
from fusionlab.terminal import plain

#: Packages whose versions the results may depend on.
_PACKAGES = ("numpy", "numba", "torch", "zarr", "dask", "pandas", "opencv-python-headless")


def now() -> str:
    """Return the time as text, in UTC; texts sort as times do."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


@dataclass
class StageRecord:
    """What one stage did.

    Attributes
    ----------
    verdict : ``ran``, ``unchanged``, ``failed`` or ``stopped``.
    made : file or folder -> digest, of what is new or has changed since the stage began.
    report : what the command reports.
    """

    stage: str
    line: str
    verdict: str
    seconds: float = 0.0
    made: dict[str, str] = field(default_factory=dict)
    report: dict[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass
class RunRecord:
    """What one run of a pipeline did.

    Attributes
    ----------
    keys : command lines of the stages that had ended, in order: with `world` what tells the next
        run that nothing has changed.
    """

    pipeline: str
    started: str = field(default_factory=now)
    ended: str = ""
    versions: dict[str, str] = field(default_factory=dict)
    stages: list[StageRecord] = field(default_factory=list)
    keys: list[str] = field(default_factory=list)
    world: World = field(default_factory=World)
    path: Path | None = None

    def write(self, lab: Path) -> Path:
        """Write the record into a lab; return the file."""
        name = self.started.replace(":", "").replace("+0000", "Z")
        self.path = folder_of(lab, self.pipeline) / f"{name}.json"
        content = json.dumps(self.as_dict(), indent=1, ensure_ascii=False)
        atomic_write_bytes(self.path, content.encode())
        return self.path

    def as_dict(self) -> dict[str, Any]:
        """Return all of it as JSON can hold it."""
        found: dict[str, Any] = plain(asdict(self) | {"path": str(self.path or "")})
        return found


def versions() -> dict[str, str]:
    """Return the versions of FusionLab, Python and the packages that results may depend on."""
    found = {name: metadata.version(name) for name in _PACKAGES}
    return {"fusionlab": __version__, "python": platform.python_version(), **found}


def last_record(lab: Path, pipeline: str) -> tuple[list[str], World]:
    """Return keys and world of the latest run's record; nothing, where it cannot be read."""
    files = sorted(folder_of(lab, pipeline).glob("*.json"))
    try:
        content = json.loads(files[-1].read_text(encoding="utf-8"))
        return list(content["keys"]), World(**content["world"])
    except (IndexError, OSError, ValueError, KeyError, TypeError):
        return [], World()


def folder_of(lab: Path, pipeline: str) -> Path:
    """Return the folder of a pipeline's records."""
    return lab / "pipelines" / pipeline

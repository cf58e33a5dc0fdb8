"""Fuse files and folders: read, fuse, write, one image after the other.

An image that cannot be fused becomes a row of ``OUT/rejects.parquet``, and the rest goes on. What
was made of the same files by the same model and settings is not made again.
"""

from __future__ import annotations

import hashlib
import os
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from fusionlab.atomic import TEMPORARY_PREFIX, atomic_write_bytes
from fusionlab.errors import ImageError, ReasonedError, UsageError
from fusionlab.images import decode
from fusionlab.inference.pairs import Job, find, reject
from fusionlab.inference.planes import check_sources, task_of
from fusionlab.inference.record import Recipe, encode, read_record
from fusionlab.inference.report import FuseReport
from fusionlab.ingest.tree import FileTree
from fusionlab.lock import hold
from fusionlab.schemas import REJECTS
from fusionlab.tables import write_table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from concurrent.futures import Future

    from fusionlab.images import Pixels
    from fusionlab.inference.fuser import Fuser, Sampling


@dataclass(frozen=True)
class _Plan:
    """How all images of a run are made."""

    fuser: Fuser
    out: Path
    task: str
    sampling: Sampling
    tile: int | None
    overwrite: bool
    dry_run: bool


@dataclass(frozen=True)
class _Ready:
    """What is to be made, and its sources."""

    recipe: Recipe
    sources: tuple[Pixels, ...]


def fuse_files(
    fuser: Fuser,
    places: Sequence[Path | str],
    out: Path | str,
    *,
    task: str = "",
    steps: int | None = None,
    solver: str | None = None,
    tile: int | None = None,
    overwrite: bool = False,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> FuseReport:
    """Fuse the images of folders, or of some files, into ``OUT/NAME.png``.

    Parameters
    ----------
    places : folders, or files, of the first source, the second, and of further ones if any.
    out : folder of the fused images: PNG without loss, as deep as the deepest source.
    task, steps, solver, tile : as for `Fuser.fuse`.
    overwrite : make again what is there, and replace files that do not come from here.
    dry_run : say what is lacking, and make nothing.
    on_progress : called with (images done, images in all).

    Raises
    ------
    UsageError, UnknownNameError
        For places, a task, a number of steps, a solver or a tile that cannot be.
    LabError
        When another process fuses into the same folder; StorageError when its disk is full.
    """
    start, folder = time.monotonic(), Path(out)
    kind = task_of(task or fuser.task)
    fuser.tile(tile)
    plan = _Plan(fuser, folder, kind.key, fuser.sampling(steps, solver), tile, overwrite, dry_run)
    jobs, alone = find([Path(place) for place in places])
    _check_out(folder, jobs)
    report = FuseReport(fuser.name, str(folder), str(fuser.device), kind.key, images=len(jobs))
    report.rejects += alone
    if dry_run:
        _run(plan, jobs, report, on_progress)
    else:
        folder.mkdir(parents=True, exist_ok=True)
        with hold(folder):
            for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
                leftover.unlink()
            _run(plan, jobs, report, on_progress)
            write_table(folder / "rejects.parquet", report.frame(), REJECTS)
    report.seconds = round(time.monotonic() - start, 3)
    return report


def _check_out(out: Path, jobs: Sequence[Job]) -> None:
    """Refuse a file, and to write among the sources: an output might take the place of one."""
    if out.exists() and not out.is_dir():
        raise UsageError(f"--out {out}: is a file; name a folder for the fused images")
    taken = {file.parent.resolve() for job in jobs for file in job.sources}
    if out.resolve() in taken:
        raise UsageError(f"--out {out}: holds sources; name another folder for the fused images")


def _run(
    plan: _Plan, jobs: Sequence[Job], report: FuseReport, advance: Callable[[int, int], None]
) -> None:
    advance(0, len(jobs))
    for done, (job, reading) in enumerate(_ahead(plan, jobs), start=1):
        try:
            ready = reading.result()
            if ready is None:
                report.kept += 1
            else:
                _make(plan, job, ready)
                report.fused += 1
        except ReasonedError as error:
            report.rejects.append(reject(job.name, job.sources[0], error.reason, error.detail))
        advance(done, len(jobs))


def _ahead(plan: _Plan, jobs: Sequence[Job]) -> Iterator[tuple[Job, Future[_Ready | None]]]:
    """Yield every job with its sources, those of the next being read while it is fused."""
    with ThreadPoolExecutor(1, thread_name_prefix="read") as pool:
        waiting: deque[tuple[Job, Future[_Ready | None]]] = deque()
        for job in jobs:
            waiting.append((job, pool.submit(_prepare, plan, job)))
            if len(waiting) > 1:
                yield waiting.popleft()
        yield from waiting


def _prepare(plan: _Plan, job: Job) -> _Ready | None:
    """Read the sources of one image; None where the image is there already."""
    files = [_read(file) for file in job.sources]
    digests = tuple(hashlib.sha256(data).hexdigest() for data in files)
    recipe = Recipe(
        sources=digests, model=plan.fuser.digest, task=plan.task, **asdict(plan.sampling)
    )
    if _stands(plan, job, recipe):
        return None
    sources = tuple(map(_decode, job.sources, files))
    check_sources(sources, job.name)
    return _Ready(recipe, sources)


def _read(file: Path) -> bytes:
    """Return the bytes of a regular file that is not too large; links are followed."""
    real = Path(os.path.realpath(file))
    with _naming(file):
        return FileTree(real.parent).read(real.name)


def _decode(file: Path, data: bytes) -> Pixels:
    with _naming(file):
        return decode(data).pixels


@contextmanager
def _naming(file: Path) -> Iterator[None]:
    """Let an error of the block say which file it is about."""
    try:
        yield
    except ImageError as error:
        raise ImageError(error.reason, f"{file}: {error.detail}") from None


def _stands(plan: _Plan, job: Job, recipe: Recipe) -> bool:
    """Tell whether the image is there, made in the very same way.

    Raises
    ------
    ImageError
        With reason ``output_exists``, where a file is in its place that does not come from here.
    """
    path = _output(plan, job)
    if plan.overwrite or not path.exists():
        return False
    record = read_record(path)
    if record is None:
        raise ImageError(
            "output_exists",
            f"{path}: is there, and is not what 'fusionlab fuse' wrote; it stays. Move it, or "
            "replace it by --overwrite",
        )
    return record.recipe == recipe


def _output(plan: _Plan, job: Job) -> Path:
    return plan.out / f"{job.name}.png"


def _make(plan: _Plan, job: Job, ready: _Ready) -> None:
    if plan.dry_run:
        return
    fused = plan.fuser.fuse(ready.sources, plan.task, **asdict(plan.sampling), tile=plan.tile)
    atomic_write_bytes(_output(plan, job), encode(fused, ready.recipe, plan.fuser.name))

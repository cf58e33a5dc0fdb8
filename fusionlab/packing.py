"""Pack a lab: a copy with few large files, for an object store or a file system short of inodes.

Images are copied as they are coded, `PER_SHARD` of one array to a file, each compared with its
digest on the way. A shard is written whole, once, by one thread; ``lab.json`` comes last, so that
what is not finished is no lab, and the same command goes on where it was stopped.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from fusionlab import __version__
from fusionlab.atomic import TEMPORARY_PREFIX, atomic_write_bytes
from fusionlab.errors import LabError
from fusionlab.images import digest
from fusionlab.lab import FORMAT, TABLE_FOLDERS, Lab
from fusionlab.lock import hold
from fusionlab.paths import is_empty, to_place
from fusionlab.store import Address, ImageStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    import pandas as pd

    from fusionlab.paths import Place

PER_SHARD = 64

_MARKER = ".packing.json"
_TABLES = ("", *TABLE_FOLDERS)


@dataclass
class PackReport:
    """What one run of pack did, or with a dry run would do.

    Attributes
    ----------
    images : in the lab.
    shards : files of pixels in the packed lab; `kept` of them stood from a run that was stopped.
    pixel_bytes : of all images, decoded; `written_bytes` of the shards that this run wrote.
    """

    source: str
    target: str
    images: int = 0
    shards: int = 0
    kept: int = 0
    pixel_bytes: int = 0
    written_bytes: int = 0
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


@dataclass(frozen=True)
class _Shard:
    """One file to write: its array, its number, and the rows of the index that it holds."""

    folder: str
    array: str
    number: int
    rows: tuple[Mapping[str, Any], ...]


def pack(
    lab: Lab,
    target: Place | str,
    *,
    workers: int | None = None,
    dry_run: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> PackReport:
    """Copy `lab` to `target` with many images a file; its pixels are read-only from then on.

    Parameters
    ----------
    target : an empty or missing folder, or prefix of an object store; or one where the same pack
        of the same lab was stopped, which then goes on.
    workers : threads that read, check and write; as many as there are cores by default.
    dry_run : count, and write nothing.
    on_progress : called with (images done, images in all).

    Raises
    ------
    LabError
        When `target` holds something else, another process writes to either, or an image is not
        the one that the index means.
    """
    start = time.monotonic()
    target = to_place(target)
    report = PackReport(str(lab.path), str(target))
    advance = on_progress or (lambda _done, _total: None)
    indices = {key: lab.index(*key) for key in lab.datasets()}
    report.images = sum(len(index) for index in indices.values())
    shards = list(itertools.chain.from_iterable(map(_shards, indices.values())))
    report.shards = len(shards)
    report.pixel_bytes = sum(map(_pixel_bytes, indices.values()))
    _check_target(lab, target)
    if not dry_run:
        with hold(lab.path):
            _begin(lab, target)
            with hold(target) as still_mine:
                packed = ImageStore(target / "images.zarr", PER_SHARD)
                _grow(lab, packed, shards)
                _copy_shards(lab, packed, shards, workers, report, advance)
                still_mine()
                _copy_tables(lab, target)
                _finish(target)
    report.seconds = round(time.monotonic() - start, 3)
    return report


def _shards(index: pd.DataFrame) -> Iterator[_Shard]:
    """Yield the shards that the images of one data set make, in a fixed order."""
    groups: dict[tuple[str, str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for record in index.to_dict("records"):
        row = {str(column): value for column, value in record.items()}
        address = Address.of(row)
        groups[address.folder, address.array, address.row // PER_SHARD].append(row)
    for (folder, array, number), rows in sorted(groups.items(), key=lambda item: item[0]):
        yield _Shard(folder, array, number, tuple(rows))


def _pixel_bytes(index: pd.DataFrame) -> int:
    depth = index["dtype"].map({"uint8": 1, "uint16": 2}).astype("int64")
    return int((index["height"].astype("int64") * index["width"] * index["channels"] * depth).sum())


def _identity(lab: Lab) -> dict[str, Any]:
    """Return what tells that two packs are one: the images, and how they are cut."""
    digests = hashlib.sha256()
    for key in lab.datasets():
        digests.update((lab.path / "index" / f"{'-'.join(key)}.parquet").read_bytes())
    return {"per_shard": PER_SHARD, "index": digests.hexdigest()}


def _check_target(lab: Lab, target: Place) -> None:
    """Refuse a target that holds anything but this very pack, unfinished."""
    if (target / "lab.json").exists():
        raise LabError(f"{target}: is a lab already; name an empty place to pack into")
    marker = target / _MARKER
    if not marker.exists():
        if not is_empty(target):
            raise LabError(f"{target}: is not empty; name an empty place to pack into")
        return
    if json.loads(marker.read_bytes()) != _identity(lab):
        raise LabError(
            f"{target}: holds an unfinished pack of another state of the lab; remove it, or name "
            "an empty place"
        )


def _begin(lab: Lab, target: Place) -> None:
    _check_target(lab, target)
    atomic_write_bytes(target / _MARKER, (json.dumps(_identity(lab)) + "\n").encode())


def _grow(lab: Lab, packed: ImageStore, shards: list[_Shard]) -> None:
    """Make the buckets of the packed lab, with the rows that the index names."""
    scenes: dict[str, list[str]] = {}
    for shard in shards:
        if shard.folder not in scenes:
            scenes[shard.folder] = lab.images.scenes(shard.folder)
        row = shard.rows[0]
        channels = (int(row["channels"]),) if row["channels"] > 1 else ()
        shape = (int(row["height"]), int(row["width"]), *channels)
        packed.grow(shard.folder, scenes[shard.folder], [shard.array], shape, row["dtype"])
    packed.flush()


def _copy_shards(
    lab: Lab,
    packed: ImageStore,
    shards: list[_Shard],
    workers: int | None,
    report: PackReport,
    advance: Callable[[int, int], None],
) -> None:
    """Copy the shards that are not there yet, a few at a time: each stands whole in memory."""
    done = 0
    advance(done, report.images)
    threads = workers or os.cpu_count() or 1
    with ThreadPoolExecutor(threads, thread_name_prefix="pack") as pool:
        for start in range(0, len(shards), 4 * threads):
            some = shards[start : start + 4 * threads]
            for shard, written in zip(
                some, pool.map(lambda shard: _copy(lab, packed, shard), some), strict=True
            ):
                report.written_bytes += written
                report.kept += not written
                done += len(shard.rows)
            advance(done, report.images)
    packed.flush()


def _copy(lab: Lab, packed: ImageStore, shard: _Shard) -> int:
    """Copy one shard; return its bytes, 0 where it stood already."""
    if packed.has_shard(shard.folder, shard.array, shard.number):
        return 0
    chunks: list[bytes | None] = [None] * PER_SHARD
    for row in shard.rows:
        address = Address.of(row)
        pixels, chunk = lab.images.read_coded(address)
        if digest(pixels) != row["digest"]:
            raise LabError(
                f"{lab.path}: {row['name']} of scene {row['scene']} is not the image that the "
                "index means; see: fusionlab verify, then ingest again with --force"
            )
        chunks[address.row % PER_SHARD] = chunk
    return packed.write_shard(shard.folder, shard.array, shard.number, chunks)


def _copy_tables(lab: Lab, target: Place) -> None:
    for folder in _TABLES:
        here, there = (place / folder if folder else place for place in (lab.path, target))
        for table in here.glob("[!.]*.parquet"):
            atomic_write_bytes(there / table.name, table.read_bytes())


def _finish(target: Place) -> None:
    """Declare the target a lab, and remove the marker of the work."""
    note = {"format": FORMAT, "created_by": f"fusionlab {__version__}", "packed": PER_SHARD}
    atomic_write_bytes(target / "lab.json", (json.dumps(note) + "\n").encode())
    for leftover in (target / _MARKER, *target.glob(f"{TEMPORARY_PREFIX}*")):
        leftover.unlink(missing_ok=True)

"""Curated labels as a folder of their own, to train where there is no lab.

::

    FOLDER/shard-00000.safetensors   pixels of some scenes: place -> (3, H, W) uint16
    FOLDER/index.json                all else, the digest of every shard and of every scene's pixels

Reading needs NumPy and safetensors, and neither Zarr nor a table. ``index.json`` is written last:
what is not finished has none, and the same export then goes on. A shard that stands as it should is
not written again, one that does not is.
"""

from __future__ import annotations

import hashlib
import json
import os
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from safetensors import SafetensorError
from safetensors.numpy import load, save

from fusionlab import __version__
from fusionlab.atomic import TEMPORARY_PREFIX, atomic_write_bytes
from fusionlab.errors import LabError
from fusionlab.lock import hold
from fusionlab.memory import check_fits
from fusionlab.paths import to_place
from fusionlab.training.curated import Curated, Example
from fusionlab.training.shard_index import FORMAT, INDEX_FILE, is_shard, read_index

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from fusionlab.paths import Place

#: Bytes of pixels in a shard, at most, where a scene alone does not have more.
SHARD_BYTES = 64 * 2**20


@dataclass(frozen=True)
class Written:
    """What one export wrote.

    Attributes
    ----------
    shards : files of pixels; `kept` of them stood already.
    written_bytes : of the shards that were written.
    """

    shards: int
    kept: int
    written_bytes: int


def cut(sizes: Sequence[int]) -> list[slice]:
    """Return which scenes go into which shard, for their bytes in order."""
    starts, filled = [0], 0
    for number, size in enumerate(sizes):
        if filled and filled + size > SHARD_BYTES:
            starts.append(number)
            filled = 0
        filled += size
    return [slice(*pair) for pair in zip(starts, [*starts[1:], len(sizes)], strict=True)]


def write_shards(
    curated: Curated,
    folder: Place | str,
    on_progress: Callable[[int, int], None] = lambda _done, _total: None,
) -> Written:
    """Write curated labels into `folder`, which then holds exactly them.

    Parameters
    ----------
    folder : missing, empty, or one that an export was written into.
    on_progress : called with (scenes done, scenes in all).

    Raises
    ------
    LabError
        When the folder holds anything else, or another process writes to it.
    """
    folder = to_place(folder)
    check_target(folder)
    with hold(folder) as still_mine:
        if _digest_at(folder) not in (None, curated.digest):
            (folder / INDEX_FILE).unlink()  # it would name shards that are replaced now
        names: dict[str, str] = {}
        rows: list[dict[str, Any]] = []
        kept = written = 0
        for part in cut([example.planes.nbytes for example in curated.examples]):
            some = curated.examples[part]
            name = f"shard-{len(names):05d}.safetensors"
            data = save({example.place: example.planes for example in some})
            names[name] = _sha(data)
            rows += [_row(example, name) for example in some]
            if _stands(folder / name, names[name]):
                kept += 1
            else:
                still_mine()
                atomic_write_bytes(folder / name, data)
                written += len(data)
            on_progress(len(rows), len(curated))
        still_mine()
        _finish(folder, curated, names, rows)
    return Written(len(names), kept, written)


def check_target(folder: Place) -> None:
    """Refuse a folder that holds anything but an export, finished or not.

    Raises
    ------
    LabError
        With the first name that does not belong there.
    """
    try:
        names = sorted(item.name for item in folder.iterdir())
    except FileNotFoundError:
        return
    except NotADirectoryError:
        raise LabError(f"{folder}: is a file; name an empty folder to export into") from None
    for name in names:
        if not (
            name == INDEX_FILE or is_shard(name) or name.startswith((".lock", TEMPORARY_PREFIX))
        ):
            raise LabError(f"{folder}: holds {name!r}; name an empty folder to export into")


def read_shards(folder: Place | str, workers: int | None = None) -> Curated:
    """Read what `write_shards` wrote; every shard and every scene is compared with its digest.

    Parameters
    ----------
    workers : threads that read; as many as there are cores by default.

    Raises
    ------
    LabError
        When there is no finished export, or one of a newer version, or a shard is missing, cut off
        or changed.
    UsageError
        When it would not fit into the memory.
    """
    folder = to_place(folder)
    index = read_index(folder)
    rows: dict[str, list[dict[str, Any]]] = {name: [] for name in index["shards"]}
    for row in index["examples"]:
        rows[row["shard"]].append(row)
    pixels = sum(3 * 2 * row["size"][0] * row["size"][1] for row in index["examples"])
    remedy = "export fewer tasks (--tasks), or take a machine with more memory"
    threads = min(workers or os.cpu_count() or 1, max(1, len(rows)))
    needed = pixels + min(pixels, threads * SHARD_BYTES)  # files are held while they are checked
    check_fits(needed, f"{folder}: {len(index['examples'])} scenes", remedy)

    def read(name: str) -> list[Example]:
        return _read_shard(folder, index, name, rows[name])

    with ThreadPoolExecutor(threads, "read") as pool:
        examples = [example for some in pool.map(read, index["shards"]) for example in some]
    curated = Curated(examples, index["labels"], index["policy_digest"])
    if curated.digest != index["digest"]:
        raise _broken(
            folder / INDEX_FILE, folder, index, "its scenes are not those it was written for"
        )
    return curated


def _sha(data: bytes | memoryview) -> str:
    return hashlib.sha256(data).hexdigest()


def _row(example: Example, shard: str) -> dict[str, Any]:
    return {**example.describe(), "shard": shard, "pixels": _sha(example.planes.data)}


def _stands(file: Place, sha: str) -> bool:
    return file.exists() and _sha(file.read_bytes()) == sha


def _digest_at(folder: Place) -> str | None:
    """Return what an index says that it is of: "" where it is broken, None where there is none."""
    try:
        return str(json.loads((folder / INDEX_FILE).read_bytes())["digest"])
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return ""


def _finish(
    folder: Place, curated: Curated, names: dict[str, str], rows: list[dict[str, Any]]
) -> None:
    """Write the index, and remove what it does not name."""
    note = {
        "format": FORMAT,
        "software_version": __version__,
        "labels": curated.labels,
        "policy_digest": curated.policy_digest,
        "digest": curated.digest,
        "shards": names,
        "examples": rows,
    }
    atomic_write_bytes(folder / INDEX_FILE, (json.dumps(note, indent=1) + "\n").encode())
    for file in folder.iterdir():
        if file.name.startswith(("shard-", TEMPORARY_PREFIX)) and file.name not in names:
            file.unlink(missing_ok=True)


def _read_shard(
    folder: Place, index: dict[str, Any], name: str, rows: list[dict[str, Any]]
) -> list[Example]:
    path = folder / name
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _broken(path, folder, index, f"cannot be read ({error.strerror})") from None
    try:
        planes = load(data)
    except (SafetensorError, ValueError) as error:
        what = f"is cut off or no shard ({len(data)} bytes; {error})"
        raise _broken(path, folder, index, what) from None
    changed = [row["place"] for row in rows if not _is_whole(planes.get(row["place"]), row)]
    if changed:
        raise _broken(path, folder, index, f"the pixels of {', '.join(changed[:3])} have changed")
    if _sha(data) != index["shards"][name]:
        raise _broken(path, folder, index, "is another file than the index means")
    return [_example(row, planes[row["place"]]) for row in rows]


def _is_whole(planes: NDArray[Any] | None, row: dict[str, Any]) -> bool:
    return (
        planes is not None
        and planes.dtype.str == "<u2"
        and planes.shape == (3, *row["size"])
        and _sha(planes.data) == row["pixels"]
    )


def _example(row: dict[str, Any], planes: NDArray[np.uint16]) -> Example:
    a, b, candidate = row["digests"]
    names = ("place", "task", "weight", "method", "region", "group", "split")
    return Example(planes=planes, digests=(a, b, candidate), **{name: row[name] for name in names})


def _broken(path: Place, folder: Place, index: dict[str, Any], what: str) -> LabError:
    return LabError(
        f"{path}: {what}; export again, which writes only what is wrong: fusionlab export "
        f"--lab LAB --labels {index['labels']} --out {folder}"
    )

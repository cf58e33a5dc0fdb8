"""The Zarr layout of a lab's images: the only module that knows it.

::

    images.zarr/<task>/<dataset>/<bucket>/scene              names along the scene axis
    images.zarr/<task>/<dataset>/<bucket>/source/<modality>  (scene, y, x[, channel])
    images.zarr/<task>/<dataset>/<bucket>/method/<method>
    images.zarr/<task>/<dataset>/<bucket>/reference/<kind>

A bucket holds all images of one height, width, channel count and dtype (``460x630x3-uint8``);
its arrays share the scene axis. A chunk is one image, so whoever writes an image is the only
writer of its chunk. Rows are only ever appended; which of them hold an image, the index says.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING, Any

import numpy as np
import zarr
from zarr.codecs import BloscCodec

from fusionlab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from pathlib import Path

    from fusionlab.images import Pixels

_NAMES_PER_CHUNK = 4096
_LONGEST_NAME = 150  # bytes; file systems take 255, of which atomic writing needs some
_CODEC = BloscCodec(cname="lz4", clevel=5, shuffle="bitshuffle")


@dataclass(frozen=True, slots=True, order=True)
class Address:
    """Where one image lies in the store.

    Attributes
    ----------
    folder : ``task/dataset/bucket``.
    array : ``role/name``, e.g. ``source/ir`` or ``method/GTF``.
    row : position on the bucket's scene axis.
    """

    folder: str
    array: str
    row: int

    @classmethod
    def of(cls, entry: Mapping[str, Any]) -> Address:
        """Return where the image of one row of the index table lies."""
        folder = f"{entry['task']}/{entry['dataset']}/{entry['bucket']}"
        return cls(folder, f"{entry['role']}/{entry['name']}", int(entry["row"]))


def bucket_name(pixels: Pixels) -> str:
    """Return the bucket that `pixels` belong to, e.g. ``460x630x3-uint8``."""
    height, width = pixels.shape[:2]
    channels = pixels.shape[2] if pixels.ndim == 3 else 1
    return f"{height}x{width}x{channels}-{pixels.dtype}"


def is_safe_name(name: str) -> bool:
    """Tell whether `name` may name an array: no path tricks, nothing that Zarr reserves.

    It may also be a part of a file's name, and so must leave room for the rest of it.
    """
    return (
        bool(name)
        and name == name.strip()
        and not name.startswith((".", "__"))
        and name != "zarr.json"
        and not any(c in "/\\:" or not c.isprintable() for c in name)
        and len(name.encode()) <= _LONGEST_NAME
    )


class ImageStore:
    """Images of a lab, addressed by bucket, array and row.

    Reading is safe from many threads and processes; writing is one writer a chunk, and growing a
    bucket is for one process alone (the lab's lock sees to it).
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def scenes(self, folder: str) -> list[str]:
        """Return the scene names along the axis of bucket `folder`, in row order."""
        names = self._group("r+").get(f"{folder}/scene") if self.path.exists() else None
        if not isinstance(names, zarr.Array):
            return []
        return _named(names)

    def grow(
        self,
        folder: str,
        scenes: list[str],
        arrays: Iterable[str],
        shape: tuple[int, ...],
        dtype: str,
    ) -> None:
        """Make bucket `folder` hold exactly `scenes` and at least `arrays`.

        Parameters
        ----------
        scenes : all names along the axis; what is there already must be their beginning.
        arrays : ``role/name`` of arrays to create where missing.
        shape : (H, W) or (H, W, 3) of one image.

        Raises
        ------
        LabError
            When `scenes` would rename or remove a row that is there already.
        """
        group = self._group("a").require_group(folder)
        names = group.get("scene")
        kept = _named(names) if isinstance(names, zarr.Array) else []
        if kept != scenes[: len(kept)]:
            raise LabError(
                f"{self.path}/{folder}: rows are only ever appended; none may be renamed"
            )
        dimensions = ("scene", "y", "x", "channel")[: len(shape) + 1]
        for array in arrays:
            if array not in group:
                group.create_array(
                    array,
                    shape=(len(scenes), *shape),
                    chunks=(1, *shape),
                    dtype=dtype,
                    dimension_names=dimensions,
                    compressors=_CODEC,
                    fill_value=0,
                )
        for member in self._arrays(group):
            if member.shape[0] != len(scenes):
                member.resize((len(scenes), *member.shape[1:]))
        self._name_rows(group, scenes, len(kept))
        _open_array.cache_clear()

    def write(self, address: Address, pixels: Pixels) -> None:
        """Write one image; the bucket must have grown to hold it."""
        array = _open_array(self.path, f"{address.folder}/{address.array}")
        if pixels.dtype != array.dtype or (1, *pixels.shape) != array.chunks:
            raise LabError(
                f"{self.path}/{address.folder}/{address.array}: an image of {pixels.shape} and "
                f"{pixels.dtype} is not one chunk of {array.chunks} and {array.dtype}; it belongs "
                f"in {bucket_name(pixels)}"
            )
        array[address.row] = pixels

    def read(self, address: Address) -> Pixels:
        """Read one image, (H, W) or (H, W, 3).

        Raises
        ------
        LabError
            When the array is missing, too short, or its chunk does not decode.
        """
        place = f"{self.path}/{address.folder}/{address.array}[{address.row}]"
        try:
            array = _open_array(self.path, f"{address.folder}/{address.array}")
            if address.row >= array.shape[0]:  # another process has grown the bucket since
                _open_array.cache_clear()
                array = _open_array(self.path, f"{address.folder}/{address.array}")
            return np.asarray(array[address.row])
        except (KeyError, OSError, ValueError, IndexError, RuntimeError) as error:
            raise LabError(f"{place}: cannot be read: {error}; ingest it again") from error

    def _group(self, mode: Any) -> zarr.Group:
        return zarr.open_group(self.path, mode=mode, zarr_format=3)

    @staticmethod
    def _arrays(group: zarr.Group) -> list[zarr.Array[Any]]:
        return [array for _, role in group.groups() for _, array in role.arrays()]

    @staticmethod
    def _name_rows(group: zarr.Group, scenes: list[str], kept: int) -> None:
        """Name the rows from `kept` on; whole chunks, for a chunk is written at once."""
        if "scene" not in group:
            group.create_array(
                "scene",
                shape=(0,),
                chunks=(_NAMES_PER_CHUNK,),
                dtype=str,
                dimension_names=("scene",),
            )
        names = group["scene"]
        assert isinstance(names, zarr.Array)
        if names.shape[0] != len(scenes):
            names.resize((len(scenes),))
        if kept < len(scenes):
            start = kept // _NAMES_PER_CHUNK * _NAMES_PER_CHUNK
            names[start:] = np.array(scenes[start:], dtype=object)


def _named(names: zarr.Array[Any]) -> list[str]:
    """Return the names up to the first row without one.

    A kill between growing the axis and naming its rows leaves such rows: no index knows them.
    """
    return list(takewhile(bool, (str(name) for name in np.asarray(names[:]))))


@functools.lru_cache(maxsize=1024)
def _open_array(path: Path, key: str) -> zarr.Array[Any]:
    """Open one array; opening costs more than reading an image, so it is kept."""
    return zarr.open_array(path / key, mode="r+", zarr_format=3)

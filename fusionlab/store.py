"""The Zarr layout of a lab's images: the only module that knows it.

::

    images.zarr/<task>/<dataset>/<bucket>/scene              names along the scene axis
    images.zarr/<task>/<dataset>/<bucket>/source/<modality>  (scene, y, x[, channel])
    images.zarr/<task>/<dataset>/<bucket>/method/<method>
    images.zarr/<task>/<dataset>/<bucket>/reference/<kind>

A bucket holds all images of one height, width, channel count and dtype (``460x630x3-uint8``);
its arrays share the scene axis. A chunk is one image, so whoever writes an image is the only
writer of its chunk. Rows are only ever appended; which of them hold an image, the index says.

In a packed lab a file is a shard of many images of one array, and no image can be written.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from itertools import takewhile
from typing import TYPE_CHECKING, Any

from fusionlab import zarrfiles
from fusionlab.atomic import replace_bytes, sync_device
from fusionlab.errors import LabError
from fusionlab.paths import read_range, read_tail
from fusionlab.zarrfiles import NAMES_PER_CHUNK, ArrayLayout

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from fusionlab.images import Pixels
    from fusionlab.paths import Place

_LONGEST_NAME = 150  # bytes; file systems take 255, of which atomic writing needs some


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


@dataclass
class _Bucket:
    """A bucket while it is written: its names, how many of them are stored, its arrays."""

    scenes: list[str]
    named: int
    arrays: dict[str, ArrayLayout] = field(default_factory=dict)


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

    Parameters
    ----------
    path : the folder ``images.zarr``.
    per_shard : images in a file of the arrays that `grow` creates.
    """

    def __init__(self, path: Place, per_shard: int = 1) -> None:
        self.path, self.per_shard = path, per_shard
        self._buckets: dict[str, _Bucket] = {}
        self._groups: set[Place] = set()
        self._unsynced = False

    def scenes(self, folder: str) -> list[str]:
        """Return the scene names along the axis of bucket `folder`, in row order."""
        if folder in self._buckets:
            return list(self._buckets[folder].scenes)
        return self._stored_scenes(folder)

    def grow(
        self,
        folder: str,
        scenes: list[str],
        arrays: Iterable[str],
        shape: tuple[int, ...],
        dtype: str,
    ) -> None:
        """Make bucket `folder` hold exactly `scenes` and at least `arrays`.

        Images can then be written; the rows are part of the arrays, for every reader, from the
        next `flush` on: a file for each array, written once and not with each batch.

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
        bucket = self._bucket(folder)
        if bucket.scenes != scenes[: len(bucket.scenes)]:
            raise LabError(
                f"{self.path}/{folder}: rows are only ever appended; none may be renamed"
            )
        bucket.scenes = list(scenes)
        for array in arrays:
            if array not in bucket.arrays:
                layout = ArrayLayout(len(scenes), shape, dtype, per_shard=self.per_shard)
                self._write_layout(folder, array, layout)
                bucket.arrays[array] = layout

    def flush(self) -> None:
        """Make what was grown and written visible to every reader, and bring it to the disk."""
        for folder, bucket in self._buckets.items():
            rows = len(bucket.scenes)
            for array, layout in bucket.arrays.items():
                if layout.rows != rows:
                    bucket.arrays[array] = layout.grown(rows)
                    self._write_layout(folder, array, bucket.arrays[array])
            if bucket.named < rows:
                self._name_rows(folder, bucket)
        if self._unsynced:
            sync_device(self.path)
            self._unsynced = False

    def forget(self) -> None:
        """Forget what is not flushed, and what another process may have changed since."""
        self._buckets.clear()
        _open_array.cache_clear()
        _shard_index.cache_clear()

    def write(self, address: Address, pixels: Pixels) -> None:
        """Write one image; the bucket must have grown to hold it.

        Raises
        ------
        LabError
            When the image is not exactly one chunk of the array, or the lab is packed.
        """
        place = f"{self.path}/{address.folder}/{address.array}"
        layout = self._layout(address)
        if pixels.dtype != layout.dtype or pixels.shape != layout.image:
            raise LabError(
                f"{place}: an image of {pixels.shape} and {pixels.dtype} is not one chunk of "
                f"{layout.image} and {layout.dtype}; it belongs in {bucket_name(pixels)}"
            )
        if layout.per_shard != 1:
            raise LabError(
                f"{place}: a file of it holds {layout.per_shard} images, which are written "
                "together by 'fusionlab pack' alone; ingest into the lab that was packed"
            )
        self._put(self._array(address) / layout.file_of(address.row), layout.encode(pixels))

    def write_shard(
        self, folder: str, array: str, number: int, chunks: Sequence[bytes | None]
    ) -> int:
        """Write the rows from ``number * per_shard`` on of `array`: all of them, encoded.

        Returns
        -------
        The bytes of the shard.

        Raises
        ------
        LabError
            When `chunks` are not exactly one shard.
        """
        layout = self._layout(Address(folder, array, 0))
        if len(chunks) != layout.per_shard:
            raise LabError(
                f"{self.path}/{folder}/{array}: {len(chunks)} images are not one shard of "
                f"{layout.per_shard}; a shard is written whole"
            )
        file = self.path / folder / array / layout.file_of(number * layout.per_shard)
        data = zarrfiles.join_shard(chunks)
        self._put(file, data)
        return len(data)

    def has_shard(self, folder: str, array: str, number: int) -> bool:
        """Tell whether that shard was written."""
        layout = self._layout(Address(folder, array, 0))
        file = self.path / folder / array / layout.file_of(number * layout.per_shard)
        return file.exists()

    def read(self, address: Address) -> Pixels:
        """Read one image, (H, W) or (H, W, 3).

        Raises
        ------
        LabError
            When the array is missing, too short, or its chunk does not decode.
        """
        return self.read_coded(address)[0]

    def read_coded(self, address: Address) -> tuple[Pixels, bytes]:
        """Read one image, and the chunk it lies in.

        Raises
        ------
        LabError
            As `read`.
        """
        place = f"{self.path}/{address.folder}/{address.array}[{address.row}]"
        try:
            layout = self._layout(address)
            chunk = self._chunk(address, layout)
            if chunk is None:
                blank = self._blank(address)
                return blank, layout.encode(blank)
            return layout.decode(chunk), chunk
        except (OSError, ValueError, IndexError, RuntimeError) as error:
            raise LabError(f"{place}: cannot be read: {error}; ingest it again") from error

    def _put(self, file: Place, data: bytes) -> None:
        replace_bytes(file, data, self.path.parent)
        self._unsynced = True

    def _array(self, address: Address) -> Place:
        return self.path / address.folder / address.array

    def _layout(self, address: Address) -> ArrayLayout:
        return _open_array(self._array(address))

    def _chunk(self, address: Address, layout: ArrayLayout) -> bytes | None:
        file = self._array(address) / layout.file_of(address.row)
        try:
            if layout.per_shard == 1:
                return file.read_bytes()
            place = _shard_index(file, layout.shard_index_bytes)[address.row % layout.per_shard]
        except FileNotFoundError:
            return None
        return None if place is None else read_range(file, *place)

    def _blank(self, address: Address) -> Pixels:
        """Return what a row without a chunk reads as, if there is such a row."""
        layout = self._layout(address)
        if address.row >= layout.rows:  # another process may have grown the bucket since
            layout = ArrayLayout.from_json((self._array(address) / "zarr.json").read_bytes())
        if address.row >= layout.rows:
            raise IndexError(f"it has {layout.rows} rows")
        return layout.blank()

    def _bucket(self, folder: str) -> _Bucket:
        """Return a bucket as it is stored, and from then on as it grows."""
        if folder not in self._buckets:
            scenes = self._stored_scenes(folder)
            arrays = {}
            for role in _folders(self.path / folder):
                for array in _folders(role) if role.name != "scene" else ():
                    if (array / "zarr.json").exists():  # a kill may have left a bare folder
                        arrays[f"{role.name}/{array.name}"] = _open_array(array)
            self._buckets[folder] = _Bucket(scenes, len(scenes), arrays)
        return self._buckets[folder]

    def _stored_scenes(self, folder: str) -> list[str]:
        """Return the names up to the first row without one.

        A kill between growing the arrays and naming their rows leaves such rows: no index knows
        them.
        """
        axis = self.path / folder / "scene"
        try:
            rows, separator = zarrfiles.names_layout((axis / "zarr.json").read_bytes())
        except FileNotFoundError:
            return []
        names: list[str] = []
        for chunk in range(-(-rows // NAMES_PER_CHUNK)):
            try:
                data = (axis / f"c{separator}{chunk}").read_bytes()
            except FileNotFoundError:
                break
            names += zarrfiles.decode_names(data)
        return list(takewhile(bool, names[:rows]))

    def _write_layout(self, folder: str, array: str, layout: ArrayLayout) -> None:
        """Write the metadata of an array, and of the groups above it where they have none."""
        group = self.path
        for part in f"{folder}/{array}".split("/"):
            if group not in self._groups and not (group / "zarr.json").exists():
                self._put(group / "zarr.json", zarrfiles.GROUP)
            self._groups.add(group)
            group = group / part
        self._put(group / "zarr.json", layout.to_json())

    def _name_rows(self, folder: str, bucket: _Bucket) -> None:
        """Name the rows that have none yet; whole chunks, for a chunk is written at once."""
        axis = self.path / folder / "scene"
        try:
            separator = zarrfiles.names_layout((axis / "zarr.json").read_bytes())[1]
        except FileNotFoundError:
            separator = "."
        first = bucket.named // NAMES_PER_CHUNK
        for chunk in range(first, -(-len(bucket.scenes) // NAMES_PER_CHUNK)):
            names = bucket.scenes[chunk * NAMES_PER_CHUNK :][:NAMES_PER_CHUNK]
            self._put(axis / f"c{separator}{chunk}", zarrfiles.encode_names(names))
        self._put(axis / "zarr.json", zarrfiles.names_json(len(bucket.scenes), separator))
        bucket.named = len(bucket.scenes)


def _folders(place: Place) -> list[Place]:
    """Return what lies under `place` and may be a group or an array."""
    try:
        return sorted(item for item in place.iterdir() if is_safe_name(item.name))
    except FileNotFoundError:
        return []


@functools.lru_cache(maxsize=4096)
def _open_array(array: Place) -> ArrayLayout:
    """Read what an array is; a run asks for each image, and it does not change but in length."""
    return ArrayLayout.from_json((array / "zarr.json").read_bytes())


@functools.lru_cache(maxsize=4096)
def _shard_index(file: Place, length: int) -> list[tuple[int, int] | None]:
    """Read where the images of a shard are; a shard is never written twice."""
    return zarrfiles.split_index(read_tail(file, length))

"""The bytes of a Zarr v3 hierarchy, as far as a lab uses it.

An image is one chunk, coded by itself, so that reading and writing one is reading and writing one
file, or one range of a shard: going round the generality of the zarr package makes both several
times as fast. What is written here, zarr and xarray read; the tests hold that.

A shard of the codec ``sharding_indexed`` is its chunks, one after another, and at the end their
index: offset and length of each as little-endian uint64, both 2**64 - 1 for a chunk that is not
there, and the CRC-32C of the index.

Source: Zarr core specification v3.0, https://zarr-specs.readthedocs.io/en/latest/v3/core/.
"""

from __future__ import annotations

import functools
import json
import math
import struct
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import google_crc32c
import numpy as np
from numcodecs import VLenUTF8, Zstd, blosc

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

GROUP = b'{"attributes": {}, "zarr_format": 3, "node_type": "group"}\n'
NAMES_PER_CHUNK = 4096

#: Of an image, a quarter of a millisecond: dearer settings cost more than decoding the file did.
_CNAME, _CLEVEL = "lz4", 1

_NOWHERE = 2**64 - 1
_CRC_BYTES = 4
_BLOSC_HEADER = 16
_SIZES = struct.Struct("<I4xI")  # of the pixels and of the chunk, after four bytes of flags


@dataclass(frozen=True, slots=True)
class ArrayLayout:
    """What the ``zarr.json`` of an array of images says.

    Attributes
    ----------
    rows : length of the scene axis.
    image : (H, W) or (H, W, 3).
    dtype : of the pixels.
    separator : between the parts of a chunk's name.
    per_shard : images in a file; 1 where each has its own.
    """

    rows: int
    image: tuple[int, ...]
    dtype: str
    separator: str = "."
    per_shard: int = 1

    def grown(self, rows: int) -> ArrayLayout:
        """Return the layout with another number of rows."""
        return replace(self, rows=rows)

    def file_of(self, row: int) -> str:
        """Return the name of the file that holds `row`, below the array."""
        first = str(row // self.per_shard)
        return self.separator.join(("c", first, *("0" for _ in self.image)))

    @property
    def shard_index_bytes(self) -> int:
        """Return the bytes at the end of a shard that say where its chunks are."""
        return 16 * self.per_shard + _CRC_BYTES

    @functools.lru_cache(maxsize=256)  # noqa: B019  the arrays of a bucket have one text
    def to_json(self) -> bytes:
        """Return the content of ``zarr.json``."""
        inner = [_bytes_codec(self.dtype), _blosc_codec(self.dtype)]
        codecs = inner if self.per_shard == 1 else [_sharding_codec(self.image, inner)]
        shape, chunk = (self.rows, *self.image), (self.per_shard, *self.image)
        document = _array_document(shape, chunk, self.dtype, self.separator, codecs, 0)
        document["dimension_names"] = ["scene", "y", "x", "channel"][: 1 + len(self.image)]
        return _dump(document)

    @classmethod
    def from_json(cls, data: bytes) -> ArrayLayout:
        """Read the content of ``zarr.json``.

        Raises
        ------
        ValueError
            When it is not that of an array of images as FusionLab writes them.
        """
        document = json.loads(data)
        try:
            rows, *image = document["shape"]
            chunk = document["chunk_grid"]["configuration"]["chunk_shape"]
            codecs = [codec["name"] for codec in document["codecs"]]
            separator = document["chunk_key_encoding"]["configuration"]["separator"]
            known = chunk[1:] == image and codecs in (["bytes", "blosc"], ["sharding_indexed"])
            layout = cls(rows, tuple(image), document["data_type"], separator, chunk[0])
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"its zarr.json is not that of an array: {error!r}") from error
        if not known or (layout.per_shard == 1) != (codecs != ["sharding_indexed"]):
            raise ValueError(f"its chunks of {chunk}, coded by {codecs}, are not FusionLab's")
        return layout

    def encode(self, pixels: NDArray[Any]) -> bytes:
        """Return the chunk of one image of this array's shape and dtype."""
        little = np.ascontiguousarray(pixels, dtype=np.dtype(self.dtype).newbyteorder("<"))
        shuffle = blosc.NOSHUFFLE if little.itemsize == 1 else blosc.SHUFFLE
        return bytes(blosc.Blosc(_CNAME, _CLEVEL, shuffle).encode(little))

    def decode(self, chunk: bytes) -> NDArray[Any]:
        """Return the image of one chunk.

        Raises
        ------
        ValueError, RuntimeError
            When the chunk is damaged, or of another shape.
        """
        little = np.dtype(self.dtype).newbyteorder("<")
        size = little.itemsize * math.prod(self.image)
        # Blosc trusts the sizes in its header
        if len(chunk) < _BLOSC_HEADER or _SIZES.unpack_from(chunk, 4) != (size, len(chunk)):
            raise ValueError(f"its chunk of {len(chunk)} bytes is damaged")
        flat = np.frombuffer(blosc.decompress(chunk), little)
        return flat.reshape(self.image).astype(self.dtype, copy=False)

    def blank(self) -> NDArray[Any]:
        """Return what a row without a chunk reads as."""
        return np.zeros(self.image, self.dtype)


def join_shard(chunks: Sequence[bytes | None]) -> bytes:
    """Return the shard of `chunks`; None is a row without an image."""
    places: list[int] = []
    offset = 0
    for chunk in chunks:
        places += (_NOWHERE, _NOWHERE) if chunk is None else (offset, len(chunk))
        offset += len(chunk or b"")
    index = struct.pack(f"<{len(places)}Q", *places)
    crc = struct.pack("<I", google_crc32c.value(index))
    return b"".join((*(chunk for chunk in chunks if chunk is not None), index, crc))


def split_index(tail: bytes) -> list[tuple[int, int] | None]:
    """Return offset and length of each chunk of a shard from its last bytes.

    Raises
    ------
    ValueError
        When they have another checksum than they say.
    """
    index, crc = tail[:-_CRC_BYTES], tail[-_CRC_BYTES:]
    if len(index) % 16 or struct.pack("<I", google_crc32c.value(index)) != crc:
        raise ValueError("the index of its shard is damaged")
    return [None if pair[0] == _NOWHERE else pair for pair in struct.iter_unpack("<QQ", index)]


def names_json(rows: int, separator: str = ".") -> bytes:
    """Return the ``zarr.json`` of the names along a scene axis."""
    codecs = [
        {"name": "vlen-utf8", "configuration": {}},
        {"name": "zstd", "configuration": {"level": 0, "checksum": False}},
    ]
    document = _array_document((rows,), (NAMES_PER_CHUNK,), "string", separator, codecs, "")
    return _dump({**document, "dimension_names": ["scene"]})


def names_layout(data: bytes) -> tuple[int, str]:
    """Return rows and separator from the ``zarr.json`` of names."""
    document = json.loads(data)
    return document["shape"][0], document["chunk_key_encoding"]["configuration"]["separator"]


def encode_names(names: Sequence[str]) -> bytes:
    """Return a chunk of at most `NAMES_PER_CHUNK` names; a row without one has the empty name."""
    filled = np.full(NAMES_PER_CHUNK, "", dtype=object)
    filled[: len(names)] = names
    return bytes(Zstd(level=0).encode(VLenUTF8().encode(filled)))


def decode_names(chunk: bytes) -> list[str]:
    """Return the names of one chunk."""
    return [str(name) for name in VLenUTF8().decode(Zstd().decode(chunk))]


def _array_document(
    shape: tuple[int, ...],
    chunk: tuple[int, ...],
    dtype: str,
    separator: str,
    codecs: Sequence[Mapping[str, Any]],
    fill: int | str,
) -> dict[str, Any]:
    return {
        "shape": list(shape),
        "data_type": dtype,
        "chunk_grid": {"name": "regular", "configuration": {"chunk_shape": list(chunk)}},
        "chunk_key_encoding": {"name": "default", "configuration": {"separator": separator}},
        "fill_value": fill,
        "codecs": codecs,
        "attributes": {},
        "zarr_format": 3,
        "node_type": "array",
        "storage_transformers": [],
    }


def _bytes_codec(dtype: str) -> Mapping[str, Any]:
    if np.dtype(dtype).itemsize == 1:
        return {"name": "bytes"}
    return {"name": "bytes", "configuration": {"endian": "little"}}


def _blosc_codec(dtype: str) -> Mapping[str, Any]:
    size = np.dtype(dtype).itemsize
    configuration = {
        "typesize": size,
        "cname": _CNAME,
        "clevel": _CLEVEL,
        "shuffle": "noshuffle" if size == 1 else "shuffle",
        "blocksize": 0,
    }
    return {"name": "blosc", "configuration": configuration}


def _sharding_codec(
    image: tuple[int, ...], inner: Sequence[Mapping[str, Any]]
) -> Mapping[str, Any]:
    configuration = {
        "chunk_shape": [1, *image],
        "codecs": inner,
        "index_codecs": [
            {"name": "bytes", "configuration": {"endian": "little"}},
            {"name": "crc32c"},
        ],
        "index_location": "end",
    }
    return {"name": "sharding_indexed", "configuration": configuration}


def _dump(document: Mapping[str, Any]) -> bytes:
    return (json.dumps(document, indent=2) + "\n").encode()

"""A NIfTI volume as a folder of its axial slices, ``0000.nii`` at the feet and so on upwards.

A slice is a NIfTI file of its own, in canonical (RAS) orientation, with the whole volume's window:
the volume's own, else its percentiles 0.5 and 99.5. It is needed again and again and a packed
volume cannot be sought in, so that the slices lie, as float32, in a temporary file without a name.
"""

from __future__ import annotations

import math
import os
import tempfile
import weakref
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab.errors import ImageError
from fusionlab.headers import BROKEN
from fusionlab.ingest.archives import write_spool
from fusionlab.medical import PERCENTILES, is_number, needs_extra, nifti_errors
from fusionlab.ranges import is_range

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

    from fusionlab.ingest.members import Fault

#: More voxels than this in a header are not read.
MAX_VOXELS = 1 << 28

_PERCENTILES = (0.5, 99.5)
_HEADER_BYTES = 352


class Volume:
    """One volume; read like an archive.

    Attributes
    ----------
    members : name of a slice -> bytes of its file.
    faults : none: a volume is whole or is not read.
    """

    def __init__(self, path: Path) -> None:
        self.faults: list[Fault] = []
        header, voxels = _load(path)
        voxels = np.moveaxis(voxels, 2, 0)
        self._window, self._described = _window(header, voxels)
        self._plane = voxels.shape[1:]
        self._bytes = voxels.shape[1] * voxels.shape[2] * 4
        self._spool = tempfile.TemporaryFile()  # noqa: SIM115
        weakref.finalize(self, self._spool.close)
        for plane in voxels:
            write_spool(self._spool, np.ascontiguousarray(plane).tobytes())
        self._spool.flush()
        size = self._bytes + _HEADER_BYTES
        self.members = {f"{number:04d}.nii": size for number in range(len(voxels))}

    def read(self, name: str) -> bytes:
        """Return one slice as a NIfTI file; safe from several threads."""
        import nibabel

        start = int(name.removesuffix(".nii")) * self._bytes
        plane = np.frombuffer(os.pread(self._spool.fileno(), self._bytes, start), np.float32)
        image = nibabel.Nifti1Image(plane.reshape(*self._plane, 1), np.eye(4))
        image.header["cal_min"], image.header["cal_max"] = self._window
        image.header["descrip"] = self._described
        data: bytes = image.to_bytes()
        return data


def _load(path: Path) -> tuple[Any, NDArray[np.float32]]:
    """Read header and voxels; x goes to the right, y to the front, z upwards."""
    try:
        import nibabel
    except ImportError:
        raise needs_extra("NIfTI") from None
    try:
        image = nibabel.load(path)
        _check(image)
        canonical = nibabel.as_closest_canonical(image)
        voxels = np.asanyarray(canonical.dataobj).reshape(canonical.shape[:3])
    except (*BROKEN, MemoryError) as broken:
        raise ImageError("undecodable", f"the NIfTI volume is broken: {broken}") from None
    except nifti_errors() as broken:
        raise ImageError("undecodable", f"the NIfTI volume is broken: {broken}") from None
    return image.header, voxels.astype(np.float32)


def _check(image: Any) -> None:
    shape, dtype = image.shape, image.get_data_dtype()
    if len(shape) not in (3, 4) or shape[3:] not in ((), (1,)) or not is_number(image):
        raise ImageError(
            "unsupported_mode",
            f"a volume of {' x '.join(map(str, shape))} {dtype}; expected three axes of numbers",
        )
    voxels = math.prod(shape)
    if not 0 < voxels <= MAX_VOXELS:
        raise ImageError("too_many_pixels", f"{voxels:,} voxels; from 1 to {MAX_VOXELS:,} are read")


def _window(header: Any, voxels: NDArray[np.float32]) -> tuple[tuple[float, float], bytes]:
    """Return the volume's own window, or that of its percentiles, and how to describe it."""
    low, high = float(header["cal_min"]), float(header["cal_max"])
    if is_range(low, high):
        return (low, high), b""
    known = voxels[np.isfinite(voxels)]
    if not known.size:
        return (0.0, 0.0), b""
    low, high = (float(v) for v in np.percentile(known, _PERCENTILES))
    return (low, high if is_range(low, high) else low + 1.0), PERCENTILES

"""DICOM images and NIfTI slices, for medical fusion; needs the extra ``medical``.

Values become levels of uint16 over a window: the declared one, or the file's own. A DICOM's window
is that of its standard (PS3.3, C.11.2.1.2), with centre c and width w::

    low = c - 0.5 - (w - 1)/2,  high = c - 0.5 + (w - 1)/2      (LINEAR)
    low = c - w/2,              high = c + w/2                  (LINEAR_EXACT)

A NIfTI slice is shown as DICOM shows an axial slice: anterior up, the patient's right on the left.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Any

import numpy as np

from fusionlab.errors import ImageError
from fusionlab.headers import BROKEN, check_size
from fusionlab.ranges import Reading, finite, is_range, undeclared

if TYPE_CHECKING:
    from numpy.typing import NDArray

_NIFTI_MAGIC = {344: (b"n+1\0", b"ni1\0"), 4: (b"n+2\0", b"ni2\0")}
_COLOUR = frozenset({"RGB", "YBR_FULL", "YBR_FULL_422", "YBR_ICT", "YBR_RCT"})
_GRAY = frozenset({"MONOCHROME1", "MONOCHROME2"})

#: What a slice of a NIfTI volume carries in its description, where its window is of percentiles.
PERCENTILES = b"FusionLab: percentiles"


def is_medical(data: bytes) -> bool:
    """Tell whether the bytes are a DICOM file or a NIfTI file."""
    return data[128:132] == b"DICM" or _is_nifti(data)


def read_medical(
    data: bytes, reading: Reading | None, notes: list[str]
) -> tuple[str, str, NDArray[np.uint8] | NDArray[np.uint16]]:
    """Decode a DICOM image or a NIfTI slice, and note its window.

    Parameters
    ----------
    reading : the declared window or range; the file's own window where there is none.

    Returns
    -------
    The format (``DICOM`` or ``NIfTI``), the mode, and (H, W) or (H, W, 3) pixels.

    Raises
    ------
    ImageError
        With reason ``needs_extra``, ``undecodable``, ``unsupported_mode``, ``too_many_pixels``,
        ``needs_range``, ``not_finite`` or ``out_of_range``.
    """
    kind, read = ("NIfTI", _read_nifti) if _is_nifti(data) else ("DICOM", _read_dicom)
    try:
        mode, pixels = read(data, reading, notes)
    except ImportError:
        raise needs_extra(kind) from None
    except (*BROKEN, MemoryError) as broken:
        raise ImageError("undecodable", f"the {kind} file is broken: {broken}") from None
    return kind, mode, pixels


def needs_extra(kind: str) -> ImageError:
    """Return the error for a medical file where its library is not installed."""
    return ImageError("needs_extra", f"a {kind} file; pip install 'fusionlab[medical]' to read it")


def nifti_errors() -> tuple[type[Exception], ...]:
    """Return what nibabel raises on broken files, beside the usual."""
    from nibabel.filebasedimages import ImageFileError
    from nibabel.orientations import OrientationError
    from nibabel.spatialimages import HeaderDataError
    from nibabel.wrapstruct import WrapStructError

    return ImageFileError, HeaderDataError, OrientationError, WrapStructError


def is_number(image: Any) -> bool:
    """Tell whether a NIfTI image holds real numbers of at most 64 bit."""
    dtype = image.get_data_dtype()
    return dtype.kind in "fiu" and dtype.itemsize <= np.dtype(np.float64).itemsize


def _is_nifti(data: bytes) -> bool:
    return any(data[at : at + 4] in magics for at, magics in _NIFTI_MAGIC.items())


def _read_dicom(data: bytes, reading: Reading | None, notes: list[str]) -> tuple[str, Any]:
    import pydicom
    from pydicom.errors import BytesLengthException, InvalidDicomError
    from pydicom.pixels import apply_modality_lut, pixel_array

    try:
        record = pydicom.dcmread(io.BytesIO(data))
    except (BytesLengthException, InvalidDicomError) as error:
        raise ImageError("undecodable", f"the DICOM file is broken: {error}") from None
    mode = str(record.get("PhotometricInterpretation", ""))
    _check_dicom(record, mode)
    if int(record.get("NumberOfFrames", 1) or 1) > 1:
        notes.append("first_frame")
    stored = pixel_array(record, index=0)
    if mode in _COLOUR:
        return mode, _colour(stored, reading, notes)
    values = finite(np.asarray(apply_modality_lut(stored, record)))
    levels = (reading or _own_window(record, values)).apply(values, notes)
    return mode, 65535 - levels if mode == "MONOCHROME1" else levels


def _check_dicom(record: Any, mode: str) -> None:
    if "PixelData" not in record:
        raise ImageError("undecodable", "the DICOM file has no pixels")
    check_size(int(record.Columns), int(record.Rows))
    if mode not in _COLOUR | _GRAY:
        raise ImageError(
            "unsupported_mode", f"photometric interpretation {mode!r}; save it as gray or RGB"
        )


def _colour(stored: NDArray[Any], reading: Reading | None, notes: list[str]) -> NDArray[Any]:
    if stored.dtype == np.uint8:
        return stored
    if reading is None:
        raise undeclared(stored)
    return reading.apply(stored, notes)


def _own_window(record: Any, values: NDArray[Any]) -> Reading:
    """Return the file's first window."""
    centre, width = (_first(record.get(f"Window{name}")) for name in ("Center", "Width"))
    function = str(record.get("VOILUTFunction", "LINEAR") or "LINEAR")
    if centre is None or width is None or function not in ("LINEAR", "LINEAR_EXACT"):
        error = undeclared(values)
        raise ImageError(
            error.reason,
            "the DICOM file has no linear window, and "
            + error.detail.replace("'data_range: [0, 1]'", "'window: {ct: [40, 400]}'"),
        )
    note = f"own_window:{centre:g}/{width:g}"
    if function == "LINEAR":
        centre, width = centre - 0.5, width - 1
    low, high = centre - width / 2, centre + width / 2
    if not is_range(low, high):
        raise ImageError("needs_range", f"the DICOM file's window {note} is none; write 'window'")
    return Reading(low, high, note, clips=True)


def _first(value: Any) -> float | None:
    """Return the first of one or several values."""
    if value is None or isinstance(value, float | int):
        return None if value is None else float(value)
    return float(value[0]) if len(value) else None


def _read_nifti(data: bytes, reading: Reading | None, notes: list[str]) -> tuple[str, Any]:
    import nibabel

    kind = nibabel.Nifti2Image if data[4:7] in (b"n+2", b"ni2") else nibabel.Nifti1Image
    try:
        image = kind.from_bytes(data)
        values = finite(_axial(image))
    except nifti_errors() as error:
        raise ImageError("undecodable", f"the NIfTI file is broken: {error}") from None
    header = image.header
    low, high = float(header["cal_min"]), float(header["cal_max"])
    if reading is None and is_range(low, high):
        source = "percentile" if header["descrip"].item() == PERCENTILES else "own"
        note = f"{source}_window:{(low + high) / 2:g}/{high - low:g}"
        reading = Reading(low, high, note, clips=True)
    if reading is None:
        raise undeclared(values)
    return str(values.dtype), reading.apply(values, notes)


def _axial(image: Any) -> NDArray[Any]:
    """Return the only axial slice, (H, W), anterior up and the patient's right on the left."""
    import nibabel

    shape = image.shape
    if len(shape) < 2 or any(side != 1 for side in shape[3:]) or not is_number(image):
        raise ImageError("unsupported_mode", f"{len(shape)} axes of {image.get_data_dtype()}")
    check_size(int(np.prod(shape[1:])), shape[0])
    image = image.slicer[(..., *[0] * (len(shape) - 3))] if len(shape) > 3 else image
    if len(shape) == 2:
        image = type(image)(np.asanyarray(image.dataobj)[..., None], image.affine)
    values = np.asanyarray(nibabel.as_closest_canonical(image).dataobj)
    if values.shape[2] != 1:
        raise ImageError(
            "unsupported_mode",
            f"a volume of {' x '.join(map(str, shape))} {values.dtype}, not one axial slice; a "
            "pattern such as 'ct/{scene}.nii.gz/{slice}.nii' reads the slices of a volume",
        )
    shown: NDArray[Any] = values[::-1, ::-1, 0].T
    return shown

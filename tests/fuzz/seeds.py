"""Small valid files of every format, and damage to do to them."""

import gzip
import io
import tarfile
import zipfile

import cv2
import nibabel
import numpy as np
import tifffile
from PIL import Image
from pydicom.dataset import FileDataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian

_RNG = np.random.default_rng(1)
RGB = cv2.GaussianBlur(_RNG.integers(0, 256, (11, 14, 3), dtype=np.uint8), (0, 0), 2)
GRAY = RGB[..., 1].copy()
RGB16 = RGB.astype(np.uint16) * 251 + 3

MANIFEST = """\
task: mif
dataset: x
root: .
sources: {ct: "ct/{scene}.nii.gz/{slice}.nii", mri: 'm/{scene}_{slice}.*'}
candidates: methods/{method}.zip/{scene}_{slice}.*
reference: truth/{scene}_{slice}.png
ignore: [readme.txt, "*.csv"]
data_range: {mri: 4095, candidates: [0, 1]}
window: {ct: [40, 400]}
"""


def pil(image, file_format, **options):
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, file_format, **options)
    return buffer.getvalue()


def tiff(image, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, image, **options)
    return buffer.getvalue()


def dicom(stored, **elements):
    """Return a DICOM file of (H, W) or (H, W, 3) stored values; `elements` replace its own."""
    meta = FileMetaDataset()
    meta.MediaStorageSOPClassUID = CTImageStorage
    meta.MediaStorageSOPInstanceUID = "1.2.3"
    meta.TransferSyntaxUID = ExplicitVRLittleEndian
    record = FileDataset(None, {}, file_meta=meta, preamble=b"\0" * 128)
    record.SOPClassUID, record.SOPInstanceUID = CTImageStorage, "1.2.3"
    record.Rows, record.Columns = stored.shape[-2:] if stored.ndim < 3 else stored.shape[:2]
    bits = stored.dtype.itemsize * 8
    defaults = {
        "SamplesPerPixel": 1,
        "PhotometricInterpretation": "MONOCHROME2",
        "BitsAllocated": bits,
        "BitsStored": bits,
        "HighBit": bits - 1,
        "PixelRepresentation": int(stored.dtype.kind == "i"),
        "RescaleSlope": "1",
        "RescaleIntercept": "-1024",
        "WindowCenter": ["40", "600"],
        "WindowWidth": ["400", "1500"],
    }
    for name, value in {**defaults, **elements}.items():
        if value is not None:
            setattr(record, name, value)
    record.PixelData = stored.tobytes() + b"\0" * (stored.nbytes % 2)
    buffer = io.BytesIO()
    record.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def nifti(values, affine=None, kind=nibabel.Nifti1Image, window=(0, 0)):
    """Return a NIfTI file; `window` is its cal_min and cal_max."""
    image = kind(values, np.eye(4) if affine is None else affine)
    image.header["cal_min"], image.header["cal_max"] = window
    return image.to_bytes()


def zipped(members, **options):
    """Return a zip archive of name -> bytes."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", **{"compression": zipfile.ZIP_DEFLATED, **options}) as file:
        for name, data in members.items():
            file.writestr(name, data)
    return buffer.getvalue()


def tarred(members, mode="w"):
    """Return a tar archive of name -> bytes, or of name -> TarInfo for what is no file."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as file:
        for name, data in members.items():
            info = data if isinstance(data, tarfile.TarInfo) else tarfile.TarInfo(name)
            info.size = 0 if info is data else len(data)
            file.addfile(info, None if info is data else io.BytesIO(data))
    return buffer.getvalue()


def _exif():
    exif = Image.Exif()
    exif[274] = 6
    return exif


_ALPHA = np.dstack([RGB, np.pad(np.full((9, 12), 255, np.uint8), 1)])
_FLOAT = RGB.astype(np.float32) / 255
IMAGES = {
    "png": pil(RGB, "PNG"),
    "png_rgba": pil(_ALPHA, "PNG"),
    "png_exif": pil(RGB, "PNG", exif=_exif()),
    "png_palette": pil(Image.fromarray(RGB).convert("P"), "PNG"),
    "png_1": pil(Image.fromarray(GRAY).convert("1"), "PNG"),
    "png_16": cv2.imencode(".png", RGB16)[1].tobytes(),
    "jpeg": pil(RGB, "JPEG"),
    "jpeg_progressive": pil(RGB, "JPEG", progressive=True),
    "jpeg_exif": pil(RGB, "JPEG", exif=_exif()),
    "bmp": pil(RGB, "BMP"),
    "bmp_palette": pil(Image.fromarray(RGB).convert("P"), "BMP"),
    "gif": pil(RGB, "GIF"),
    "webp": pil(RGB, "WEBP", lossless=True),
    "webp_exif": pil(RGB, "WEBP", exif=_exif()),
    "tiff": pil(RGB, "TIFF"),
    "tiff_lzw": pil(RGB, "TIFF", compression="tiff_lzw"),
    "tiff_exif": pil(RGB, "TIFF", exif=_exif()),
    "tiff_16": tiff(RGB16, photometric="rgb"),
    "tiff_la": pil(Image.fromarray(GRAY).convert("LA"), "TIFF"),
    "tiff_float": tiff(_FLOAT[..., 0]),
    "tiff_float_rgb": tiff(_FLOAT, photometric="rgb", compression="zlib"),
    "tiff_double": tiff(_FLOAT.astype(float)[..., 0]),
    "tiff_int16": tiff(GRAY.astype(np.int16)),
    "tiff_planar": tiff(np.moveaxis(RGB16, 2, 0), photometric="rgb", planarconfig="separate"),
    "dicom": dicom(GRAY.astype(np.uint16) * 8),
    "nifti": nifti(GRAY[..., None].astype(np.int16), window=(0, 255)),
    "nifti2": nifti(GRAY[..., None], kind=nibabel.Nifti2Image, window=(0, 255)),
}
_MEMBERS = {"a.png": IMAGES["png"], "deep/b c.jpg": IMAGES["jpeg"], "é.txt": b"text" * 300}
_TARS = {f".tar{s}": tarred(_MEMBERS, f"w:{s.lstrip('.')}") for s in ("", ".gz", ".bz2", ".xz")}
_VOLUME = nifti(np.arange(60, dtype=np.int16).reshape(3, 4, 5))
ARCHIVES = {
    ".zip": zipped(_MEMBERS),
    **_TARS,
    ".nii": _VOLUME,
    ".nii.gz": gzip.compress(_VOLUME),
}


def damaged(data, rng):
    """Return `data` after some flips, cuts and splices."""
    out = bytearray(data)
    for _ in range(rng.integers(1, 6)):
        if not out:
            break
        head = int(rng.choice([len(out), min(200, len(out))]))
        at, other = int(rng.integers(head)), int(rng.integers(len(out)))
        length = int(rng.integers(1, 17))
        kind = rng.integers(6)
        if kind == 0:
            out[at] ^= 1 << int(rng.integers(8))
        elif kind == 1:
            out[at] = int(rng.choice([0, 1, 127, 128, 255, rng.integers(256)]))
        elif kind == 2:
            del out[at:]
        elif kind == 3:
            out[at : at + length] = out[other : other + length]
        elif kind == 4:
            del out[at : at + length]
        else:
            out[at:at] = rng.bytes(length)
    return bytes(out)

"""Formats beyond 8-bit colour: scientific TIFFs, declared ranges, transparent borders, medical."""

import builtins
import struct
import zlib

import nibabel
import numpy as np
import pytest
from fuzz.seeds import GRAY, RGB, RGB16, dicom, nifti, pil, tiff
from PIL import Image

from fusionlab.errors import ImageError
from fusionlab.images import decode, luminance, opaque_box
from fusionlab.ranges import Reading

UNIT = RGB.astype(np.float64) / 255
STORED = np.array([[0, 864, 1064], [1264, 3000, 1100]], np.uint16)  # minus 1024: Hounsfield

FLAT = nifti(np.zeros((3, 4, 1), np.int16))


def reason(data, reading=None):
    with pytest.raises(ImageError) as caught:
        decode(data, reading)
    return caught.value.reason, caught.value.detail


def levels(values, low, high):
    return np.rint((np.clip(values, low, high) - low) * (65535 / (high - low))).astype(np.uint16)


@pytest.mark.parametrize("dtype", [np.float32, np.float64, np.float16])
@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
@pytest.mark.parametrize("shape", ["gray", "rgb", "planar"])
def test_a_floating_point_tiff_is_mapped_by_its_declared_range(dtype, options, shape):
    values = UNIT.astype(dtype)
    if shape == "gray":
        values, data = values[..., 0], tiff(values[..., 0], **options)
    elif shape == "rgb":
        data = tiff(values, photometric="rgb", **options)
    else:
        planes = np.ascontiguousarray(np.moveaxis(values, 2, 0))
        data = tiff(planes, photometric="rgb", planarconfig="separate", **options)
    got = decode(data, Reading.span(0, 1))
    np.testing.assert_array_equal(got.pixels, levels(values.astype(float), 0, 1))
    assert got.notes == ("range:0..1",)
    assert got.file_mode == f"{1 if shape == 'gray' else 3}x{np.dtype(dtype)}"


def test_a_tiff_that_pillow_compresses_by_lzw_is_mapped_too():
    data = pil(Image.fromarray(UNIT[..., 0].astype(np.float32)), "TIFF", compression="tiff_lzw")
    got = decode(data, Reading.span(0, 1)).pixels
    np.testing.assert_array_equal(got, levels(UNIT[..., 0].astype(np.float32), 0, 1))


@pytest.mark.parametrize("dtype", [np.int8, np.int16, np.int32, np.uint32])
def test_integers_of_other_kinds_need_a_range_as_well(dtype):
    values = (GRAY >> 1).astype(dtype)
    assert reason(tiff(values))[0] == "needs_range"
    got = decode(tiff(values), Reading.span(0, 127)).pixels
    np.testing.assert_array_equal(got, levels(values.astype(float), 0, 127))


def test_without_a_range_the_reject_says_what_to_write():
    code, detail = reason(tiff(UNIT.astype(np.float32), photometric="rgb"))
    assert code == "needs_range"
    assert "float32" in detail
    assert f"to {UNIT.max():g}"[:6] in detail
    assert "'data_range: [0, 1]'" in detail


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_planar_tiff_gives_the_pixels_of_an_interleaved_one(dtype, compression):
    image = RGB if dtype == np.uint8 else RGB16
    planes = np.ascontiguousarray(np.moveaxis(image, 2, 0))
    data = tiff(planes, photometric="rgb", planarconfig="separate", compression=compression)
    got = decode(data)
    np.testing.assert_array_equal(got.pixels, image)
    assert got.pixels.dtype == dtype
    assert got.notes == ()


def test_a_planar_tiff_is_turned_upright_once():
    planes = np.ascontiguousarray(np.moveaxis(RGB16, 2, 0))
    options = {"photometric": "rgb", "planarconfig": "separate"}
    got = decode(tiff(planes, extratags=[(274, "H", 1, 6, True)], **options))
    np.testing.assert_array_equal(got.pixels, np.rot90(RGB16, -1))
    assert got.notes == ("exif_rotated",)


def test_a_floating_point_tiff_is_turned_upright_once():
    data = tiff(UNIT[..., 0], extratags=[(274, "H", 1, 8, True)])
    got = decode(data, Reading.span(0, 1)).pixels
    np.testing.assert_array_equal(got, np.rot90(levels(UNIT[..., 0], 0, 1)))


def test_an_opaque_gray_tiff_with_alpha_is_gray():
    opaque = np.dstack([GRAY, np.full_like(GRAY, 255)])
    data = tiff(opaque, photometric="minisblack", planarconfig="contig", extrasamples=[2])
    got = decode(data)
    np.testing.assert_array_equal(got.pixels, GRAY)
    assert got.notes == ("opaque_alpha",)


@pytest.mark.parametrize(
    ("image", "options"),
    [
        (UNIT.astype(complex)[..., 0], {}),
        (UNIT[..., [0, 1, 2, 0, 1]], {"photometric": "minisblack", "planarconfig": "contig"}),
        (UNIT.astype(np.float32)[..., 0], {"photometric": "miniswhite"}),
    ],
)
def test_a_tiff_of_another_kind_is_refused(image, options):
    assert reason(tiff(image, **options), Reading.span(0, 1))[0] in (
        "unsupported_mode",
        "undecodable",
    )


def test_numbers_that_are_none_are_refused():
    values = UNIT[..., 0].astype(np.float32)
    values[2, 3] = np.nan
    for reading in (None, Reading.span(0, 1)):
        assert reason(tiff(values), reading)[0] == "not_finite"


def test_a_twelve_bit_image_is_stretched_by_its_declared_range():
    twelve = RGB16[..., 1] >> 4
    data = tiff(twelve)
    assert luminance(decode(data).pixels).max() < 17
    got = decode(data, Reading.span(0, 4095))
    np.testing.assert_array_equal(got.pixels, levels(twelve.astype(float), 0, 4095))
    assert luminance(got.pixels).max() == pytest.approx(255 * int(twelve.max()) / 4095, abs=0.01)
    assert got.notes == ("range:0..4095",)


def test_the_whole_range_of_16_bit_changes_nothing():
    data = tiff(RGB16, photometric="rgb")
    np.testing.assert_array_equal(decode(data, Reading.span(0, 65535)).pixels, RGB16)


def test_8_bit_images_are_never_mapped():
    got = decode(pil(RGB, "PNG"), Reading.span(0, 4095))
    np.testing.assert_array_equal(got.pixels, RGB)
    assert got.notes == ()


def test_few_values_beyond_the_range_are_clipped_and_noted_and_many_are_refused():
    values = np.full((20, 20), 0.5, np.float32)
    values[0, 0] = 1.25
    got = decode(tiff(values), Reading.span(0, 1))
    assert got.pixels[0, 0] == 65535
    assert got.notes == ("range:0..1", "clipped")
    values[0] = -3
    code, detail = reason(tiff(values), Reading.span(0, 1))
    assert code == "out_of_range"
    assert "from -3 to 0.5" in detail


def test_a_window_clips_without_ado():
    values = np.linspace(-1000, 1000, 200, dtype=np.float32).reshape(10, 20)
    got = decode(tiff(values), Reading.window(40, 400))
    np.testing.assert_array_equal(got.pixels, levels(values.astype(float), -160, 240))
    assert got.notes == ("window:40/400",)


def bordered(box, shape=(20, 30)):
    y, x, height, width = box
    alpha = np.zeros(shape, np.uint8)
    alpha[y : y + height, x : x + width] = 255
    return alpha


@pytest.mark.parametrize("box", [(1, 2, 18, 27), (0, 0, 20, 29), (0, 0, 10, 30), (3, 0, 17, 30)])
def test_a_transparent_border_leaves_the_pixels_and_says_where_they_are_opaque(box):
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    got = decode(pil(np.dstack([rgb, bordered(box)]), "PNG"))
    np.testing.assert_array_equal(got.pixels, rgb)
    assert got.opaque_box == box
    assert got.notes == ("transparent_border",)


def test_the_box_is_turned_with_the_image():
    exif = Image.Exif()
    exif[274] = 6
    rgb = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    got = decode(pil(np.dstack([rgb, bordered((1, 2, 18, 27))]), "PNG", exif=exif))
    assert got.opaque_box == (2, 1, 27, 18)
    assert got.pixels.shape == (30, 20, 3)


@pytest.mark.parametrize(
    "holes",
    [
        np.s_[5, 5],  # a hole inside
        np.s_[:11],  # more than half
        np.s_[1:, 0],  # an opaque pixel beside the rectangle
        np.s_[:],
    ],
)
def test_other_transparency_is_no_border(holes):
    opaque = np.ones((20, 30), bool)
    opaque[holes] = False
    assert opaque_box(opaque) is None
    rgba = np.dstack([np.zeros((20, 30, 3), np.uint8), opaque.astype(np.uint8) * 255])
    assert reason(pil(rgba, "PNG"))[0] == "transparent"


def test_an_image_without_transparency_has_no_box():
    assert decode(pil(RGB, "PNG")).opaque_box is None
    assert opaque_box(np.ones((3, 4), bool)) == (0, 0, 3, 4)


def test_a_png_whose_chunk_claims_gigabytes_is_refused_before_it_is_decoded(monkeypatch):
    monkeypatch.setattr("cv2.imdecode", None)
    data = bytearray(pil(RGB, "PNG"))
    at = data.index(b"IDAT") - 4
    data[at : at + 4] = b"\xfb\x7c\x00\xef"
    code, detail = reason(bytes(data))
    assert code == "undecodable"
    assert f"b'IDAT' at byte {at}" in detail


def test_the_orientation_of_a_png_is_found_behind_its_pixels():
    exif = Image.Exif()
    exif[274] = 3
    body = exif.tobytes().removeprefix(b"Exif\0\0")
    chunk = struct.pack(">I", len(body)) + b"eXIf" + body
    chunk += struct.pack(">I", zlib.crc32(chunk[4:]))
    data = pil(RGB, "PNG")
    end = data.index(b"IEND") - 4
    got = decode(data[:end] + chunk + data[end:])
    np.testing.assert_array_equal(got.pixels, RGB[::-1, ::-1])


def hounsfield():
    return STORED.astype(float) - 1024


def test_a_dicom_is_shown_by_its_first_window():
    got = decode(dicom(STORED))
    np.testing.assert_array_equal(got.pixels, levels(hounsfield(), 39.5 - 199.5, 39.5 + 199.5))
    assert got.notes == ("own_window:40/400",)
    assert (got.file_format, got.file_mode) == ("DICOM", "MONOCHROME2")


def test_a_declared_window_goes_before_the_files_own():
    got = decode(dicom(STORED), Reading.window(300, 1500))
    np.testing.assert_array_equal(got.pixels, levels(hounsfield(), -450, 1050))
    assert got.notes == ("window:300/1500",)


def test_monochrome1_is_turned_round():
    plain = decode(dicom(STORED)).pixels
    turned = decode(dicom(STORED, PhotometricInterpretation="MONOCHROME1")).pixels
    np.testing.assert_array_equal(turned, 65535 - plain)


def test_an_exact_window_is_computed_exactly():
    got = decode(dicom(STORED, VOILUTFunction="LINEAR_EXACT")).pixels
    np.testing.assert_array_equal(got, levels(hounsfield(), -160, 240))


@pytest.mark.parametrize(
    "elements",
    [
        {"WindowCenter": None, "WindowWidth": None},
        {"VOILUTFunction": "SIGMOID"},
        {"WindowWidth": "1"},
    ],
)
def test_a_dicom_without_a_usable_window_needs_one(elements):
    code, detail = reason(dicom(STORED, **elements))
    assert code == "needs_range"
    assert "window" in detail
    assert decode(dicom(STORED, **elements), Reading.window(40, 400)).notes == ("window:40/400",)


def test_a_colour_dicom_keeps_its_8_bit_pixels():
    data = dicom(RGB, PhotometricInterpretation="RGB", SamplesPerPixel=3, PlanarConfiguration=0)
    got = decode(data)
    np.testing.assert_array_equal(got.pixels, RGB)


def test_of_a_dicom_of_several_frames_the_first_is_taken():
    frames = np.stack([STORED, STORED[::-1]])
    data = dicom(frames, NumberOfFrames=2, Rows=2, Columns=3)
    got = decode(data)
    np.testing.assert_array_equal(got.pixels, decode(dicom(STORED)).pixels)
    assert got.notes[0] == "first_frame"


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (dicom(STORED)[:-5], "undecodable"),
        (dicom(STORED)[:300], "undecodable"),
        (dicom(STORED)[:150], "undecodable"),
        (dicom(STORED, Rows=60_000, Columns=60_000), "too_many_pixels"),
        (dicom(STORED, PhotometricInterpretation="PALETTE COLOR"), "unsupported_mode"),
        (nifti(np.zeros((3, 4, 5), np.int16)), "unsupported_mode"),
        (nifti(np.zeros((3, 4, 1), np.complex64)), "unsupported_mode"),
        (FLAT, "needs_range"),
        (nifti(np.full((3, 4, 1), np.nan, np.float32), window=(0, 1)), "not_finite"),
        (FLAT[:360], "undecodable"),
        (FLAT[:280] + bytes(48) + FLAT[328:], "undecodable"),  # an affine of zeros
        (dicom(STORED).replace(b"UL\4\0", b"UL\3\0", 1), "undecodable"),
        (nifti(np.zeros((3, 4, 1), [(c, "u1") for c in "RGB"])), "unsupported_mode"),
        (nifti(np.zeros((3, 4, 1), np.int16), kind=nibabel.Nifti2Image)[:200], "undecodable"),
    ],
)
def test_a_medical_file_that_cannot_be_used_has_its_reason(data, code):
    assert reason(data)[0] == code


@pytest.mark.parametrize("kind", [nibabel.Nifti1Image, nibabel.Nifti2Image])
def test_a_nifti_slice_is_shown_anterior_up_and_right_on_the_left(kind):
    values = np.zeros((3, 4, 1), np.int16)  # x to the right, y to the front
    values[2, 3] = 100  # right, anterior
    values[0, 0] = 50  # left, posterior
    got = decode(nifti(values, kind=kind, window=(0, 100)))
    assert got.pixels.shape == (4, 3)
    assert got.pixels[0, 0] == 65535
    assert got.pixels[3, 2] == 32768
    assert got.notes == ("own_window:50/100",)


def test_a_slice_stored_the_other_way_round_is_shown_alike():
    values = np.arange(12, dtype=np.int16).reshape(3, 4, 1)
    plain = decode(nifti(values, window=(0, 11))).pixels
    mirrored = nifti(values[::-1], np.diag([-1, 1, 1, 1]), window=(0, 11))
    np.testing.assert_array_equal(decode(mirrored).pixels, plain)


@pytest.mark.parametrize(
    ("data", "missing"), [(dicom(STORED), "pydicom"), (nifti(STORED[..., None]), "nibabel")]
)
def test_without_the_extra_the_reject_says_what_to_install(data, missing, monkeypatch):
    real = builtins.__import__

    def without(name, *args, **kwargs):
        if name.partition(".")[0] == missing:
            raise ImportError(name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    code, detail = reason(data)
    assert code == "needs_extra"
    assert "pip install 'fusionlab[medical]'" in detail


def test_absurd_numbers_of_a_damaged_header_are_refused():
    huge = np.array([[[1e308], [-1e308]]])
    assert reason(nifti(huge, window=(0, 0)))[0] == "needs_range"
    assert reason(dicom(STORED, WindowWidth="1e-320"))[0] == "needs_range"
    assert decode(nifti(huge), Reading.window(0, 1)).pixels.tolist() == [[0], [65535]]

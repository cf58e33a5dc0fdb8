import csv
import hashlib
import io
import struct
import zlib
from unittest import mock

import cv2
import numpy as np
import pytest
import tifffile
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from fusionlab import headers
from fusionlab.errors import ImageError
from fusionlab.images import decode, digest, encode_png, luminance, read_image

RGB = np.random.default_rng(1).integers(0, 256, (11, 14, 3), dtype=np.uint8)
GRAY = RGB[..., 1].copy()
SMOOTH = cv2.GaussianBlur(RGB, (0, 0), 2)
RGB16 = RGB.astype(np.uint16) * 251 + 3
GRAY16 = RGB16[..., 1].copy()


def pil(image, file_format, mode=None, **options):
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    (image.convert(mode) if mode else image).save(buffer, file_format, **options)
    return buffer.getvalue()


def webp(image, **options):
    return pil(image, "WEBP", lossless=True, **options)


def tiff(image, **options):
    buffer = io.BytesIO()
    tifffile.imwrite(buffer, image, **options)
    return buffer.getvalue()


def by_cv2(image, ending):
    bgr = image[..., ::-1] if image.ndim == 3 else image
    return cv2.imencode(ending, np.ascontiguousarray(bgr))[1].tobytes()


def reason(data):
    with pytest.raises(ImageError) as caught:
        decode(data)
    assert caught.value.detail
    return caught.value.reason


PALETTED = Image.fromarray(RGB).convert("P")
ONE_BIT = Image.fromarray(GRAY).convert("1")
OPAQUE, CLEAR = (np.dstack([RGB, np.full(GRAY.shape, a, np.uint8)]) for a in (255, 254))


@pytest.mark.parametrize(
    ("data", "pixels", "notes"),
    [
        (pil(RGB, "PNG"), RGB, ()),
        (pil(GRAY, "PNG"), GRAY, ()),
        (pil(RGB, "BMP"), RGB, ()),
        (pil(GRAY, "BMP"), GRAY, ()),
        (pil(RGB, "TIFF"), RGB, ()),
        (pil(GRAY, "TIFF"), GRAY, ()),
        (pil(RGB, "TIFF", compression="tiff_lzw"), RGB, ()),
        (webp(RGB), RGB, ()),
        (webp(GRAY), GRAY, ("equal_channels",)),
        (pil(RGB, "PNG", "RGBA"), RGB, ("opaque_alpha",)),
        (pil(GRAY, "PNG", "LA"), GRAY, ("opaque_alpha", "equal_channels")),
        (pil(OPAQUE, "TIFF"), RGB, ("opaque_alpha",)),
        (pil(PALETTED, "PNG"), np.asarray(PALETTED.convert("RGB")), ("palette",)),
        (pil(PALETTED, "BMP"), np.asarray(PALETTED.convert("RGB")), ("palette",)),
        (pil(PALETTED, "TIFF"), np.asarray(PALETTED.convert("RGB")), ("palette",)),
        (pil(ONE_BIT, "PNG"), np.asarray(ONE_BIT.convert("L")), ()),
        (pil(ONE_BIT, "BMP"), np.asarray(ONE_BIT.convert("L")), ()),
        (pil(ONE_BIT, "TIFF"), np.asarray(ONE_BIT.convert("L")), ()),
        (tiff(255 - GRAY, photometric="miniswhite"), GRAY, ()),
        (by_cv2(GRAY16, ".png"), GRAY16, ()),
        (by_cv2(RGB16, ".png"), RGB16, ()),
        (by_cv2(GRAY16, ".tif"), GRAY16, ()),
        (by_cv2(RGB16, ".tif"), RGB16, ()),
        (by_cv2(np.dstack([GRAY16] * 3), ".png"), GRAY16, ("equal_channels",)),
        (pil(np.dstack([GRAY] * 3), "PNG"), GRAY, ("equal_channels",)),
        (tiff(np.stack([GRAY, GRAY.T.reshape(GRAY.shape)])), GRAY, ("first_frame",)),
    ],
)
def test_lossless_files_give_their_pixels(data, pixels, notes):
    got = decode(data)
    np.testing.assert_array_equal(got.pixels, pixels)
    assert got.pixels.dtype == pixels.dtype
    assert got.pixels.flags.c_contiguous
    assert got.notes == notes


@pytest.mark.parametrize("image", [SMOOTH, SMOOTH[..., 0].copy()])
@pytest.mark.parametrize("options", [{}, {"progressive": True}])
def test_a_jpeg_gives_nearly_what_went_in(image, options):
    got = decode(pil(image, "JPEG", quality=100, subsampling=0, **options))
    assert got.file_format == "JPEG"
    assert got.pixels.shape == image.shape
    assert np.abs(got.pixels.astype(int) - image).max() <= 4


def test_a_phones_picture_of_several_frames_gives_the_first():
    data = pil(SMOOTH, "MPO", save_all=True, append_images=[Image.fromarray(GRAY)])
    got = decode(data)
    assert (got.file_format, got.notes, got.pixels.shape) == ("MPO", ("first_frame",), RGB.shape)


@pytest.mark.parametrize("file_format", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", [*range(1, 9), 0, 9, 77])
def test_exif_orientation_is_undone_as_pillow_does(file_format, orientation):
    exif = Image.Exif()
    exif[274] = orientation
    options = {"lossless": True} if file_format == "WEBP" else {}
    data = pil(SMOOTH, file_format, exif=exif, **options)
    with Image.open(io.BytesIO(data)) as image:
        upright = np.asarray(ImageOps.exif_transpose(image).convert("RGB"))
    got = decode(data)
    assert got.pixels.shape == upright.shape
    assert np.abs(got.pixels.astype(int) - upright).max() <= 3
    assert ("exif_rotated" in got.notes) == (orientation in range(2, 9))


@pytest.mark.parametrize("orientation", [1, 2, 3, 4, 5, 6, 7, 8])
@pytest.mark.parametrize("image", [GRAY16, RGB16])
def test_a_16_bit_tiff_is_turned_once(image, orientation):
    tag = [(274, "H", 1, orientation, True)]
    photometric = "rgb" if image.ndim == 3 else "minisblack"
    eight = tiff((image >> 8).astype(np.uint8), photometric=photometric, extratags=tag)
    with Image.open(io.BytesIO(eight)) as small:
        upright = np.asarray(ImageOps.exif_transpose(small))
    got = decode(tiff(image, photometric=photometric, extratags=tag)).pixels
    np.testing.assert_array_equal(got >> 8, upright)


@pytest.mark.parametrize(
    "data",
    [
        pil(CLEAR, "PNG"),
        pil(CLEAR, "TIFF"),
        webp(CLEAR),
        pil(Image.merge("LA", [Image.fromarray(GRAY)] * 2), "PNG"),
        pil(RGB, "PNG", transparency=tuple(int(v) for v in RGB[0, 0])),
        pil(GRAY, "PNG", transparency=int(GRAY[0, 0])),
        pil(ONE_BIT, "PNG", transparency=0),
        pil(PALETTED, "PNG", transparency=PALETTED.getpixel((0, 0))),
    ],
)
def test_transparent_pixels_are_refused(data):
    assert reason(data) == "transparent"


def png_header(width, height):
    ihdr = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(ihdr))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + ihdr + crc + pil(RGB, "PNG")[33:]


def bmp_header(width, height):
    data = bytearray(pil(RGB, "BMP"))
    data[18:26] = struct.pack("<ii", width, height)
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"", "empty_file"),
        (b"this is a text about images\n" * 20, "undecodable"),
        (b"\x00" * 1000, "undecodable"),
        (pil(RGB, "GIF"), "unsupported_format"),
        (pil(RGB, "PPM"), "unsupported_format"),
        (pil(RGB, "JPEG", "CMYK"), "unsupported_mode"),
        (pil(RGB, "TIFF", "CMYK"), "unsupported_mode"),
        (pil(RGB, "TIFF", "LAB"), "unsupported_mode"),
        (pil(RGB, "TIFF", "PA"), "unsupported_mode"),
        (by_cv2(GRAY.astype(np.float32), ".tif"), "needs_range"),
        (tiff(GRAY.astype(np.int32)), "needs_range"),
        (tiff(GRAY.astype(np.int8)), "needs_range"),
        (png_header(100_000, 100_000), "too_many_pixels"),
        (png_header(10_000, 10_000), "too_many_pixels"),
        (bmp_header(100_000, 100_000), "too_many_pixels"),
        (bmp_header(10_000, 10_000), "too_many_pixels"),
        (png_header(0, 5), "undecodable"),
    ],
)
def test_what_is_not_accepted_has_its_reason(data, expected):
    assert reason(data) == expected


WHOLE = [
    pil(SMOOTH, "PNG"),
    pil(SMOOTH, "JPEG"),
    pil(SMOOTH, "JPEG", progressive=True),
    pil(SMOOTH, "BMP"),
    pil(SMOOTH, "TIFF"),
    pil(SMOOTH, "TIFF", compression="tiff_lzw"),
    webp(SMOOTH),
]


@given(st.sampled_from(WHOLE), st.floats(0, 1, exclude_max=True))
@example(WHOLE[1], 0.999)
@settings(max_examples=150, deadline=None)
def test_a_file_cut_anywhere_is_refused(data, where):
    cut = data[: int(where * len(data))]
    assert reason(cut) == ("undecodable" if cut else "empty_file")


def test_a_jpeg_without_its_end_is_refused_also_where_the_decoder_would_fill_it(monkeypatch):
    data = pil(SMOOTH, "JPEG")
    filled = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    monkeypatch.setattr(cv2, "imdecode", lambda *_: filled)
    assert reason(data[:-2]) == "undecodable"
    assert decode(data + b"trailing bytes").pixels.shape == SMOOTH.shape


EXIF = Image.Exif()
EXIF[274] = 6
SEEDS = [
    *WHOLE,
    pil(SMOOTH, "JPEG", exif=EXIF),
    pil(SMOOTH, "PNG", exif=EXIF),
    pil(PALETTED, "BMP"),
    pil(PALETTED, "PNG"),
    pil(SMOOTH, "TIFF", exif=EXIF),
    by_cv2(RGB16, ".tif"),
    webp(SMOOTH, exif=EXIF),
    pil(RGB, "GIF"),
]
changes = st.lists(
    st.tuples(st.integers(0, 199) | st.integers(0, 5000), st.integers(0, 255)), max_size=8
)


@given(st.sampled_from(SEEDS), changes, st.integers(0, 5000))
@settings(max_examples=400, deadline=None)
def test_damaged_bytes_give_an_image_or_an_image_error_and_nothing_else(data, changes, keep):
    damaged = bytearray(data[: max(keep, 100)])
    for position, value in changes:
        damaged[position % len(damaged)] = value
    try:
        with mock.patch.object(headers, "MAX_PIXELS", 1_000_000):  # or memory is all it tests
            pixels = decode(bytes(damaged)).pixels
    except ImageError:
        return
    assert pixels.dtype in (np.uint8, np.uint16)
    assert pixels.ndim == 2 or pixels.shape[2] == 3


@given(st.binary(max_size=300))
def test_random_bytes_are_no_image(data):
    assert reason(data) in {"undecodable", "empty_file", "unsupported_format", "too_many_pixels"}


def test_the_name_of_a_file_does_not_matter_but_stands_in_the_error(tmp_path):
    path = tmp_path / "really_a_png.jpg"
    path.write_bytes(pil(RGB, "PNG"))
    np.testing.assert_array_equal(read_image(path), RGB)
    path.write_bytes(b"text")
    with pytest.raises(ImageError, match=r"really_a_png\.jpg: the bytes are no image"):
        read_image(path)
    with pytest.raises(ImageError, match="none: cannot be read: No such file") as caught:
        read_image(tmp_path / "none")
    assert caught.value.reason == "unreadable"


def test_luminance_rounds_the_float32_sum_half_to_even():
    levels = np.stack(np.meshgrid(*[np.arange(0, 256, 5, dtype=np.uint8)] * 3), -1)
    levels = levels.reshape(52, -1, 3)
    exact = (levels @ np.array([0.299, 0.587, 0.114])).round(6)
    got = luminance(levels)
    assert got.dtype == np.uint8
    clear = np.abs(exact % 1 - 0.5) > 1e-4  # away from ties float32 cannot matter
    np.testing.assert_array_equal(got[clear], np.rint(exact[clear]))
    assert np.abs(got - exact).max() <= 0.5001


def test_a_tie_of_the_luminance_goes_to_the_even_level():
    ties = np.array([[[0, 0, 250], [50, 50, 175]]], np.uint8)  # 28.5 and 64.25 (no tie)
    assert luminance(ties).tolist() == [[28, 64]]


def test_the_luminance_of_8_bit_gray_is_itself():
    np.testing.assert_array_equal(luminance(GRAY), GRAY)
    assert luminance(GRAY).dtype == np.uint8


def test_16_bit_luminance_is_scaled_and_rounded_only_where_it_was_colour():
    np.testing.assert_allclose(luminance(GRAY16), GRAY16 / 257.0, rtol=1e-14)
    got, exact = luminance(RGB16), RGB16 @ np.array([0.299, 0.587, 0.114]) / 257.0
    assert got.dtype == np.float64
    assert np.abs(got - exact).max() <= 0.5001
    np.testing.assert_array_equal(got, np.rint(got))
    assert luminance(np.full((2, 2, 3), 65535, np.uint16)).max() == pytest.approx(255.0)


def test_luminance_is_that_of_the_golden_images(shared):
    with (shared / "golden" / "images_manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert rows
    for row in rows:
        gray = luminance(read_image(shared / "golden" / row["file"]))
        assert gray.shape == (int(row["height"]), int(row["width"]))
        assert hashlib.sha256(gray.tobytes()).hexdigest() == row["sha256_gray_u8"], row["file"]


def test_a_digest_is_of_dtype_shape_and_content_only():
    assert digest(RGB) == digest(np.asfortranarray(RGB)) == digest(RGB.copy()[::-1][::-1])
    others = [GRAY, GRAY.T, GRAY.reshape(14, 11), GRAY[..., None], GRAY.astype(np.uint16), RGB]
    assert len({digest(other) for other in others}) == len(others)
    assert digest(np.zeros((2, 2), np.uint8)) == (
        hashlib.sha256(b"|u1(2, 2)" + bytes(4)).hexdigest()
    )


@pytest.mark.parametrize("image", [RGB, GRAY, RGB16, GRAY16, RGB[:1, :1]])
def test_png_keeps_every_pixel(image):
    np.testing.assert_array_equal(decode(encode_png(image)).pixels, image)

"""Fingerprints on made-up scenes: each doctoring gives its flag, and nothing else does."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionlab.flags import FLAGS, split_flags
from fusionlab.images import decode
from fusionlab.ingest.find import find
from fusionlab.ingest.manifest import Manifest
from fusionlab.ingest.tree import FileTree
from fusionlab.inspection.fingerprint import copied_source, fingerprint, psnr
from fusionlab.inspection.statistics import measure

SIZE = (240, 320)


def texture(seed: int, low: int = 30, high: int = 220, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Gray structure at all scales, levels from low to high, each in use."""
    rng = np.random.default_rng(seed)
    layers = [rng.normal(0, 1, size)]
    for scale in (2, 8, 24):
        layer = cv2.GaussianBlur(rng.normal(0, 1, size), (0, 0), scale)
        layers.append(3 * layer / layer.std())
    total = sum(layers)
    total = np.clip(total / (2.5 * total.std()), -1, 1)
    return np.rint(low + (high - low) * (total + 1) / 2).astype(np.uint8)


def coloured(seed: int) -> np.ndarray:
    luma = texture(seed, 70, 180).astype(float)
    warm = cv2.GaussianBlur(np.random.default_rng(seed).normal(0, 1, SIZE), (0, 0), 20)
    warm *= 30 / warm.std()
    planes = np.dstack([luma + warm, luma, luma - warm])
    return np.clip(np.rint(planes), 0, 255).astype(np.uint8)


A, B = texture(1), texture(2)
COLOUR = coloured(3)
MEAN = ((A.astype(int) + B) // 2).astype(np.uint8)
MIX = ((A[..., None].astype(int) + COLOUR) // 2).astype(np.uint8)


def flags(image, sources=(A, B), file_format="PNG", notes=()):
    shots = [measure(source) for source in sources]
    return fingerprint(measure(image), shots, file_format=file_format, notes=notes)


def jpeg(image: np.ndarray, quality: int) -> np.ndarray:
    data = cv2.imencode(".jpg", image, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
    return np.ascontiguousarray(cv2.imdecode(data, cv2.IMREAD_UNCHANGED))


def spread(image: np.ndarray) -> np.ndarray:
    low, high = int(image.min()), int(image.max())
    return np.rint((image.astype(float) - low) * 255 / (high - low)).astype(np.uint8)


def hue(image: np.ndarray, degrees: float) -> np.ndarray:
    turned = cv2.cvtColor(image, cv2.COLOR_RGB2HSV_FULL)
    turned[..., 0] += np.uint8(round(degrees * 256 / 360))
    return cv2.cvtColor(turned, cv2.COLOR_HSV2RGB_FULL)


def test_plain_fusions_have_no_flag() -> None:
    assert flags(MEAN) == ()
    assert flags(np.maximum(A, B)) == ()
    assert flags(MIX, (A, COLOUR)) == ()


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (spread(MEAN), "stretched"),
        (np.clip((MEAN.astype(int) - 128) * 3 + 128, 0, 255).astype(np.uint8), "clipped"),
        (np.clip(MEAN.astype(int) + 100, 0, 255).astype(np.uint8), "clipped"),
        (jpeg(MEAN, 30), "jpeg_trace"),
        (jpeg(MEAN, 75), "jpeg_trace"),
        (jpeg(MEAN, 90), "jpeg_trace"),
        (cv2.GaussianBlur(MEAN, (0, 0), 1), "soft"),
        (cv2.resize(cv2.resize(MEAN, (160, 120)), (320, 240)), "soft"),
        (jpeg(B, 90), "source_copy"),
        (B, "source_copy"),
    ],
    ids=["comb", "gain", "offset", "q30", "q75", "q90", "blur", "halved", "jpeg copy", "copy"],
)
def test_doctoring_gives_its_flag(image: np.ndarray, found: str) -> None:
    assert found in flags(image)


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (hue(MIX, 30), ("colour_cast",)),
        (np.clip(MIX + np.array([12, 0, -12]), 0, 255).astype(np.uint8), ("colour_cast",)),
        (MEAN, ("colour_lost",)),
        (np.dstack([MEAN, MEAN + 1, MEAN]), ("near_gray", "colour_lost")),
    ],
    ids=["hue", "tint", "gray", "near gray"],
)
def test_colours_are_judged_against_the_coloured_source(image, found) -> None:
    assert flags(image, (A, COLOUR)) == found


def test_less_and_more_colour_is_no_cast() -> None:
    gray = COLOUR.mean(axis=2, keepdims=True)
    for saturation in (0.4, 1.3):
        changed = np.clip(gray + saturation * (COLOUR - gray), 0, 255).astype(np.uint8)
        assert "colour_cast" not in flags(changed, (A, COLOUR))


def test_what_the_file_says_is_taken_from_it() -> None:
    assert flags(MEAN, file_format="JPEG") == ("jpeg",)
    assert flags(MEAN, notes=("equal_channels",)) == ("gray_as_rgb",)


def test_a_range_that_a_source_spans_is_not_stretched() -> None:
    wide = texture(5, 0, 255)
    assert "stretched" not in flags(spread(MEAN), (spread(A), B))  # a source has the comb too
    full = np.maximum(wide, B)
    full[0, 0] = 0
    assert "stretched" not in flags(full, (wide, B))


def test_sources_that_equal_each_other_leave_nothing_to_decide() -> None:
    shots = [measure(A), measure(jpeg(A, 95))]
    assert copied_source(measure(A), shots) is None
    assert copied_source(measure(A), [measure(A), measure(B)]) == 0


def test_a_trace_that_the_sources_hand_on_is_not_a_candidates() -> None:
    compressed = [jpeg(A, 50), jpeg(B, 50)]
    picked = compressed[0].copy()
    picked[:, 160:] = compressed[1][:, 160:]
    assert measure(picked).jpeg > 0.6
    assert "jpeg_trace" not in flags(picked, compressed)


def test_sixteen_bit_gives_the_flags_of_eight() -> None:
    def wide(image: np.ndarray) -> np.ndarray:
        return image.astype(np.uint16) * 257

    for image in (MEAN, cv2.GaussianBlur(MEAN, (0, 0), 1), B):
        assert flags(wide(image), (wide(A), wide(B))) == flags(image)


def test_without_sources_only_what_shows_by_itself_is_judged() -> None:
    assert flags(MEAN, ()) == ()
    assert flags(jpeg(MEAN, 50), ()) == ("jpeg_trace",)
    assert flags(spread(MEAN), ()) == ("stretched",)


@pytest.mark.parametrize("shape", [(1, 1), (3, 2), (7, 9), (8, 8), (1, 500), (5, 4, 3)])
@pytest.mark.parametrize("level", [0, 128, 255])
def test_tiny_and_flat_images_are_described(shape: tuple[int, ...], level: int) -> None:
    image = np.full(shape, level, np.uint8)
    found = flags(image, (image, image))
    assert not set(found) - {"near_gray"}
    assert psnr(measure(image), measure(image)) == np.inf


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 1000),
    height=st.integers(1, 40),
    width=st.integers(1, 40),
    colour=st.booleans(),
    wide=st.booleans(),
)
def test_any_image_gives_known_flags_in_order(seed, height, width, colour, wide) -> None:
    rng = np.random.default_rng(seed)
    top, kind = (65536, np.uint16) if wide else (256, np.uint8)
    shape = (height, width, 3) if colour else (height, width)
    images = [rng.integers(0, top, s, dtype=kind) for s in (shape, (height, width), shape)]
    found = flags(images[0], images[1:], file_format="BMP")
    assert list(found) == [code for code in FLAGS if code in found]
    assert found == flags(images[0].copy(), [i.copy() for i in images[1:]], file_format="BMP")


def test_flags_are_split_from_their_column() -> None:
    assert split_flags("") == []
    assert split_flags("soft,jpeg") == ["soft", "jpeg"]


def scene_of(shared, task, dataset, scene, shot_names):
    root = shared / "data" / task / dataset
    manifest = Manifest(
        task=task,
        dataset=dataset,
        sources={name: f"sources/{name}/{{scene}}.*" for name in shot_names},
        candidates="methods/{method}/{scene}.*",
    )
    (found,) = [s for s in find(manifest, FileTree(root)).scenes if s.scene == scene]
    images = {f.name: decode((root / f.file).read_bytes()) for f in found.files}
    shots = [measure(images.pop(name).pixels) for name in shot_names]
    return {
        name: fingerprint(
            measure(image.pixels), shots, file_format=image.file_format, notes=image.notes
        )
        for name, image in images.items()
        if image.pixels.shape[:2] == shots[0].shape
    }


def test_real_copies_of_a_shot_are_found(shared) -> None:
    found = scene_of(shared, "mef", "mefdb", "Tower", ["under", "over"])
    copies = {name for name, codes in found.items() if "source_copy" in codes}
    assert copies == {"HouXinglin_1", "HouXinglin_2"}


def test_real_gray_results_of_colour_sources_are_found(shared) -> None:
    found = scene_of(shared, "mif", "harvard_spect_mri", "9023", ["mri", "spect"])
    lost = {name for name, codes in found.items() if "colour_lost" in codes}
    assert lost >= {"DWT-grayscale", "PYRAMID-grayscale"}
    assert not any("ycbcr" in name or "hsi" in name for name in lost)

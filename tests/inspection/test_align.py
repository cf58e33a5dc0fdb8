"""Why an image is not of its scene's size."""

from pathlib import Path

import cv2
import numpy as np
import pytest

from fusionlab.demo.scenes import make_scenes
from fusionlab.images import luminance, read_image
from fusionlab.inspection.align import recognise, recognise_source

SCENE = next(s for s in make_scenes() if s.task == "ivf")
SOURCES = [luminance(image) for image in SCENE.sources.values()]
FUSED = (SOURCES[0] // 2 + SOURCES[1] // 2).astype(np.uint8)
H, W = FUSED.shape


def test_the_same_size_needs_nothing():
    found = recognise(FUSED, SOURCES)
    assert found.rule == "same"
    assert np.array_equal(found.apply(FUSED), FUSED)


@pytest.mark.parametrize(
    ("rows", "columns", "rule"),
    [
        (slice(0, H - 5), slice(0, W - 7), "crop"),
        (slice(4, H - 4), slice(6, W - 6), "crop"),
        (slice(20, 20 + H // 2), slice(30, 30 + W // 2), "crop"),
        (slice(0, H - 1), slice(0, W - 2), "off_by"),
        (slice(1, H), slice(2, W), "off_by"),
    ],
)
def test_a_part_is_put_where_its_content_is(rows, columns, rule):
    cut = FUSED[rows, columns]
    found = recognise(cut, SOURCES)
    assert found.rule == rule
    assert found.alignable
    assert found.region == (rows.start, columns.start, *cut.shape)
    assert np.array_equal(found.apply(cut), cut)
    assert f"{cut.shape[1]} x {cut.shape[0]} pixels" in found.detail


@pytest.mark.parametrize(("border", "rule"), [(1, "off_by"), (9, "cut")])
def test_a_border_is_cut_off(border, rule):
    framed = np.pad(FUSED, border)
    found = recognise(framed, SOURCES)
    assert found.rule == rule
    assert found.region == (0, 0, H, W)
    assert np.array_equal(found.apply(framed), FUSED)


def test_larger_one_way_and_smaller_the_other():
    mixed = np.pad(FUSED, ((1, 1), (0, 0)))[:, : W - 1]
    found = recognise(mixed, SOURCES)
    assert found.rule == "off_by"
    assert found.region == (0, 0, H, W - 1)
    assert np.array_equal(found.apply(mixed), FUSED[:, : W - 1])


@pytest.mark.parametrize("k", [2, 3])
def test_whole_ratios_are_undone(k):
    large = cv2.resize(FUSED, (k * W, k * H), interpolation=cv2.INTER_CUBIC)
    found = recognise(large, SOURCES)
    assert (found.rule, found.shrink, found.region) == ("resize", k, (0, 0, H, W))
    assert np.abs(found.apply(large).astype(int) - FUSED).mean() < 2
    small = cv2.resize(FUSED, (W // k, H // k), interpolation=cv2.INTER_AREA)
    found = recognise(small, SOURCES)
    assert (found.rule, found.enlarge) == ("resize", k)
    assert found.apply(small).shape == found.region[2:] == (H // k * k, W // k * k)


def test_colour_and_depth_are_kept():
    colour = np.dstack([FUSED] * 3).astype(np.uint16) * 257
    large = cv2.resize(colour, (2 * W, 2 * H), interpolation=cv2.INTER_CUBIC)
    aligned = recognise(cv2.resize(FUSED, (2 * W, 2 * H)), SOURCES).apply(large)
    assert aligned.dtype == np.uint16
    assert aligned.shape == (H, W, 3)


def test_other_ratios_are_recognised_and_not_aligned():
    odd = cv2.resize(FUSED, (round(1.47 * W), round(1.47 * H)))
    found = recognise(odd, SOURCES)
    assert found.rule == "resized"
    assert not found.alignable
    assert found.detail == "a resized copy by 1.471"
    with pytest.raises(
        ValueError, match=r"by 1.471; it cannot be aligned without inventing pixels"
    ):
        found.apply(odd)
    narrow = recognise(cv2.resize(FUSED, (W - 30, H)), SOURCES)
    assert narrow.rule == "resized"
    assert narrow.detail.endswith("x 1")


def test_size_alone_is_no_reason():
    noise = np.random.default_rng(0).integers(0, 256, (H - 8, W - 8)).astype(np.uint8)
    assert recognise(noise, SOURCES) is None
    assert recognise(np.full((H - 8, W - 8), 9, np.uint8), SOURCES) is None
    assert recognise(FUSED[:-8, :-8], [np.zeros_like(s) for s in SOURCES]) is None


def test_large_images_are_placed_to_the_pixel():
    def large(image):
        return cv2.resize(image, (1800, 1300), interpolation=cv2.INTER_CUBIC)

    cut = large(FUSED)[7:1280, 11:1777]
    found = recognise(cut, [large(source) for source in SOURCES])
    assert found.region == (7, 11, *cut.shape)


def test_sources_are_aligned_by_whole_ratios_of_size_alone():
    found = recognise_source(np.zeros((64, 64)), np.zeros((256, 256)))
    assert (found.enlarge, found.region) == (4, (0, 0, 256, 256))
    assert "by size alone" in found.detail
    assert found.apply(np.zeros((64, 64), np.uint8)).shape == (256, 256)
    for shape in [(64, 65), (128, 64), (100, 100), (256, 256)]:
        assert recognise_source(np.zeros(shape), np.zeros((256, 256))) is None


def alpha(*clear):
    mask = np.full((40, 60), 255, np.uint8)
    for part in clear:
        mask[part] = 0
    return mask


def real(folder: Path, scene: str, modalities):
    files = [next((folder / "sources" / m).glob(f"{scene}.*")) for m in modalities]
    return [luminance(read_image(file)) for file in files]


@pytest.mark.parametrize("scene", ["1", "5", "14", "20"])
@pytest.mark.parametrize("method", ["MEF-GAN", "MEF-GAN_run1"])
def test_mef_gan_is_cut_from_the_top_left(shared, method, scene):
    folder = shared / "data" / "ivf" / "roadscene"
    candidate = luminance(read_image(next((folder / "methods" / method).glob(f"{scene}.*"))))
    found = recognise(candidate, real(folder, scene, ["ir", "vis"]))
    assert found.rule == "crop"
    assert found.region == (0, 0, *candidate.shape)


def test_outputs_of_another_scene_are_not_aligned(shared):
    folder = shared / "data" / "ivf" / "roadscene_asfound"
    for scene in ("3", "11"):
        candidate = luminance(read_image(folder / "methods" / "ResNetFusion" / f"{scene}.bmp"))
        assert recognise(candidate, real(folder, scene, ["ir", "vis"])) is None


def test_a_real_resized_copy_is_said_to_be_one(shared):
    folder = shared / "data" / "mef" / "mefdb"
    file = next((folder / "methods" / "IFCNN-MAX").glob("House.*"))
    found = recognise(luminance(read_image(file)), real(folder, "House", ["under", "over"]))
    assert (found.rule, found.detail) == ("resized", "a resized copy by 1.469")

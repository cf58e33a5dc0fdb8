"""Simulated scenes: the truth is the truth, candidates are of the quality that their names say."""

import numpy as np
import pytest

from fusionlab.demo.parts import photo
from fusionlab.errors import UsageError
from fusionlab.images import encode_png
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.validation import planting, simulate


@pytest.fixture
def photographs(tmp_path):
    folder = tmp_path / "photographs"
    folder.mkdir()
    for name in ("coins.png", "coffee.png"):
        (folder / name).write_bytes(encode_png(photo(name, (96, 120))))
    (folder / "readme.txt").write_text("no image")
    return folder


def error(image, truth):
    return float(np.mean((image.astype(float) - truth) ** 2))


def test_every_place_is_sharp_in_one_source(photographs):
    scenes = list(simulate.blurred_photographs(photographs))
    assert [scene.name for scene in scenes] == ["coffee", "coins"]
    for scene in scenes:
        truth = scene.reference.astype(float)
        errors = [np.abs(source - truth) for source in scene.sources.values()]
        assert np.minimum(*errors).mean() < 1.0 < min(e.mean() for e in errors)


def test_the_same_candidates_at_every_call(photographs):
    for scene in simulate.blurred_photographs(photographs):
        first, second = simulate.candidates(scene), simulate.candidates(scene)
        assert list(first) == list(second)
        assert all(np.array_equal(first[name], second[name]) for name in first)
        assert 12 <= len(first) <= 13
        assert all(image.shape == scene.reference.shape for image in first.values())


@pytest.mark.parametrize("defect", planting.DEFECTS.values(), ids=lambda d: d.name)
@pytest.mark.parametrize("colour", [False, True])
def test_a_higher_grade_is_worse(defect, colour):
    truth = photo("coffee.png" if colour else "coins.png", (96, 120)).astype(float)
    soft = planting.blur(truth, 3.0).astype(np.uint8)
    errors = [
        error(planting.plant(truth, defect, g, (soft, soft), np.random.default_rng(3)), truth)
        for g in range(len(defect.grades))
    ]
    assert errors == sorted(errors)
    assert errors[0] > 0


def test_a_patch_of_a_source_of_other_channels_is_brought_to_fit():
    gray, colour = photo("coins.png", (40, 50)), photo("coffee.png", (40, 50))
    for base, source in ((gray, colour), (colour, gray)):
        defect = planting.DEFECTS["wrong"]
        made = planting.plant(
            base.astype(float), defect, 2, (source, source), np.random.default_rng(0)
        )
        assert made.shape == base.shape


@pytest.mark.parametrize("share", [0.02, 0.3, 0.5])
def test_blobs_cover_their_share(share):
    mask = planting.blobs((120, 160), share, np.random.default_rng(0))
    assert mask.min() >= 0.0
    assert mask.max() <= 1.0 + 1e-12
    assert mask.mean() == pytest.approx(share, abs=0.01)


def test_pairs_need_their_truth(tmp_path):
    for folder in ("A", "B", "reference"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "x.png").write_bytes(encode_png(photo("coins.png", (40, 50))))
    assert [scene.name for scene in simulate.pairs_with_truth(tmp_path)] == ["x"]
    (tmp_path / "reference" / "x.png").unlink()
    with pytest.raises(UsageError, match="no image 'x'"):
        list(simulate.pairs_with_truth(tmp_path))
    with pytest.raises(UsageError, match="no folder"):
        list(simulate.blurred_photographs(tmp_path / "nowhere"))


def test_ingest_takes_all_that_is_written(tmp_path, photographs):
    scenes = simulate.blurred_photographs(photographs)
    manifest = simulate.write_simulation(scenes, tmp_path / "images", "sim")
    lab = Lab.create(tmp_path / "lab")
    report = ingest(*load_manifest(manifest), lab)
    assert report.rejected == {}
    index = lab.index("mff", "sim")
    assert set(index["role"]) == {"source", "method", "reference"}
    assert (index[index["role"] == "method"].groupby("scene").size() >= 12).all()

"""Labels of a lab as they are read for training: pixels, digests, regions, and what is refused."""

import math

import numpy as np
import pytest
from helpers import make_lab, rewrite_labels, write_labels

from fusionlab import memory
from fusionlab.colour import luminance
from fusionlab.errors import LabError, UnknownNameError, UsageError
from fusionlab.images import digest
from fusionlab.ingest import ingest
from fusionlab.lab import Lab
from fusionlab.made import Made, add_made
from fusionlab.store import Address
from fusionlab.training.reading import plan_labels, read_curated


@pytest.fixture
def lab(tmp_path):
    lab = make_lab(tmp_path, methods=("mean",))
    write_labels(lab, "mean")
    return lab


def labelled(dataset, tmp_path):
    """Return a lab of a data set, with the labels of its first method."""
    lab = Lab.create(tmp_path / "lab")
    ingest(dataset.manifest, tmp_path / dataset.root, lab)
    write_labels(lab, "M1")
    return lab


def stored(lab, task="ivf", dataset="toy"):
    """Return the pixels of a lab by scene and name."""
    rows = lab.index(task, dataset).to_dict("records")
    return {(row["scene"], row["name"]): lab.images.read(Address.of(row)) for row in rows}


def test_gray_labels_and_sources_are_read_as_they_are(lab):
    told = []
    found = read_curated(lab, "first", workers=2, on_progress=lambda *n: told.append(n))
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert (found.labels, found.policy_digest, found.tasks()) == ("first", "p", ["ivf"])
    pixels = stored(lab)
    for example in found.examples:
        scene = example.place.removeprefix("ivf/toy/")
        mine = [pixels[scene, name] for name in ("mean", "ir", "vis")]
        assert np.array_equal(example.planes, 257 * np.stack(mine).astype(np.uint16))
        assert example.digests == tuple(digest(mine[i]) for i in (1, 2, 0))
        assert (example.weight, example.method, example.region) == (1.0, "mean", "")


@pytest.mark.parametrize(("shape", "dtype"), [((6, 8), np.uint16), ((6, 8, 3), np.uint8)])
def test_16_bits_are_kept_and_colour_is_luminance(make_dataset, tmp_path, shape, dtype):
    lab = labelled(make_dataset(shape=shape, dtype=dtype, scenes=("s1",)), tmp_path)
    (found,) = read_curated(lab, "first").examples
    pixels = stored(lab, "ivf", "tiny")
    mine = [pixels["s1", name] for name in ("M1", "ir", "vis")]
    if dtype == np.uint16:
        assert np.array_equal(found.planes, mine)
    else:
        exact = np.stack([luminance(image) for image in mine]) * 257
        assert abs(found.planes - exact).max() <= 0.5


def test_16_bit_colour_is_read(make_dataset, tmp_path):
    lab = labelled(make_dataset(shape=(6, 8, 3), dtype=np.uint16, scenes=("s1",)), tmp_path)
    (found,) = read_curated(lab, "first").examples
    exact = luminance(stored(lab, "ivf", "tiny")["s1", "M1"])
    assert abs(found.planes[0] - exact).max() <= 0.5 + 1e-6


def test_of_three_shots_the_pair_that_the_manifest_names(make_dataset, tmp_path):
    modalities = ("under", "normal", "over")
    lab = labelled(make_dataset(task="mef", modalities=modalities, scenes=("s1",)), tmp_path)
    pixels = stored(lab, "mef", "tiny")
    (first,) = read_curated(lab, "first").examples
    assert np.array_equal(first.planes[2], 257 * pixels["s1", "normal"].astype(np.uint16))
    last = digest(pixels["s1", "over"])
    rewrite_labels(lab, lambda frame: frame.assign(digest_b=last))
    (found,) = read_curated(lab, "first").examples
    assert np.array_equal(found.planes[2], 257 * pixels["s1", "over"].astype(np.uint16))


def test_a_label_of_a_region_is_beside_that_region_of_the_sources(lab):
    shown = stored(lab)["s1", "mean"][3:40, 5:50]
    with lab.writing(pixels=True):
        add_made(lab, "ivf", "toy", [Made("s1", "part", shown, "test", region="3,5,37,45")])
    rewrite_labels(
        lab,
        lambda frame: frame[frame["scene"] == "s1"].assign(
            method="part", digest_candidate=digest(shown), region="3,5,37,45"
        ),
    )
    (found,) = read_curated(lab, "first").examples
    pixels = stored(lab)
    assert found.region == "3,5,37,45"
    wanted = [shown, *(pixels["s1", name][3:40, 5:50] for name in ("ir", "vis"))]
    assert np.array_equal(found.planes, 257 * np.stack(wanted).astype(np.uint16))
    rewrite_labels(lab, lambda frame: frame.assign(region="3,5,38,45"))
    with pytest.raises(LabError, match=r"label of ivf/toy/s1 has \(37, 45\) pixels.*do not fit"):
        read_curated(lab, "first")


def test_only_the_first_place_of_a_scene_counts(lab):
    rewrite_labels(lab, lambda frame: frame.assign(place=[1, 2, 1], weight=[0.6, 0.4, 0.5]))
    found = read_curated(lab, "first")
    assert [(e.place, e.weight) for e in found.examples] == [
        ("ivf/toy/s0", 0.6),
        ("ivf/toy/s2", 0.5),
    ]


def test_a_changed_pixel_names_the_label(lab):
    row = lab.index("ivf", "toy").query("scene == 's1' and name == 'vis'").to_dict("records")[0]
    pixels = lab.images.read(Address.of(row)).copy()
    pixels[7, 9] ^= 1
    with lab.writing(pixels=True):
        lab.images.grow(Address.of(row).folder, ["s0", "s1", "s2"], [], pixels.shape, "uint8")
        lab.images.write(Address.of(row), pixels)
    with pytest.raises(LabError, match=r"label of ivf/toy/s1: .*vis of scene s1 is not the image"):
        read_curated(lab, "first")


@pytest.mark.parametrize("column", ["digest_a", "digest_b", "digest_candidate"])
def test_labels_of_other_images_are_refused(lab, column):
    rewrite_labels(lab, lambda frame: frame.assign(**{column: "0" * 64}))
    with pytest.raises(LabError, match=r"of ivf/toy/s0 is not the image that the labels mean"):
        plan_labels(lab, "first")


def test_an_image_that_is_gone_is_refused(lab):
    index = lab.index("ivf", "toy")
    with lab.writing():
        lab.write_index("ivf", "toy", index[(index["scene"] != "s2") | (index["name"] != "mean")])
    with pytest.raises(LabError, match=r"method mean of ivf/toy/s2 is not the image"):
        read_curated(lab, "first")


@pytest.mark.parametrize(
    "wrong", [{"total": math.nan}, {"weight": math.nan}, {"weight": -0.1}, {"weight": math.inf}]
)
def test_a_label_without_total_or_weight_is_named(lab, wrong):
    ((column, value),) = wrong.items()
    rewrite_labels(lab, lambda frame: frame.assign(**{column: [1.0, value, 1.0]}))
    with pytest.raises(LabError, match=rf"first.parquet: the label of ivf/toy/s1 has {column} "):
        read_curated(lab, "first")


def test_what_a_person_chose_needs_no_total(lab):
    rewrite_labels(lab, lambda frame: frame.assign(total=math.nan, chosen_by="ann"))
    assert len(read_curated(lab, "first")) == 3


def test_nothing_to_learn_from_says_what_to_do(lab):
    with pytest.raises(LabError, match=r"'first' has no labels of mff to learn from; select"):
        read_curated(lab, "first", tasks=["mff"])
    with pytest.raises(UnknownNameError, match="--tasks: unknown task"):
        read_curated(lab, "first", tasks=["mfg"])
    rewrite_labels(lab, lambda frame: frame.iloc[:0])
    with pytest.raises(LabError, match=r"'first' has no labels to learn from; select"):
        read_curated(lab, "first")


def test_what_does_not_fit_into_the_memory_is_refused_before_it_is_read(lab, monkeypatch):
    monkeypatch.setattr(memory, "available", lambda: 10_000)
    with pytest.raises(UsageError, match=r"'first', 3 scenes: takes 0\.0 GB .* fewer tasks"):
        read_curated(lab, "first")
    assert plan_labels(lab, "first").bytes == 3 * 48 * 57 * 6
    monkeypatch.setattr(memory, "available", lambda: None)
    assert len(read_curated(lab, "first")) == 3


def test_scenes_that_are_twins_or_share_a_source_are_one_group(lab):
    index = lab.index("ivf", "toy")
    twin = (index["scene"] == "s2") & (index["role"] == "source")
    with lab.writing():
        lab.write_index("ivf", "toy", index.assign(twin=np.where(twin, "scene/s1", "")))
    groups = [example.group for example in read_curated(lab, "first").examples]
    assert groups == ["ivf/toy/s0", "ivf/toy/s1", "ivf/toy/s1"]
    with lab.writing():  # the twin has no label, but both others are twins of it
        both = twin | ((index["scene"] == "s0") & (index["role"] == "source"))
        lab.write_index("ivf", "toy", index.assign(twin=np.where(both, "scene/s1", "")))
    rewrite_labels(lab, lambda frame: frame[frame["scene"] != "s1"])
    groups = [example.group for example in read_curated(lab, "first").examples]
    assert groups == ["ivf/toy/s0", "ivf/toy/s0"]


def test_a_source_in_two_scenes_makes_one_group(make_dataset, tmp_path):
    dataset = make_dataset(scenes=("s1", "s2", "s3"))
    shared = (dataset.root / "sources/vis/s1.png").read_bytes()
    dataset.put("sources/vis/s3.png", shared)
    groups = [e.group for e in read_curated(labelled(dataset, tmp_path), "first").examples]
    assert groups == ["ivf/tiny/s1", "ivf/tiny/s2", "ivf/tiny/s1"]


def test_the_memory_of_a_container_counts(tmp_path, monkeypatch):
    for name, text in {
        "memory.max": "5000\n",
        "memory.current": "4000\n",
        "memory.stat": "anon 1\ninactive_file 300\n",
    }.items():
        (tmp_path / name).write_text(text)
    (tmp_path / "meminfo").write_text("MemTotal: 9 kB\nMemAvailable: 2 kB\n")
    monkeypatch.setattr(memory, "_GROUP", tmp_path)
    monkeypatch.setattr(memory, "_MEMINFO", tmp_path / "meminfo")
    assert memory.available() == 1300
    (tmp_path / "memory.max").write_text("max\n")
    assert memory.available() == 2048
    (tmp_path / "meminfo").unlink()
    assert memory.available() is None

"""Families, twins and near-duplicate scenes."""

from __future__ import annotations

import itertools
from pathlib import Path

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionlab.configs import load_yaml
from fusionlab.errors import ImageError
from fusionlab.images import decode, digest
from fusionlab.ingest.find import find
from fusionlab.ingest.manifest import Manifest
from fusionlab.ingest.tree import FileTree
from fusionlab.inspection.kinship import Member, families, inspect
from fusionlab.inspection.scenes import near_duplicate_scenes, sketch
from fusionlab.inspection.statistics import measure

SIZE = (120, 160)


def noise(seed: object, scale: float) -> np.ndarray:
    rng = np.random.default_rng(list(repr(seed).encode()))
    field = cv2.GaussianBlur(rng.normal(0, 1, SIZE), (0, 0), scale)
    return field / field.std()


def levels(field: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(field), 0, 255).astype(np.uint8)


A, B = 120 + 30 * noise("a", 3), 120 + 30 * noise("b", 5)
SOURCES = [measure(levels(A)), measure(levels(B))]


def member(pixels: np.ndarray, file_format: str = "PNG") -> Member:
    return Member(measure(pixels), digest(pixels), file_format, ())


def method(own: object, variant: object = 0, apart: float = 1.0) -> Member:
    """An output with a residual of its own, and a variant's small one on top."""
    field = (A + B) / 2 + 8 * noise(own, 2) + apart * noise((own, variant), 1)
    return member(levels(field))


def test_methods_of_different_origin_are_no_family() -> None:
    pool = {f"M{i}": method(i) for i in range(8)}
    assert families(pool, SOURCES) == dict.fromkeys(pool, ("", ""))


def test_variants_whose_names_begin_alike_are_a_family() -> None:
    pool = {"DWT-hsi": method("d", 1, 6), "DWT-gray": method("d", 2, 6), "PYR": method("p")}
    found = families(pool, SOURCES)
    assert found == {"DWT-hsi": ("", "DWT-gray"), "DWT-gray": ("", "DWT-gray"), "PYR": ("", "")}


def test_names_alone_make_no_family() -> None:
    pool = {"MEF-GAN": method("x"), "MEF-SSIM": method("y")}
    assert families(pool, SOURCES) == {"MEF-GAN": ("", ""), "MEF-SSIM": ("", "")}


def test_a_renamed_copy_is_a_twin_whatever_its_name() -> None:
    pool = {f"M{i}": method(i) for i in range(7)}
    pixels = levels((A + B) / 2 + 8 * noise(3, 2) + noise((3, 0), 1))
    data = cv2.imencode(".jpg", pixels, [cv2.IMWRITE_JPEG_QUALITY, 97])[1]
    pool["other"] = member(cv2.imdecode(data, cv2.IMREAD_UNCHANGED), "JPEG")
    found = families(pool, SOURCES)
    assert found["other"] == ("M3", "M3")
    assert found["M3"] == ("other", "M3")
    assert found["M1"] == ("", "")


def test_no_chain_joins_what_is_unlike() -> None:
    """B is like both A and C, which are not alike: only two of them go together."""
    p, q = noise("p", 2), noise("q", 2)
    fields = {"X-a": p, "X-b": p + q, "X-c": q}
    pool = {n: member(levels((A + B) / 2 + 8 * f)) for n, f in fields.items()}
    found = families(pool, SOURCES)
    assert sorted(f for _, f in found.values()).count("") == 1
    assert found["X-b"][1] == "X-a" or found["X-b"][1] == "X-b"


@settings(max_examples=10, deadline=None)
@given(order=st.permutations(range(7)))
def test_the_order_of_candidates_does_not_matter(order: list[int]) -> None:
    made = [
        ("DWT-a", method("d", 1, 5)), ("DWT-b", method("d", 2, 5)), ("M", method("m")),
        ("N", method("n")), ("N2", method("n")), ("O_1", method("o", 1, 3)), ("O_2", method("p")),
    ]  # fmt: skip
    expected = families(dict(made), SOURCES)
    assert families(dict(made[i] for i in order), SOURCES) == expected
    assert expected["N"] == ("N2", "N")
    assert expected["DWT-b"][1] == "DWT-a"


def test_candidates_without_a_residual_have_no_kin() -> None:
    pool = {
        "copy-a": member(levels(A)),
        "copy-b": member(levels(B)),
        "flat": member(np.full(SIZE, 7, np.uint8)),
    }
    assert families(pool, SOURCES) == dict.fromkeys(pool, ("", ""))
    assert families({}, SOURCES) == {}
    assert families({"one": method(1)}, SOURCES) == {"one": ("", "")}


def test_inspect_gives_the_columns_of_the_index() -> None:
    sources = {"ir": member(levels(A)), "vis": member(levels(B))}
    pool = {"M": method(1), "M_old": method(1), "C": member(levels(B)), "Z": method(2)}
    found = inspect(sources, pool)
    assert (found["C"].flags, found["C"].twin) == (("source_copy",), "source/vis")
    assert (found["M"].flags, found["M"].twin) == (("identical",), "method/M_old")
    assert found["M"].family == found["M_old"].family == "M"
    assert (found["Z"].flags, found["Z"].twin, found["Z"].family) == ((), "", "")


def scene(seed: object, drift: float = 0.0, other: object = "") -> np.ndarray:
    a = 100 + 40 * (noise((seed, "a"), 8) + drift * noise((other, "x"), 8))
    b = 100 + 40 * (noise((seed, "b"), 8) + drift * noise((other, "y"), 8))
    drawn = sketch(measure(levels(a)), measure(levels(b)))
    assert drawn is not None
    return drawn


def test_near_duplicate_scenes_name_each_other_and_no_others() -> None:
    sketches = {f"s{i}": scene(i) for i in range(30)}
    sketches |= {"t1": scene("t", 0.1, 1), "t2": scene("t", 0.1, 2), "u": scene(4)}
    found = near_duplicate_scenes(sketches)
    assert found == {"t1": "t2", "t2": "t1", "s4": "u", "u": "s4"}


def test_one_equal_source_is_not_an_equal_scene() -> None:
    first = measure(levels(A))
    pair = {n: sketch(first, measure(levels(100 + 40 * noise(n, 8)))) for n in ("p", "q")}
    assert near_duplicate_scenes(pair) == {}


def test_flat_sources_tell_nothing() -> None:
    flat = measure(np.full(SIZE, 9, np.uint8))
    assert sketch(flat, SOURCES[0]) is None
    assert near_duplicate_scenes({}) == {}
    assert near_duplicate_scenes({"only": scene(1)}) == {}


def test_many_equal_scenes_end_in_time() -> None:
    sketches = {f"{i:04d}": scene(i % 3) for i in range(60)}
    assert len(near_duplicate_scenes(sketches)) == 60


def read_scenes(shared: Path, dataset: str):
    """Yield (scene, sources, candidates) of one real data set, described."""
    manifest = load_yaml(
        Path(__file__).parents[2] / "benchmarks" / "manifests" / f"{dataset}.yaml", Manifest
    )
    root = shared / "data" / manifest.task / dataset
    for found in find(manifest, FileTree(root)).scenes:
        images = {"source": {}, "method": {}}
        for file in found.files:
            try:
                image = decode((root / file.file).read_bytes())
            except ImageError:
                continue
            images[file.role][file.name] = Member(
                measure(image.pixels), digest(image.pixels), image.file_format, image.notes
            )
        sources = {n: images["source"][n] for n in manifest.sources if n in images["source"]}
        size = next(iter(sources.values())).statistics.shape
        fits = {n: m for n, m in images["method"].items() if m.statistics.shape == size}
        yield found.scene, sources, fits


def groups(sources, candidates) -> set[str]:
    shots = [source.statistics for source in sources.values()]
    kin = families(candidates, shots)
    names = sorted((family, name) for name, (_, family) in kin.items() if family)
    return {
        " ".join(name for _, name in members)
        for _, members in itertools.groupby(names, key=lambda pair: pair[0])
    }


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        ("vifb", set()),
        ("lytro", {"DCT_Corr DCT_EOL"}),
        ("ifcnn_small", {"IFCNN-MAX IFCNN-MEAN IFCNN-SUM"}),
        (
            "harvard_pet_mri",
            {
                "DWT-grayscale DWT-hsi DWT-ycbcr",
                "PYRAMID-grayscale PYRAMID-hsi PYRAMID-ycbcr",
            },
        ),
    ],
)
def test_real_families_and_no_others(shared, dataset: str, expected: set[str]) -> None:
    scenes = list(itertools.islice(read_scenes(shared, dataset), 4))
    assert len(scenes) >= 3
    for name, sources, candidates in scenes:
        assert groups(sources, candidates) == expected, name


def test_byte_identical_real_outputs_are_named(shared) -> None:
    house = next(s for s in read_scenes(shared, "mefdb") if s[0] == "House")
    found = inspect(house[1], house[2])
    assert "identical" in found["AoJiong_LAP000"].flags
    assert found["AoJiong_LAP000"].twin == "method/AoJiong_LAP_before"


def test_adjacent_slices_of_one_patient_are_near_duplicates(shared) -> None:
    sketches = {}
    for name, sources, _ in read_scenes(shared, "harvard_ct_mri"):
        a, b = (source.statistics for source in sources.values())
        drawn = sketch(a, b)
        if drawn is not None:
            sketches[name] = drawn
    twins = near_duplicate_scenes(sketches)
    assert len(twins) == 13
    assert all(abs(int(one) - int(other)) == 1 for one, other in twins.items())

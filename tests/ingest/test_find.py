import os
from pathlib import Path

import pytest

from fusionlab.ingest import tree as trees
from fusionlab.ingest.find import find as find_in
from fusionlab.ingest.tree import FileTree


def find(manifest, root):
    with FileTree(root, manifest.enters) as tree:
        return find_in(manifest, tree)


@pytest.fixture
def data(make_dataset):
    return make_dataset()


def found(data):
    """Return {file: its place} of what was found, and {file: reason} of the rest."""
    result = find(data.manifest, data.root)
    files = {f.file: (f.scene, f.role, f.name, f.position) for s in result.scenes for f in s.files}
    rejects = {(r.found.file if r.found else r.file): r.reason for r in result.rejects}
    assert not files.keys() & rejects.keys()
    assert len(rejects) == len(result.rejects)
    return files, rejects


def test_every_file_has_its_place(data):
    files, rejects = found(data)
    assert rejects == {}
    assert len(files) == 8
    assert files["sources/ir/s1.png"] == ("s1", "source", "ir", 0)
    assert files["sources/vis/s1.png"] == ("s1", "source", "vis", 1)
    assert files["methods/M2/s2.png"] == ("s2", "method", "M2", -1)


def test_scenes_are_sorted_and_sources_come_first(make_dataset):
    data = make_dataset(scenes=("b", "a"), modalities=("z", "y", "x"), reference=True)
    scenes = find(data.manifest, data.root).scenes
    assert [scene.scene for scene in scenes] == ["a", "b"]
    assert [f.name for f in scenes[0].files] == ["z", "y", "x", "truth", "M1", "M2"]


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("methods/M1/s9.png", "no_sources"),
        ("sources/ir/s9.png", "missing_source"),
        ("sources/vis/s9.png", "missing_source"),
        ("readme.txt", "unmatched_file"),
        ("methods/s1.png", "unmatched_file"),
        ("methods/a:b/s1.png", "unsafe_name"),
        ("methods/zarr.json/s1.png", "unsafe_name"),
        ("methods/.../s1.png", None),
        ("methods/a\nb/s1.png", "unsafe_name"),
        (f"methods/{'x' * 151}/s1.png", "unsafe_name"),
        (".DS_Store", None),
        ("methods/.git/s1.png", None),
    ],
)
def test_one_odd_file_is_rejected_for_its_reason_and_harms_no_other(data, file, reason):
    data.put(file, b"")
    files, rejects = found(data)
    assert len(files) == 8
    assert rejects == ({file: reason} if reason else {})


def test_a_scene_without_its_second_source_takes_its_candidates_along(data):
    (data.root / "sources/vis/s1.png").unlink()
    files, rejects = found(data)
    lost = ("sources/ir/s1.png", "methods/M1/s1.png", "methods/M2/s1.png")
    assert rejects == dict.fromkeys(lost, "missing_source")
    assert {scene for scene, *_ in files.values()} == {"s2"}


def test_a_missing_third_source_is_no_fault(make_dataset):
    data = make_dataset(modalities=("a", "b", "c"))
    (data.root / "sources/c/s1.png").unlink()
    files, rejects = found(data)
    assert rejects == {}
    assert len(files) == 9


def test_of_two_files_in_one_place_neither_is_guessed(data):
    data.put("methods/M1/s1.jpg", b"")
    data.put("methods/M1/S2.png", b"")
    files, rejects = found(data)
    assert rejects == {
        "methods/M1/s1.jpg": "duplicate_file",
        "methods/M1/s1.png": "duplicate_file",
        "methods/M1/S2.png": "no_sources",
    }
    assert len(files) == 7


def test_a_doubled_source_costs_its_scene(data):
    data.put("sources/ir/s1.JPG", b"")
    files, rejects = found(data)
    assert len(files) == 4
    assert sorted(rejects.values()) == ["duplicate_file"] * 2 + ["missing_source"] * 3


def test_ignored_files_are_known_not_to_belong(data):
    for file in ("mos.csv", "docs/deep/mos.csv", "methods/old/s1.png"):
        data.put(file, b"")
    data.text["ignore"] = ["mos.csv", "methods/old/*"]
    files, rejects = found(data)
    assert rejects == {}
    assert len(files) == 8


def test_links_to_folders_are_told_and_hidden_ones_passed_over(data):
    (data.root / "methods/M3").symlink_to(data.root / "methods/M1")
    (data.root / ".cache").symlink_to(data.root / "methods")
    (data.root / "loop").symlink_to(data.root)
    files, rejects = found(data)
    assert rejects == {"methods/M3": "linked_folder", "loop": "linked_folder"}
    assert len(files) == 8


def test_a_name_that_is_not_utf8_is_rejected_readably(data):
    folder = os.fsencode(data.root / "methods" / "M1")
    try:
        Path(os.fsdecode(folder + b"/caf\xe9.png")).write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes UTF-8 names only")
    files, rejects = found(data)
    assert rejects == {"methods/M1/caf\\udce9.png": "name_not_utf8"}
    assert len(files) == 8


def test_a_folder_that_cannot_be_listed_is_rejected(data, monkeypatch):
    real = os.walk

    def walk(top, onerror):
        onerror(PermissionError(13, "Permission denied", str(Path(top) / "methods" / "locked")))
        yield from real(top, onerror=onerror)

    monkeypatch.setattr(trees.os, "walk", walk)
    files, rejects = found(data)
    assert rejects == {"methods/locked": "unreadable"}
    assert len(files) == 8


def test_flat_names_with_underscores_and_hyphens(make_dataset):
    data = make_dataset(scenes=(), methods=())
    data.text["sources"] = {"A": "{scene}_A.jpg", "B": "{scene}_B.jpg"}
    data.text["candidates"] = "{scene}_{method}.*"
    for name in ("A", "B", "DCT_EOL", "MFF-GAN"):
        data.put(f"MFI-WHU_15_{name}.JPG", b"")
    files, rejects = found(data)
    assert rejects == {}
    assert {(scene, name) for scene, _, name, _ in files.values()} == {
        ("MFI-WHU_15", name) for name in ("A", "B", "DCT_EOL", "MFF-GAN")
    }


def test_of_two_patterns_the_more_literal_one_takes_the_file(make_dataset):
    data = make_dataset(scenes=("s",), modalities=("under", "over", "mid"))
    data.text["sources"]["mid_2"] = "sources/mid/{scene}_2.*"
    data.put("sources/mid/s_2.png", b"")
    files, rejects = found(data)
    assert rejects == {}
    assert files["sources/mid/s_2.png"] == ("s", "source", "mid_2", 3)
    assert files["sources/mid/s.png"] == ("s", "source", "mid", 2)


def test_an_empty_root_has_nothing(make_dataset):
    assert found(make_dataset(scenes=())) == ({}, {})


def test_a_role_may_have_several_patterns(data):
    data.put("more/M9_s1.png", b"")
    data.put("sources/infrared/s9.png", b"")
    data.put("sources/vis/s9.png", b"")
    data.text["candidates"] = [data.text["candidates"], "more/{method}_{scene}.*"]
    data.text["sources"]["ir"] = [data.text["sources"]["ir"], "sources/infrared/{scene}.*"]
    files, rejects = found(data)
    assert rejects == {}
    assert files["more/M9_s1.png"] == ("s1", "method", "M9", -1)
    assert files["sources/infrared/s9.png"] == ("s9", "source", "ir", 0)


def test_of_two_readings_of_a_candidates_name_the_one_with_a_known_scene_counts(data):
    data.put("methods/M9/fused_s1.png", b"")
    data.text["candidates"] = ["methods/{method}/{scene}.*", "methods/{method}/fused_{scene}.*"]
    files, rejects = found(data)
    assert rejects == {}
    assert files["methods/M9/fused_s1.png"] == ("s1", "method", "M9", -1)


def test_one_scene_under_two_patterns_is_a_double(data):
    data.put("sources/infrared/s1.png", b"")
    data.text["sources"]["ir"] = [data.text["sources"]["ir"], "sources/infrared/{scene}.*"]
    _, rejects = found(data)
    assert rejects["sources/infrared/s1.png"] == rejects["sources/ir/s1.png"] == "duplicate_file"

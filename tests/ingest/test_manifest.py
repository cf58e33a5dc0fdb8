import pytest

from fusionlab.errors import ConfigError
from fusionlab.ingest import load_manifest
from fusionlab.ingest.manifest import Grouping


def test_a_manifest_is_read_and_its_root_found_beside_it(make_dataset):
    data = make_dataset(modalities=("vis", "ir"))
    manifest, root = load_manifest(data.manifest_file)
    assert root.resolve() == data.root.resolve()
    assert list(manifest.sources) == ["vis", "ir"]  # the order in the file says which is a


def test_another_root_can_be_given(make_dataset, tmp_path):
    assert load_manifest(make_dataset().manifest_file, tmp_path)[1] == tmp_path


def test_a_pattern_is_kept_in_its_plain_form(make_dataset):
    data = make_dataset()
    data.text["sources"]["ir"] = "./sources//ir/{scene}.*"
    assert load_manifest(data.save_manifest())[0].sources["ir"] == ("sources/ir/{scene}.*",)


@pytest.mark.parametrize(
    ("change", "finding"),
    [
        ({"task": "IVFF"}, r"task: unknown task\. Did you mean 'ivf'\?"),
        ({"dataset": "a/b"}, "dataset: a data set's name holds no '/'"),
        ({"dataset": "x" * 200}, "dataset: a data set's name"),
        ({"dataset": 7}, "dataset: .*valid string"),
        (
            {"root": "nowhere"},
            "nowhere is not a folder, nor a zip or tar archive; correct 'root' or give --root",
        ),
        ({"sources": {"ir": "{scene}.png"}}, "sources: .*at least 2"),
        ({"sources": {"a": "{scene}.x", "b": "./{scene}.x"}}, "two sources have the same pattern"),
        ({"sources": {"a": "x/{scene}", "../b": "y/{scene}"}}, "modality '../b' holds"),
        ({"sources": {"a": "x/{scene}", "b": "y/{scenes}"}}, "pattern 'y/{scenes}' has {scenes}"),
        ({"sources": {"a": "x/{scene}", "b": "../y/{scene}"}}, "not climb out of it"),
        ({"sources": {1: "x/{scene}", "b": "y/{scene}"}}, r"sources\.1\..*string"),
        ({"candidates": "m/{scene}.*"}, "candidates: .*lacks a placeholder; it needs {method}"),
        ({"reference": "r/{method}/{scene}.*"}, "reference: .*has {method}; it takes {scene}"),
        ({"ignore": 3}, "ignore: "),
        ({"data_range": [1, 0]}, r"data_range: \*: the range 1\.\.0 does not rise"),
        ({"data_range": 0}, "does not rise"),
        ({"data_range": [0, float("inf")]}, "does not rise"),
        ({"data_range": "12 bit"}, r"data_range\.\*: .*valid tuple"),
        ({"data_range": {"ir": [1, 2, 3]}}, r"data_range\.ir"),
        ({"data_range": {"nir": 4095}}, "data_range: nothing is called 'nir'; it takes"),
        ({"window": [40, 400]}, "window: .*valid dictionary"),
        ({"window": {"ir": [40, 0]}}, "window: ir: expected a centre and a width above 0"),
        ({"window": {"ir": [1, 2]}, "data_range": {"ir": 9}}, "'ir' has a data_range and a window"),
        (
            {"sources": {"a": "x/{scene}", "b": "y/{slice}"}},
            "lacks a placeholder; it needs {scene}",
        ),
        ({"canddiates": "x"}, "unknown key 'canddiates'. Did you mean 'candidates'"),
    ],
)
def test_a_wrong_manifest_says_where_and_what(make_dataset, change, finding):
    data = make_dataset()
    data.text.update(change)
    with pytest.raises(ConfigError, match=finding.replace("{", r"\{")) as caught:
        load_manifest(data.save_manifest())
    assert str(data.manifest_file) in str(caught.value)


@pytest.mark.parametrize(
    ("declared", "notes"),
    [
        ({}, [None] * 4),
        ({"data_range": 4095}, ["range:0..4095"] * 4),
        ({"data_range": [-1, 1]}, ["range:-1..1"] * 4),
        ({"data_range": {"ir": 4095}}, ["range:0..4095", None, None, None]),
        (
            {"data_range": {"*": 1, "candidates": [0, 2], "reference": 3}},
            ["range:0..1", "range:0..1", "range:0..2", "range:0..3"],
        ),
        (
            {"data_range": {"*": 1}, "window": {"vis": [40, 400]}},
            ["range:0..1", "window:40/400", "range:0..1", "range:0..1"],
        ),
    ],
)
def test_a_declared_range_is_that_of_its_role_or_of_all(make_dataset, declared, notes):
    data = make_dataset()
    data.text.update(declared)
    files = [("source", "ir"), ("source", "vis"), ("method", "vis"), ("reference", "truth")]
    readings = [data.manifest.reading(*file) for file in files]
    assert [reading and reading.note for reading in readings] == notes


@pytest.mark.parametrize(
    ("pattern", "scene", "group"),
    [
        ("{group}???", "16009", "16"),
        ("{group}???", "9023", "9"),
        ("{group}???", "023", ""),
        ("{group}_*", "P1_s_3", "P1"),
        ("seq{group}_I*", "seq00_V1_I7", "00_V1"),
        ("*-{group}", "a-b-c", "b-c"),
        ("{group}.1", "ax1", ""),
        ("{group}", "whole", "whole"),
    ],
)
def test_a_pattern_cuts_the_group_out_of_a_scene(pattern, scene, group):
    assert Grouping(pattern=pattern).group_of(scene) == group


@pytest.mark.parametrize("pattern", ["", "16", "{group}{group}", "{group}_{scene}", "{group}}"])
def test_a_pattern_without_one_group_is_refused(pattern):
    with pytest.raises(ValueError, match=r"must hold \{group\} once"):
        Grouping(pattern=pattern)

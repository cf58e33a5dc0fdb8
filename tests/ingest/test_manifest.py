import pytest

from fusionlab.errors import ConfigError
from fusionlab.ingest import load_manifest


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
    assert load_manifest(data.save_manifest())[0].sources["ir"] == "sources/ir/{scene}.*"


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
        ({"ignore": "mos.csv"}, "ignore: "),
        ({"canddiates": "x"}, "unknown key 'canddiates'. Did you mean 'candidates'"),
    ],
)
def test_a_wrong_manifest_says_where_and_what(make_dataset, change, finding):
    data = make_dataset()
    data.text.update(change)
    with pytest.raises(ConfigError, match=finding.replace("{", r"\{")) as caught:
        load_manifest(data.save_manifest())
    assert str(data.manifest_file) in str(caught.value)

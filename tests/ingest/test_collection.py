"""The manifests of the collection of real data, as far as they can be judged without the images."""

from pathlib import Path

import pytest
import yaml

from fusionlab.ingest import load_manifest
from fusionlab.tasks import TASKS

FOLDER = Path(__file__).parents[2] / "benchmarks" / "manifests"
FILES = sorted(FOLDER.glob("*.yaml"))
KEYS = {
    "task",
    "dataset",
    "root",
    "sources",
    "candidates",
    "reference",
    "opinions",
    "ignore",
    "group",
}
SOURCES_ONLY = {"mefb_asfound", "roadscene_misaligned"}
every_manifest = pytest.mark.parametrize("path", FILES, ids=lambda p: p.stem)


def read(path):
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def test_there_is_one_for_each_benchmark():
    assert len(FILES) == 21
    assert {read(p)["task"] for p in FILES} == set(TASKS)


@every_manifest
def test_keys_and_names(path):
    manifest = read(path)
    assert (
        KEYS - {"candidates", "reference", "opinions", "ignore", "group"} <= set(manifest) <= KEYS
    )
    assert manifest["task"] in TASKS
    assert manifest["dataset"] == path.stem
    assert manifest["root"] == f"../../../shared/data/{manifest['task']}/{path.stem}"


@every_manifest
def test_ingest_takes_it_and_only_sets_of_sources_have_no_candidates(path):
    manifest, _ = load_manifest(path, FOLDER)
    assert bool(manifest.candidates) == (path.stem not in SOURCES_ONLY)


@every_manifest
def test_a_comment_tells_what_it_is_and_how_to_move_the_root(path):
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    assert len(comments) >= 3
    assert any("--root" in line for line in comments)


@every_manifest
def test_modalities_are_strings_in_the_order_of_the_task(path):
    manifest = read(path)
    names = list(manifest["sources"])
    assert all(isinstance(n, str) for n in names)
    if manifest["task"] == "ivf":
        assert names == ["ir", "vis"]
    if manifest["task"] == "mif":
        assert names[0] in {"ct", "pet", "spect"}
        assert names[1] == "mri"
    if manifest["task"] == "mef" and "under" in names:
        assert names[:2] == ["under", "over"]

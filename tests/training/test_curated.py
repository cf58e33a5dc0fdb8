"""Curated labels in memory: how luminances are kept, what identifies them, how parts are taken."""

from dataclasses import replace

import numpy as np
import pytest
from training_examples import curated, example, of_tasks

from fusionlab.errors import LabError, UnknownNameError
from fusionlab.schemas import RUN_SCENES
from fusionlab.tables import read_table, write_table
from fusionlab.training.curated import LEVEL, as_seen


def test_gray_levels_are_seen_exactly():
    levels = np.arange(256, dtype=np.uint16)
    seen = as_seen(levels * LEVEL)
    assert seen.dtype == np.float32
    wanted = np.arange(256, dtype=np.float32) / np.float32(127.5) - np.float32(1)
    assert np.array_equal(seen, wanted)
    assert (seen[0], seen[255]) == (-1, 1)


def test_every_16_bit_value_is_seen_as_another_number_in_order():
    seen = as_seen(np.arange(65536, dtype=np.uint16))
    assert (np.diff(seen) > 0).all()
    assert abs(seen - (np.arange(65536) / 32767.5 - 1)).max() < 1e-7
    assert np.array_equal(np.rint((seen.astype(np.float64) + 1) * 32767.5), np.arange(65536))


def test_examples_are_sorted_and_of_a_place_there_is_one():
    places = ["mff/b/1", "ivf/a/2", "ivf/a/1"]
    found = curated(example(place) for place in places)
    assert [e.place for e in found.examples] == sorted(places)
    assert found.tasks() == ["ivf", "mff"]
    assert found.bytes == 3 * 3 * 24 * 31 * 2
    with pytest.raises(LabError, match="ivf/a/1 is there twice"):
        curated([example("ivf/a/1"), example("ivf/a/1")])


def test_parts_keep_the_pixels_and_unknown_names_are_refused():
    whole = of_tasks(ivf=3, mff=2)
    assert [e.place for e in whole.of_task("mff").examples] == ["mff/toy/s00", "mff/toy/s01"]
    part = whole.only(["mff/toy/s01", "ivf/toy/s00"])
    assert part.examples == (whole.examples[0], whole.examples[4])
    assert (part.labels, part.policy_digest) == ("first", "p")
    assert len(whole.only([])) == 0
    with pytest.raises(UnknownNameError, match="unknown task 'mef'"):
        whole.of_task("mef")
    with pytest.raises(UnknownNameError, match="Did you mean 'mff/toy/s01'"):
        whole.only(["mff/toy/s011"])


@pytest.mark.parametrize(
    "change",
    [
        {"weight": 0.5},
        {"method": "max"},
        {"digests": ("x", "y", "z")},
        {"region": "0,0,24,31"},
        {"group": "ivf/toy/s00"},
    ],
)
def test_the_digest_says_what_is_learned_from(change):
    whole = of_tasks(ivf=2)
    first, second = whole.examples
    assert curated([second, first]).digest == whole.digest
    assert curated([first, replace(second, **change)]).digest != whole.digest
    assert curated([replace(first, group=first.place), second]).digest == whole.digest


def test_the_frame_is_a_table_of_the_scenes_of_a_run(tmp_path):
    frame = of_tasks(ivf=2, mff=1).frame("validation")
    write_table(tmp_path / "scenes.parquet", frame, RUN_SCENES)
    found = read_table(tmp_path / "scenes.parquet", RUN_SCENES)
    assert found.iloc[2].to_dict() == {
        "task": "mff",
        "dataset": "toy",
        "scene": "s00",
        "part": "validation",
        "method": "mean",
        "digest_a": "mff/toy/s00-a",
        "digest_b": "mff/toy/s00-b",
        "digest_candidate": "mff/toy/s00-label",
    }
    assert of_tasks().frame("train").columns.tolist() == RUN_SCENES.columns.names

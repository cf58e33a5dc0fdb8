"""What a run has seen: by name, by pixels, by near twins."""

from __future__ import annotations

import pandas as pd
import pytest
from evaluations import run_scenes

from fusionlab.evaluation.seen import parts_of
from fusionlab.lab import Lab


def index_of(lab: Lab) -> pd.DataFrame:
    """The index of the toy data set, in which ingest found near twins, as if it had found none."""
    return lab.index("ivf", "toy").assign(twin="")


def test_nobody_knows_or_nothing_was_seen(lab: Lab):
    assert parts_of(index_of(lab), None) == {}
    assert parts_of(index_of(lab), run_scenes(lab, s0="train").iloc[:0]) == {}


def test_a_scene_is_known_by_its_place_even_with_other_pixels(lab: Lab):
    listed = run_scenes(lab, s0="train").assign(digest_a="x", digest_b="y")
    assert parts_of(index_of(lab), listed) == {"s0": "train"}


@pytest.mark.parametrize("change", [{"scene": "other"}, {"dataset": "else"}, {"task": "mff"}])
def test_a_renamed_copy_is_known_by_its_pixels(lab: Lab, change: dict[str, str]):
    listed = run_scenes(lab, s1="train", s2="validation").assign(**change)
    assert parts_of(index_of(lab), listed) == {"s1": "train", "s2": "validation"}


def test_sources_that_changed_places_are_known(lab: Lab):
    listed = run_scenes(lab, s1="train").rename(
        columns={"digest_a": "digest_b", "digest_b": "digest_a"}
    )
    assert parts_of(index_of(lab), listed.assign(scene="other")) == {"s1": "train"}


@pytest.mark.parametrize(("holder", "twin"), [("s3", "s1"), ("s1", "s3")])
def test_a_near_twin_is_seen_whichever_row_says_so(lab: Lab, holder: str, twin: str):
    index = index_of(lab)
    index.loc[(index["scene"] == holder) & (index["role"] == "source"), "twin"] = f"scene/{twin}"
    assert parts_of(index, run_scenes(lab, s1="train")) == {"s1": "train", "s3": "train"}


def test_training_outweighs_validation(lab: Lab):
    listed = pd.concat([run_scenes(lab, s1="validation"), run_scenes(lab, s1="train")])
    assert parts_of(index_of(lab), listed) == {"s1": "train"}

"""Decisions of people: recorded, never changed, and bound to the pixels that were judged."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest
from helpers import make_lab, write_dataset, write_image

from fusionlab.errors import LabError, OutdatedError, UnknownNameError, UsageError
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.lock import hold
from fusionlab.overrides import decide, history, label_of, listing, locate, outdated, standing
from fusionlab.packing import pack

S0, S1 = ("ivf", "toy", "s0"), ("ivf", "toy", "s1")


@pytest.fixture
def lab(tmp_path: Path) -> Lab:
    return make_lab(tmp_path, scenes=2)


def test_numbers_count_within_a_scene_and_the_last_one_counts(lab: Lab) -> None:
    decide(lab, S0, "choose", "mean", by="ann", because="less noise")
    decide(lab, S1, "veto", by="ann")
    last = decide(lab, S0, "accept", "sharp", by="bob")
    assert last.number == 2
    table = lab.overrides()
    assert table[["scene", "number", "verdict"]].to_numpy().tolist() == [
        ["s0", 1, "choose"],
        ["s0", 2, "accept"],
        ["s1", 1, "veto"],
    ]
    stands = standing(lab)
    assert stands[["scene", "by", "method"]].to_numpy().tolist() == [
        ["s0", "bob", "sharp"],
        ["s1", "ann", ""],
    ]


def test_a_decision_carries_the_digest_of_the_pixels_and_the_time(lab: Lab) -> None:
    made = decide(lab, S0, "choose", "mean", by="  ann ", because=" x\n")
    index = lab.index("ivf", "toy").set_index(["scene", "name"])
    assert made.digest_candidate == index.loc[("s0", "mean"), "digest"]
    assert (made.by, made.because) == ("ann", "x")
    at = pd.Timestamp(made.at)
    assert at.utcoffset() == pd.Timedelta(0)
    assert abs(pd.Timestamp.now("UTC") - at) < pd.Timedelta("1min")
    assert lab.overrides().to_dict("records") == [made.as_dict()]


def test_withdrawing_leaves_the_history(lab: Lab) -> None:
    decide(lab, S0, "veto", by="ann")
    decide(lab, S0, "withdraw", by="bob", because="a mistake")
    assert standing(lab).empty
    assert history(lab, S0)["verdict"].tolist() == ["veto", "withdraw"]
    with pytest.raises(UsageError, match="no decision to withdraw"):
        decide(lab, S0, "withdraw", by="bob")
    with pytest.raises(UsageError, match="no decision to withdraw"):
        decide(lab, S1, "withdraw", by="bob")


def test_what_cannot_be_decided(lab: Lab) -> None:
    with pytest.raises(UnknownNameError, match="Did you mean 'sharp'"):
        decide(lab, S0, "choose", "shrap", by="ann")
    with pytest.raises(UnknownNameError, match="unknown scene 's9'"):
        decide(lab, ("ivf", "toy", "s9"), "veto", by="ann")
    with pytest.raises(UsageError, match="--by NAME"):
        decide(lab, S0, "veto", by=" ")
    with pytest.raises(UsageError, match="needs a method"):
        decide(lab, S0, "choose", by="ann")
    with pytest.raises(UsageError, match="takes no method"):
        decide(lab, S0, "veto", "mean", by="ann")
    assert lab.overrides().empty


def test_a_decision_made_in_ignorance_of_another_is_refused(lab: Lab) -> None:
    decide(lab, S0, "choose", "mean", by="ann", seen=0)
    with pytest.raises(OutdatedError, match="'choose mean' by ann"):
        decide(lab, S0, "veto", by="bob", seen=0)
    assert decide(lab, S0, "veto", by="bob", seen=1).number == 2
    with pytest.raises(OutdatedError, match="other pixels"):
        decide(lab, S1, "choose", "mean", by="bob", judged="of the past")
    assert len(lab.overrides()) == 2


def test_nothing_is_written_on_a_dry_run_or_while_another_writes(lab: Lab) -> None:
    assert decide(lab, S0, "veto", by="ann", dry_run=True).number == 1
    with hold(lab.path), pytest.raises(LabError, match="another fusionlab process"):
        decide(lab, S0, "veto", by="ann")
    assert not (lab.path / "overrides.parquet").exists()


def test_decisions_survive_ingest_and_packing_and_say_what_is_outdated(
    lab: Lab, tmp_path: Path
) -> None:
    decide(lab, S0, "choose", "mean", by="ann")
    decide(lab, S0, "choose", "sharp", by="ann")
    decide(lab, S1, "choose", "noisy", by="ann")
    before = lab.overrides()
    images = tmp_path / "images/toy/out"
    pixels = lab.images.read(_address(lab, "s0", "sharp")).copy()
    pixels[::5, ::7] ^= 1
    write_image(images / "sharp/s0.png", pixels)
    (images / "noisy/s1.png").unlink()
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab, prune=True)
    pack(lab, tmp_path / "packed")
    for place in (lab, Lab.open(tmp_path / "packed")):
        pd.testing.assert_frame_equal(place.overrides(), before)
    assert listing(lab)["outdated"].tolist() == [
        "its pixels have changed since",
        "the candidate is gone",
    ]
    assert listing(lab, history=True)["outdated"].tolist()[0] == ""
    decide(Lab.open(tmp_path / "packed"), S0, "veto", by="ann")  # tables of a packed lab grow


def _address(lab: Lab, scene: str, name: str) -> object:
    from fusionlab.store import Address

    index = lab.index("ivf", "toy")
    return Address.of(index[(index["scene"] == scene) & (index["name"] == name)].iloc[0])


def test_a_scene_that_is_gone_can_still_be_withdrawn(lab: Lab, tmp_path: Path) -> None:
    decide(lab, S1, "veto", by="ann")
    for file in (tmp_path / "images/toy").rglob("s1.png"):
        file.unlink()
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), lab, prune=True)
    assert outdated(standing(lab), lab.index("ivf", "toy")).tolist() == ["the scene is gone"]
    assert locate(lab, "s1") == S1
    decide(lab, S1, "withdraw", by="ann")
    assert standing(lab).empty


def test_names_of_scenes(lab: Lab, tmp_path: Path) -> None:
    ingest(*load_manifest(write_dataset(tmp_path / "b", dataset="other", scenes=1)), lab)
    assert locate(lab, "s1") == S1
    assert locate(lab, "other/s0") == ("ivf", "other", "s0")
    assert locate(lab, "ivf/toy/s0") == S0
    with pytest.raises(LabError, match="ivf/other/s0, ivf/toy/s0"):
        locate(lab, "s0")
    with pytest.raises(UnknownNameError, match="Did you mean 'toy/s1'"):
        locate(lab, "toy/s11")
    with pytest.raises(LabError, match="holds no scene"):
        locate(Lab.create(tmp_path / "empty"), "s0")


def test_the_label_of_a_scene_is_that_of_the_first_place() -> None:
    labels = pd.DataFrame(
        {"task": "ivf", "dataset": "toy", "scene": "s0", "method": ["b", "a"], "place": [2, 1]}
    )
    assert label_of(labels, S0) == "a"
    assert label_of(labels, S1) == ""

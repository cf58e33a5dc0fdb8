"""Which scenes are learned from: as the manifest says, less what is excluded."""

from dataclasses import replace

import pytest
from training_examples import curated, example, of_tasks

from fusionlab.errors import UnknownNameError, UsageError
from fusionlab.training.splitting import split


def places(part):
    return {e.place for e in part.examples}


def test_a_network_sees_train_and_checks_see_validation_and_nobody_the_rest():
    parts = {"s0": "train", "s1": "validation", "s2": "test", "s3": "", "s4": "train"}
    whole = curated(example(f"ivf/d/{name}", split=part) for name, part in parts.items())
    learned, judged = split(whole)
    assert places(learned) == {"ivf/d/s0", "ivf/d/s4"}
    assert places(judged) == {"ivf/d/s1"}


def test_without_validation_nothing_is_held_out():
    learned, judged = split(curated([example("ivf/d/s0")]))
    assert (len(learned), len(judged)) == (1, 0)


def test_what_is_excluded_is_in_neither_part_nor_what_belongs_to_it():
    twin = replace(example("ivf/other/1"), group="ivf/toy/s00")
    whole = curated([*of_tasks(ivf=4, mff=3, mef=2).examples, twin])
    parts = split(whole, ["ivf/toy/s00", "mff/toy", "mef", "mif/not_here"])
    assert [places(part) for part in parts] == [{"ivf/toy/s01", "ivf/toy/s02"}, {"ivf/toy/s03"}]


def test_an_exclusion_that_names_nothing_is_refused():
    whole = of_tasks(ivf=4)
    for wrong, said in {
        "ivg/toy": "unknown task 'ivg'",
        "ivf/tox": "unknown data set 'ivf/tox'. Did you mean 'ivf/toy'",
        "ivf/toy/s0": "unknown scene 'ivf/toy/s0'",
    }.items():
        with pytest.raises(UnknownNameError, match=said):
            split(whole, exclude=[wrong])


@pytest.mark.parametrize("exclude", [["ivf"], ["ivf/toy/s00", "ivf/toy/s01", "ivf/toy/s02"]])
def test_nothing_left_to_learn_from_is_refused(exclude):
    with pytest.raises(UsageError, match=r"of 4 scenes \d are excluded, and none of the others"):
        split(of_tasks(ivf=4), exclude)

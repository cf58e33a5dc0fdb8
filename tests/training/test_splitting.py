"""Which scenes are held out: by name alone, near-duplicates together."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from training_examples import curated, example, of_tasks

from fusionlab.errors import UnknownNameError, UsageError
from fusionlab.training.splitting import position, split


def places(part):
    return {e.place for e in part.examples}


SCENES = st.sets(
    st.builds("{}/d/{}".format, st.sampled_from(["ivf", "mff"]), st.integers(0, 99)), max_size=12
)
TINY = {
    f"{task}/d/{i}": example(f"{task}/d/{i}", (1, 1)) for task in ("ivf", "mff") for i in range(100)
}


@given(SCENES.filter(bool), SCENES, st.sampled_from([0.0, 0.1, 0.5, 0.9]))
def test_more_scenes_move_none_into_validation(some, more, share):
    learned, judged = split(curated(TINY[p] for p in some), share)
    assert places(learned) | places(judged) == some
    assert not places(learned) & places(judged)
    later, _ = split(curated(TINY[p] for p in some | more), share)
    moved = places(learned) - places(later)
    # only what a task of few scenes had to learn from, lest it had nothing
    tasks = [p.partition("/")[0] for p in some]
    assert all(position(p) < share or tasks.count(p.partition("/")[0]) == 1 for p in moved)
    for task in ("ivf", "mff"):
        mine = {p for p in some if p.startswith(task)}
        if share and len(mine) > 1:
            assert mine & places(learned)
            assert mine & places(judged)


def test_a_tenth_is_held_out():
    whole = curated(example(f"ivf/d/{i}", (1, 1)) for i in range(400))
    learned, judged = split(whole)
    assert 25 <= len(judged) <= 55
    assert places(judged) == {p for p in places(whole) if position(p) < 0.1}
    assert split(whole)[0].digest == learned.digest


def test_one_scene_is_learned_from_and_nothing_is_held_out():
    learned, judged = split(of_tasks(ivf=1))
    assert (len(learned), len(judged)) == (1, 0)
    learned, judged = split(of_tasks(ivf=5), 0)
    assert (len(learned), len(judged)) == (5, 0)


@given(st.lists(st.integers(0, 5), min_size=2, max_size=20))
def test_near_duplicates_stay_together(groups):
    whole = curated(
        replace(example(f"ivf/d/{i}", (1, 1)), group=f"ivf/d/{g}") for i, g in enumerate(groups)
    )
    parts = [{e.group for e in part.examples} for part in split(whole, 0.4)]
    assert not parts[0] & parts[1]


def test_what_is_excluded_is_in_neither_part_nor_its_twin():
    twin = replace(example("ivf/other/1"), group="ivf/toy/s00")
    whole = curated([*of_tasks(ivf=4, mff=3, mef=2).examples, twin])
    parts = split(whole, 0.3, ["ivf/toy/s00", "mff/toy", "mef", "mif/not_here"])
    assert places(parts[0]) | places(parts[1]) == {f"ivf/toy/s0{i}" for i in (1, 2, 3)}


def test_an_exclusion_that_names_nothing_is_refused():
    whole = of_tasks(ivf=4)
    for wrong, said in {
        "ivg/toy": "unknown task 'ivg'",
        "ivf/tox": "unknown data set 'ivf/tox'. Did you mean 'ivf/toy'",
        "ivf/toy/s0": "unknown scene 'ivf/toy/s0'",
    }.items():
        with pytest.raises(UnknownNameError, match=said):
            split(whole, exclude=[wrong])
    with pytest.raises(UsageError, match="all 4 scenes are excluded"):
        split(whole, exclude=["ivf"])
    for share in (1.0, -0.1, float("nan")):
        with pytest.raises(UsageError, match="share of scenes"):
            split(whole, share)

"""Whatever is added, nothing that stands moves, and nothing that is tied is in two parts."""

from itertools import combinations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusionlab.splits.assign import assign
from fusionlab.splits.rule import PARTS, SplitRule, position
from fusionlab.splits.ties import Ties

SHARES = st.sampled_from([(0.8, 0.1, 0.1), (0.4, 0.3, 0.3), (0.9, 0.1, 0.0), (1.0, 0.0, 0.0)])
PLACES = [f"{task}/{dataset}/{i}" for task in ("ivf", "mff") for dataset in "ab" for i in range(6)]
BUNCHES = st.lists(
    st.lists(st.sampled_from(PLACES), min_size=2, max_size=4, unique=True).map(tuple), max_size=8
)
RULE = SplitRule()


def placed(scenes, bunches=(), standing=None, rule=RULE, labelled=None, named=None):
    ties = Ties([tuple(bunch) for bunch in bunches], named or {})
    return assign(standing or {}, scenes, ties, rule, frozenset(labelled or scenes))


def straddled(found, bunches):
    """The pairs that are tied and in two parts."""
    parts = {p: part for p, part in found.parts.items() if p not in found.torn}
    pairs = [pair for bunch in bunches for pair in combinations(bunch, 2)]
    return [(a, b) for a, b in pairs if parts.get(a, parts.get(b)) != parts.get(b, parts.get(a))]


@given(st.sets(st.sampled_from(PLACES)), st.sets(st.sampled_from(PLACES)), BUNCHES, BUNCHES, SHARES)
def test_additions_move_nothing_and_no_tie_is_cut(first, more, ties, later, shares):
    rule = SplitRule(shares=shares)
    before = placed(first, ties, rule=rule)
    assert not before.torn
    assert straddled(before, ties) == []
    assert set(before.parts) == first
    # every later tie has a new scene in it
    later = [bunch for bunch in later if set(bunch) - first]
    after = placed(first | more, [*ties, *later], before.parts, rule)
    assert {p: after.parts[p] for p in first - after.torn.keys()}.items() <= before.parts.items()
    assert straddled(after, [*ties, *later]) == []
    again = placed(first | more, [*ties, *later], after.parts | before.parts, rule)
    assert again.parts == after.parts
    assert not again.groups.keys() & before.parts.keys()


@given(st.sets(st.sampled_from(PLACES), min_size=1), BUNCHES, BUNCHES)
def test_ties_that_come_late_leave_scenes_out_and_move_none(scenes, ties, later):
    before = placed(scenes, ties)
    after = placed(scenes, [*ties, *later], before.parts)
    assert straddled(after, [*ties, *later]) == []
    assert after.groups == {}
    assert after.parts.items() <= before.parts.items()
    assert after.torn.keys() | after.parts.keys() == scenes
    # what is for test stays for test
    assert all(before.parts[place] != "test" for place in after.torn)


@given(st.sets(st.sampled_from(PLACES)), BUNCHES, st.randoms())
def test_neither_order_nor_repetition_matters(scenes, ties, random):
    found = placed(scenes, ties)
    shuffled = [tuple(random.sample(bunch, len(bunch))) for bunch in random.sample(ties, len(ties))]
    assert placed(random.sample(sorted(scenes), len(scenes)), shuffled * 2) == found


@given(st.sets(st.sampled_from(PLACES)))
def test_a_task_has_as_many_parts_as_it_has_groups(scenes):
    found = placed(scenes)
    for task in ("ivf", "mff"):
        mine = [part for place, part in found.parts.items() if place.startswith(task)]
        assert set(mine) >= set(PARTS[: len(mine)])


def test_shares_are_kept_on_average():
    scenes = [f"ivf/a/{i}" for i in range(2000)]
    found = placed(scenes).parts
    counts = {part: list(found.values()).count(part) for part in PARTS}
    assert 1540 <= counts["train"] <= 1660
    assert 150 <= counts["validation"] <= 250
    assert 150 <= counts["test"] <= 250
    assert {p for p in scenes if position(p) < 0.1} == {
        p for p, part in found.items() if part == "validation"
    }


def test_a_scene_between_two_parts_is_in_none_and_binds_nothing():
    stands = {"ivf/a/1": "train", "ivf/a/2": "test"}
    bridge = [("ivf/a/1", "ivf/a/3"), ("ivf/a/3", "ivf/a/2"), ("ivf/a/3", "ivf/a/4")]
    found = placed(["ivf/a/3", "ivf/a/4"], bridge, stands)
    assert found.torn == {"ivf/a/3": "is tied to ivf/a/1 (train) and ivf/a/2 (test)"}
    assert found.parts["ivf/a/4"] in PARTS  # the bridge is in no part: it can tell nobody anything


def test_new_scenes_that_tie_two_parts_together_over_each_other_are_in_none():
    stands = {"ivf/a/1": "train", "ivf/a/2": "validation"}
    chain = [("ivf/a/1", "ivf/a/3"), ("ivf/a/3", "ivf/a/4"), ("ivf/a/4", "ivf/a/2")]
    found = placed(["ivf/a/3", "ivf/a/4"], chain, stands)
    assert set(found.torn) == {"ivf/a/3", "ivf/a/4"}
    assert all("over others" in detail for detail in found.torn.values())


def test_new_scenes_go_where_their_kin_is():
    stands = {"ivf/a/1": "test"}
    found = placed([f"ivf/a/{i}" for i in range(2, 9)], [("ivf/a/1", "ivf/a/7")], stands)
    assert found.parts["ivf/a/7"] == "test"


def test_a_named_group_decides_by_its_name_so_that_an_earlier_slice_changes_nothing():
    named = {f"mif/ct/{i}": "mif/ct/patient" for i in range(5)}
    for count in range(2, 6):
        some = sorted(named)[5 - count :]
        groups = placed(some, [some], named=named).groups
        assert set(groups.values()) == {"mif/ct/patient"}


def test_what_is_named_for_test_takes_its_kin_along_but_none_that_stands():
    rule = SplitRule(test=("ivf/a", "mff/b/1"))
    ties = [("ivf/a/1", "ivf/b/1"), ("mff/b/1", "mff/b/2")]
    scenes = ["ivf/a/1", "ivf/a/2", "ivf/b/1", "mff/b/1", "mff/b/2"]
    found = placed(scenes, ties, rule=rule)
    assert set(found.parts.values()) == {"test"}
    stands = {"ivf/b/1": "train"}
    found = placed(scenes, ties, stands, rule)
    assert found.torn == {"ivf/a/1": "is tied to ivf/b/1 (train) and test by its name (test)"}
    assert found.parts["ivf/b/1"] == "train"


def test_a_scene_without_a_label_does_not_count_as_the_one_of_its_part():
    scenes = [f"ivf/a/{i}" for i in range(6)]
    drawn = placed(scenes).parts
    held_out = [place for place, part in drawn.items() if part == "validation"]
    found = placed(scenes, labelled=set(scenes) - set(held_out)).parts
    assert any(found[p] == "validation" for p in scenes if p not in held_out)


@pytest.mark.parametrize("part", PARTS)
def test_a_task_that_has_a_part_already_is_not_given_it_again(part):
    scenes = [f"ivf/a/{i}" for i in range(12)]
    drawn = [p for p in scenes if RULE.drawn(p) == "train"][:2]
    found = placed(drawn, standing={"ivf/a/old": part}, labelled=[*drawn, "ivf/a/old"])
    counts = [list(found.parts.values()).count(p) for p in PARTS]
    assert counts == [1, 1, 1]

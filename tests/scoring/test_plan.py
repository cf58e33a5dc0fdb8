"""What is missing, and how it is cut into tasks."""

from __future__ import annotations

from pathlib import Path

from helpers import make_lab

from fusionlab import metrics
from fusionlab.decoys import DECOYS
from fusionlab.scoring.plan import batches, plan_scenes, stamps_of
from fusionlab.scoring.run import score


def test_every_scene_with_two_sources_is_planned_with_its_decoys(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=3)
    plans = plan_scenes(lab.index("ivf", "toy"))
    assert [plan.scene for plan in plans] == ["s0", "s1", "s2"]
    names = [name for name, _ in plans[0].candidates]
    assert names[-4:] == list(DECOYS)
    assert [block.address.array for block in plans[0].sources] == ["source/ir", "source/vis"]


def test_a_scene_that_lost_a_source_is_not_planned(tmp_path: Path) -> None:
    index = make_lab(tmp_path, scenes=2).index("ivf", "toy")
    index = index[~((index["scene"] == "s0") & (index["name"] == "vis"))]
    assert [plan.scene for plan in plan_scenes(index)] == ["s1"]


def test_the_stamps_of_a_scored_table_are_those_of_its_plan(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=2)
    score(lab, ["EN", "SSIM"])
    wanted = metrics.resolve(["EN", "SSIM"])
    planned = {s for plan in plan_scenes(lab.index("ivf", "toy")) for s in plan.stamps(wanted)}
    assert set(stamps_of(lab.scores("ivf", "toy"))) == planned


def test_work_left_is_exactly_what_is_not_done(tmp_path: Path) -> None:
    (plan,) = plan_scenes(make_lab(tmp_path, scenes=1).index("ivf", "toy"))
    wanted = metrics.resolve(["EN", "SD"])
    stamps = list(plan.stamps(wanted))
    done = {
        s for s in stamps if s.method != "mean" and not (s.method == "sharp" and s.metric == "SD")
    }
    work = plan.missing(wanted, done)
    assert work is not None
    assert {c.method: c.metrics for c in work.candidates} == {
        "mean": ("EN", "SD"),
        "sharp": ("SD",),
    }
    assert plan.missing(wanted, set(stamps)) is None


def test_batches_keep_scenes_whole_and_lose_none(tmp_path: Path) -> None:
    plans = plan_scenes(make_lab(tmp_path, scenes=5).index("ivf", "toy"))
    works = [plan.missing(metrics.resolve(["EN"]), set()) for plan in plans]
    cut = list(batches(works, candidates=10))
    assert [[work.scene for work in batch] for batch in cut] == [["s0", "s1"], ["s2", "s3"], ["s4"]]

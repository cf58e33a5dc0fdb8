"""Studies: cells, tables, the figure, and that what is done is not done again."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from stage_examples import SETTINGS, curated
from training_examples import validated

from fusionlab.continual.matrix import MEASURES
from fusionlab.errors import LabError, UnknownNameError, UsageError
from fusionlab.lock import hold
from fusionlab.tables import read_note, read_table
from fusionlab.training.distributed import Workers
from fusionlab.training.figures import with_spread
from fusionlab.training.stages import Stages
from fusionlab.training.study import StudySettings, study

ORDERS = (("ivf", "mff"), ("mff", "ivf"))
STUDY = StudySettings(
    strategies=("naive", "replay", "joint", "single"), orders=ORDERS, stages=SETTINGS,
    exclude=("ivf/toy/s3",), scenes=1, side=None,
)  # fmt: skip


def run(folder, settings=STUDY, data=None, **more):
    workers = Workers(torch.device("cpu"))
    data = data or curated(size=(44, 46))
    return study(validated(data.examples, 2), settings, folder, workers, **more)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    folder, said, moved = tmp_path_factory.mktemp("study"), [], []
    report = run(
        folder,
        on_stage=lambda name, values: said.append((name, set(values.index))),
        on_progress=lambda done, total: moved.append((done, total)),
    )
    return folder, report, said, moved


def test_every_cell_has_all_tasks_after_every_stage(done):
    folder, report, _, _ = done
    results = read_table(folder / "forgetting.parquet")
    assert list(results) == ["strategy", "order", "seed", "stage", "task", "metric", "value"]
    psnr = results[results["metric"] == "PSNR"]
    counts = psnr.groupby("strategy").size().to_dict()
    assert counts == {"naive": 8, "replay": 8, "single": 8, "joint": 4}
    assert json.loads(read_note(folder / "forgetting.parquet"))["scenes"] == 1
    assert len(report.results) == len(results)


def test_stages_are_shared_and_told(done):
    folder, report, said, moved = done
    # two first stages, naive and replay after each, one joint
    assert (report.cells, report.stages, report.trained) == (8, 7, 7)
    assert len(list((folder / "stages").iterdir())) == 7
    assert report.steps == 6 * (2 + 4 + 2)
    assert [name for name, _ in said] == [
        "ivf, seed 0", "ivf > mff, seed 0", "mff, seed 0", "mff > ivf, seed 0",
        "ivf > mff, replay, seed 0", "mff > ivf, replay, seed 0", "ivf+mff, seed 0",
    ]  # fmt: skip
    assert all(tasks == {"ivf", "mff"} for _, tasks in said)
    assert moved[0] == (0, 48)
    assert moved[-1] == (48, 48)
    assert moved == sorted(moved)


def test_measures_follow_from_the_results(done):
    _, report, _, _ = done
    measured = report.measures
    keys = ["strategy", "order", "seed", "metric"]
    row = measured.set_index(keys).loc[("naive", "mff-ivf", 0, "PSNR")]
    psnr = report.results[report.results["metric"] == "PSNR"]
    mine = psnr[psnr["order"] == "mff-ivf"].set_index(["strategy", "stage", "task"])["value"]
    naive, joint, single = (mine[name].to_dict() for name in ("naive", "joint", "single"))
    assert row["average"] == pytest.approx((naive[2, "mff"] + naive[2, "ivf"]) / 2)
    assert row["bwt"] == pytest.approx(naive[2, "mff"] - naive[1, "mff"])
    gap = (joint[1, "mff"] + joint[1, "ivf"]) / 2 - row["average"]
    assert row["gap_joint"] == pytest.approx(gap)
    gap = (single[1, "mff"] + single[2, "ivf"]) / 2 - row["average"]
    assert row["gap_single"] == pytest.approx(gap)
    table = report.table.set_index(["strategy", "metric"])
    assert table.loc[("naive", "PSNR"), "cells"] == 2
    shown = report.shown()["PSNR"].set_index("strategy")
    assert "±" in shown.loc["naive", "average"]
    assert shown.loc["joint", "forgetting"] == "-"


def test_the_page_stands_alone(done):
    folder, _, _, _ = done
    page = (folder / "forgetting.html").read_text(encoding="utf-8")
    assert page.startswith("<!DOCTYPE html>")
    assert page.count('"type":"heatmap"') >= 5 * 8
    for word in ("PSNR", "Qabf", "mff-ivf", *MEASURES):
        assert word in page
    assert 'src="http' not in page


def test_a_second_run_trains_nothing_and_writes_the_same(done):
    folder, report, _, _ = done
    before = (folder / "forgetting.parquet").read_bytes()
    again = run(folder)
    assert (again.trained, again.steps) == (0, 0)
    assert (folder / "forgetting.parquet").read_bytes() == before
    pd.testing.assert_frame_equal(again.results, report.results)


def test_another_seed_trains_only_what_is_new(done, monkeypatch):
    folder, _, _, _ = done
    more = STUDY.model_copy(update={"seeds": (0, 1), "strategies": ("naive",)})
    plan = run(folder, more, dry_run=True)
    assert (plan.cells, plan.stages, plan.trained, plan.steps) == (4, 8, 4, 24)
    assert plan.results.empty
    monkeypatch.setattr(Stages, "train", None)
    assert run(folder, more.model_copy(update={"seeds": (0,)})).trained == 0


def test_a_dry_run_writes_nothing(tmp_path):
    report = run(tmp_path / "none", dry_run=True)
    assert report.learned == {"ivf": 2, "mff": 2}
    assert report.judged == {"ivf": 1, "mff": 1}  # of mff one of two
    assert not (tmp_path / "none").exists()
    assert json.dumps(report.as_dict())


def test_without_an_order_all_tasks_are_learned_in_the_usual_one(tmp_path):
    settings = STUDY.model_copy(update={"orders": (), "strategies": ("naive",)})
    data = curated(tasks=("mff", "ivf", "mef"))
    assert run(tmp_path, settings, data, dry_run=True).stages == 3


@pytest.mark.parametrize(
    ("change", "error", "says"),
    [
        ({"orders": (("ivf", "mff"), ("ivf",))}, UsageError, "order ivf: expected each of"),
        ({"orders": (("ivf", "ivf"),)}, UsageError, "order ivf-ivf"),
        ({"orders": (("ivf", "mef"),)}, UnknownNameError, "unknown task 'mef'"),
        ({"strategies": ("nave",)}, UnknownNameError, "Did you mean 'naive'"),
        ({"exclude": ("ivf/toy/s2", "ivf/toy/s3")}, UsageError, "no scene of ivf to judge by"),
    ],
)
def test_what_cannot_be_studied_is_said_before_anything_is_trained(tmp_path, change, error, says):
    with pytest.raises(error, match=says):
        run(tmp_path / "none", STUDY.model_copy(update=change))
    assert not (tmp_path / "none").exists()


def test_a_study_has_one_writer(tmp_path):
    with hold(tmp_path), pytest.raises(LabError, match="another fusionlab process"):
        run(tmp_path)


def test_numbers_with_their_spread():
    assert with_spread(1.23456, 0.5) == "1.235 ± 0.500"
    assert with_spread(1.23456, np.nan) == "1.235"
    assert with_spread(np.nan, np.nan) == "-"

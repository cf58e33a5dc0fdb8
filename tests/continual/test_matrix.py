"""What is left of old tasks, against numbers worked out by hand."""

import math

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fusionlab.continual import matrix
from fusionlab.continual.matrix import COLUMNS, MEASURES, measures, spread

R = [[10.0, 2.0, 1.0], [7.0, 12.0, 3.0], [6.0, 9.0, 20.0]]


def test_measures_of_a_matrix():
    assert matrix.average(R) == pytest.approx(35 / 3)
    assert matrix.backward_transfer(R) == pytest.approx((6 - 10 + 9 - 12) / 2)
    assert matrix.forgetting(R) == pytest.approx((10 - 6 + 12 - 9) / 2)
    assert matrix.gap(R, [11.0, 13.0, 20.0]) == pytest.approx((5 + 4 + 0) / 3)


def test_forgetting_is_from_the_best_stage_before_the_last():
    r = [[1.0, 5.0, 0.0], [4.0, 3.0, 0.0], [2.0, 1.0, 9.0]]
    assert matrix.forgetting(r) == pytest.approx(((4 - 2) + (5 - 1)) / 2)
    assert matrix.backward_transfer(r) == pytest.approx(((2 - 1) + (1 - 3)) / 2)


def test_one_task_has_nothing_to_forget():
    assert math.isnan(matrix.forgetting([[3.0]]))
    assert math.isnan(matrix.backward_transfer([[3.0]]))
    assert matrix.average([[3.0]]) == 3.0


@pytest.mark.parametrize("r", [[[1.0, 2.0]], [], [1.0]])
def test_a_matrix_that_is_not_square_is_an_error(r):
    with pytest.raises(ValueError, match="expected"):
        matrix.forgetting(r)


@given(st.lists(st.lists(st.floats(-50, 50), min_size=4, max_size=4), min_size=4, max_size=4))
def test_forgetting_is_at_least_what_was_lost_since_learning(rows):
    assert matrix.forgetting(rows) >= -matrix.backward_transfer(rows) - 1e-9


def cell(strategy, values, order="ivf-mif-mef", seed=0, metric="PSNR"):
    tasks = order.split("-")
    return [
        (strategy, order, seed, stage, task, metric, value)
        for stage, row in enumerate(values, start=1)
        for task, value in zip(tasks, row, strict=True)
    ]


def frame(*cells):
    return pd.DataFrame([row for rows in cells for row in rows], columns=list(COLUMNS))


def test_every_cell_is_measured_against_joint_and_single_of_its_order_and_seed():
    alone = [[11.0, 0, 0], [0, 13.0, 0], [0, 0, 20.0]]
    results = frame(
        cell("naive", R), cell("joint", [[12.0, 14.0, 22.0]]), cell("single", alone),
        cell("naive", np.add(R, 1), seed=1),
    )  # fmt: skip
    found = measures(results).set_index(["strategy", "seed"])
    row = found.loc["naive", 0]
    assert row["average"] == pytest.approx(matrix.average(R))
    assert row["forgetting"] == pytest.approx(matrix.forgetting(R))
    assert row["bwt"] == pytest.approx(matrix.backward_transfer(R))
    assert row["gap_joint"] == pytest.approx(13 / 3)
    assert row["gap_single"] == pytest.approx(matrix.gap(R, [11, 13, 20]))
    assert np.isnan(found.loc["naive", 1]["gap_joint"])
    joint, single = found.loc["joint", 0], found.loc["single", 0]
    assert (joint["average"], joint["gap_joint"]) == (16, 0)
    assert joint["gap_single"] == pytest.approx(-4 / 3)
    assert single["average"] == pytest.approx(44 / 3)
    assert np.isnan([joint["forgetting"], single["forgetting"], single["bwt"]]).all()


def test_columns_follow_the_order_of_learning_not_the_alphabet():
    results = frame(cell("naive", [[5.0, 1.0], [2.0, 8.0]], order="mff-ivf"))
    assert measures(results).loc[0, "forgetting"] == 3.0
    ((key, r),) = matrix.matrices(results.sample(frac=1, random_state=0)).items()
    assert key == ("naive", "mff-ivf", 0, "PSNR")
    assert r.tolist() == [[5, 1], [2, 8]]


def test_metrics_are_apart_and_a_cell_that_is_not_done_has_no_forgetting():
    results = frame(cell("ewc", R[:2]), cell("ewc", R, metric="SSIM"))
    found = measures(results).set_index("metric")
    assert np.isnan(found.loc["PSNR", "forgetting"])
    assert found.loc["PSNR", "average"] == pytest.approx(22 / 3)
    assert found.loc["SSIM", "forgetting"] == pytest.approx(3.5)


def test_a_task_without_a_value_is_not_a_number():
    results = frame(cell("naive", [[5.0, 1.0], [2.0, 8.0]], order="mff-ivf", metric="VIF"))
    found = measures(results[results["task"] == "mff"])
    assert np.isnan(found.loc[0, "average"])
    assert found.loc[0, "forgetting"] == 3.0


def test_spread_is_mean_and_deviation_over_cells():
    results = frame(cell("naive", R), cell("naive", np.add(R, 3), seed=1), cell("ewc", R))
    found = spread(measures(results)).set_index("strategy")
    assert found.loc["naive", "cells"] == 2
    assert found.loc["naive", "average"] == pytest.approx(35 / 3 + 1.5)
    assert found.loc["naive", "average_sd"] == pytest.approx(3 / math.sqrt(2))
    assert np.isnan(found.loc["ewc", "average_sd"])
    assert [c for c in found if c in MEASURES] == list(MEASURES)

"""Ranks among candidates: ties, directions, what is missing, and nobody but oneself."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fusionlab.evaluation.field import Field
from fusionlab.evaluation.ranking import Ranks
from fusionlab.evaluation.ranking import rank_all as rank_in

NAN = float("nan")


def a_field(candidates: dict[str, tuple[float, ...]], metrics: tuple[str, ...]) -> Field:
    index = pd.MultiIndex.from_tuples([("s", m) for m in candidates], names=["scene", "method"])
    scores = pd.DataFrame(list(candidates.values()), index, list(metrics), dtype=float)
    return Field("ivf", "toy", pd.DataFrame(), {}, dict.fromkeys(metrics, "seen"), scores, None)


def entered(images: dict[str, tuple[float, ...]], metrics: tuple[str, ...]) -> pd.DataFrame:
    keys = [("s", name, "lossless") for name in images]
    index = pd.MultiIndex.from_tuples(keys, names=["scene", "method", "form"])
    return pd.DataFrame(list(images.values()), index, list(metrics), dtype=float)


def rank_all(field: Field, images: pd.DataFrame) -> Ranks:
    return rank_in(field, images, {"s"})


def rank_of(ranks: Ranks, method: str) -> float:
    return float(ranks.scenes.set_index("method")["rank"][method])


def test_ranks_of_one_metric_by_hand():
    field = a_field({"x": (3.0,), "y": (2.0,), "z": (1.0,), "decoy:mean": (9.0,)}, ("EN",))
    values = {"run:top": (4.0,), "run:tie": (2.0,), "run:last": (0.0,), "run:none": (NAN,)}
    ranks = rank_all(field, entered(values, ("EN",)))
    found = dict(ranks.scenes[["method", "rank"]].itertuples(index=False))
    assert found == {
        "x": 1,
        "y": 2,
        "z": 3,
        "decoy:mean": 1,
        "run:top": 1,
        "run:tie": 2.5,
        "run:last": 4,
        "run:none": 4,
    }
    rivals = dict(ranks.scenes[["method", "rivals"]].itertuples(index=False))
    assert (rivals["x"], rivals["decoy:mean"], rivals["run:tie"]) == (2, 3, 3)
    wins = dict(ranks.scenes[["method", "wins"]].itertuples(index=False))
    assert [m for m, won in wins.items() if won] == ["x", "decoy:mean", "run:top"]
    theirs = ranks.entered.set_index(["method", "candidate"])["theirs"]
    assert theirs["run:top"].tolist() == [2, 3, 4]
    assert theirs["run:tie"].tolist() == [1, 2.5, 4]
    assert theirs["run:last"].tolist() == [1, 2, 3]


def test_less_is_better_where_it_is_and_metrics_are_averaged():
    field = a_field({"x": (1.0, 0.1), "y": (2.0, 0.2)}, ("EN", "Nabf"))
    ranks = rank_all(field, entered({"run:a": (3.0, 0.15)}, ("EN", "Nabf")))
    assert rank_of(ranks, "run:a") == (1 + 2) / 2
    assert ranks.metrics.set_index(["method", "metric"])["rank"]["x", "Nabf"] == 1
    assert set(ranks.scenes["metrics"]) == {2}


def test_a_candidate_without_a_number_is_last_and_a_metric_without_any_does_not_count():
    field = a_field({"x": (1.0, NAN), "y": (NAN, NAN)}, ("EN", "SD"))
    ranks = rank_all(field, entered({"run:a": (0.5, 7.0)}, ("EN", "SD")))
    assert rank_of(ranks, "run:a") == 2
    assert set(ranks.scenes["metrics"]) == {1}


def test_infinite_values_are_numbers():
    field = a_field({"x": (np.inf,), "y": (1.0,)}, ("PSNR",))
    ranks = rank_all(field, entered({"run:a": (np.inf,)}, ("PSNR",)))
    assert rank_of(ranks, "run:a") == 1.5


def test_one_candidate_alone_is_first():
    ranks = rank_all(a_field({"x": (1.0,)}, ("EN",)), entered({"run:a": (0.0,)}, ("EN",)))
    assert (rank_of(ranks, "x"), rank_of(ranks, "run:a")) == (1, 2)
    assert ranks.scenes.set_index("method")["wins"].to_dict() == {"x": True, "run:a": False}


levels = st.integers(0, 3).map(float)


@settings(max_examples=25)
@given(st.lists(levels, min_size=1, max_size=6), levels, st.lists(levels, max_size=3))
def test_an_entrant_does_not_see_the_others_and_a_copy_ties(candidates, own, others):
    field = a_field({f"c{i}": (v,) for i, v in enumerate(candidates)}, ("EN",))
    alone = rank_all(field, entered({"run:a": (own,)}, ("EN",)))
    more = {"run:a": (own,), **{f"run:{i}": (v,) for i, v in enumerate(others)}}
    assert rank_of(rank_all(field, entered(more, ("EN",))), "run:a") == rank_of(alone, "run:a")
    place = alone.entered["theirs"].sum() + rank_of(alone, "run:a")
    count = len(candidates) + 1
    assert place == pytest.approx(count * (count + 1) / 2)
    copy = rank_all(field, entered({"run:a": (candidates[0],)}, ("EN",)))
    assert rank_of(copy, "run:a") == rank_of(copy, "c0") + 0.5

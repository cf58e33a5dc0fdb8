"""The audit's frames count what is in the tables."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import METHODS, make_lab

from fusionlab import audit
from fusionlab.decoys import DECOYS
from fusionlab.errors import LabError, UnknownNameError
from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import load_policy, select


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    made = make_lab(tmp_path_factory.mktemp("audit"), scenes=5, reference=True)
    score(made)
    select(made, load_policy("fusionfm"), "first")
    return made


def test_wins_add_up_and_losers_are_listed(lab: Lab) -> None:
    wins = audit.wins(lab)
    assert set(wins["method"]) == set(METHODS)
    assert wins["wins"].sum() == 5
    assert (wins["entered"] == 5).all()
    assert wins["share"].tolist() == [w / 5 for w in wins["wins"]]
    assert wins["wins"].is_monotonic_decreasing


def test_margins_begin_with_the_least_certain(lab: Lab) -> None:
    margins = audit.margins(lab, "first")
    assert len(margins) == 5
    assert margins["margin"].is_monotonic_increasing


def test_certainty_sums_the_margins(lab: Lab) -> None:
    (row,) = audit.certainty(lab).to_dict("records")
    margins = audit.margins(lab)["margin"]
    assert (row["task"], row["labels"]) == ("ivf", 5)
    assert row["margin_median"] == pytest.approx(margins.median())


def test_decoys_are_counted_by_task(lab: Lab) -> None:
    decoys = audit.decoys(lab)
    labels = lab.labels("first")
    assert decoys["decoy"].tolist() == list(DECOYS)
    for row in decoys.to_dict("records"):
        assert row["would_win"] == (labels["decoy"] == row["decoy"]).sum()
        assert row["scenes"] == 5


def test_truth_compares_label_mean_and_best(lab: Lab) -> None:
    truth = audit.truth(lab)
    assert len(truth) == 5
    assert (truth["best_method"] == "mean").all()  # in this data set the mean is the truth
    assert (truth["regret"] >= 0).all() or truth["regret"].isna().any()
    chosen = truth["chosen"].where(truth["method"] != "mean")
    assert (chosen.dropna() < 60).all()


def test_without_a_truth_the_frame_is_empty_with_its_columns(tmp_path: Path) -> None:
    made = make_lab(tmp_path, scenes=1)
    score(made)
    select(made, load_policy("fusionfm"), "x")
    truth = audit.truth(made)
    assert truth.empty
    assert {"chosen", "mean", "best", "best_method", "regret"} <= set(truth.columns)


def test_rejects_are_grouped_by_reason(tmp_path: Path) -> None:
    from fusionlab.ingest import ingest, load_manifest

    made = make_lab(tmp_path, scenes=2)
    for scene in ("s0", "s1"):
        (tmp_path / f"images/toy/out/mean/{scene}.png").write_bytes(b"")
    (tmp_path / "images/toy/stray.png").write_bytes(b"x")
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), made)
    counts = audit.rejects(made).set_index("reason")["count"].to_dict()
    assert counts == {"empty_file": 2, "unmatched_file": 1}


def test_paths_and_names_that_are_not_there(lab: Lab, tmp_path: Path) -> None:
    with pytest.raises(LabError, match="fusionlab ingest"):
        audit.wins(tmp_path)
    with pytest.raises(UnknownNameError, match="Did you mean 'first'"):
        audit.wins(lab.path, "fisrt")
    fresh = make_lab(tmp_path, scenes=1)
    with pytest.raises(LabError, match="fusionlab select"):
        audit.margins(fresh)


def test_a_name_is_needed_where_there_are_several(tmp_path: Path) -> None:
    made = make_lab(tmp_path, scenes=1)
    score(made)
    for name in ("a", "b"):
        select(made, load_policy("fusionfm"), name)
    with pytest.raises(LabError, match="several labels sets, name one: a, b"):
        audit.wins(made)
    assert len(audit.wins(made, "b")) == len(METHODS)

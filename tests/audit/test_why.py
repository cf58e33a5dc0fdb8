"""Why this label? The answer adds up."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from helpers import METHODS, make_lab, write_dataset

from fusionlab import audit
from fusionlab.decoys import DECOYS
from fusionlab.errors import LabError, UnknownNameError
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import Policy, load_policy, select


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    folder = tmp_path_factory.mktemp("why")
    made = make_lab(folder, scenes=3)
    ingest(*load_manifest(write_dataset(folder / "other", dataset="other", scenes=1)), made)
    score(made)
    select(made, load_policy("fusionfm"), "first")
    return made


def test_every_candidate_and_decoy_with_value_and_place(lab: Lab) -> None:
    found = audit.why("s1", lab)
    assert set(found.table["method"]) == {*METHODS, *DECOYS}
    places = found.table.dropna(subset="place")
    assert places["place"].tolist() == [1, 2, 3, 4]
    assert places.iloc[0]["method"] == found.method
    scores = lab.scores("ivf", "toy").set_index(["scene", "method", "metric"])["value"]
    for row in found.table.to_dict("records"):
        assert row["VIF"] == scores["s1", row["method"], "VIF"] or row["VIF"] != row["VIF"]


def test_the_reasons_add_up_to_the_lead(lab: Lab) -> None:
    found = audit.why("s2", lab)
    lead = float(re.search(r"a lead of ([0-9.]+)", found.reasons[0])[1])
    parts = [float(x) for x in re.findall(r"[A-Za-z]+ ([+-][0-9.]+\d)", found.reasons[0])]
    assert len(parts) == 5
    assert sum(parts) == pytest.approx(lead, abs=5e-4)
    label = lab.labels("first").set_index(["dataset", "scene"]).loc[("toy", "s2")]
    assert lead == pytest.approx(label["margin"], abs=5e-5)


def test_a_tie_and_a_lone_candidate_say_so(tmp_path: Path) -> None:
    made = make_lab(tmp_path, scenes=1, methods=("mean",))
    score(made)
    select(made, load_policy("fusionfm"), "x")
    assert audit.why("s0", made).reasons[0] == "mean is the only candidate."
    (tmp_path / "images/toy/out/twin").mkdir()
    twin = tmp_path / "images/toy/out/twin/s0.png"
    twin.write_bytes((tmp_path / "images/toy/out/mean/s0.png").read_bytes())
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), made)
    score(made)
    select(made, load_policy("fusionfm"), "x")
    assert "a tie" in audit.why("s0", made).reasons[0]


def test_a_decoy_that_would_have_won_is_named(tmp_path: Path) -> None:
    made = make_lab(tmp_path, scenes=1, methods=("noisy",))
    score(made)
    select(made, Policy(name="t", version=1, weights={"ivf": {"SSIM": 1}}), "x")
    assert "decoy:mean would have beaten every candidate" in audit.why("s0", made).reasons[-1]


def test_scene_names_long_short_ambiguous_unknown(lab: Lab) -> None:
    assert audit.why("ivf/toy/s0", lab).dataset == "toy"
    assert audit.why("other/s0", lab).dataset == "other"
    with pytest.raises(LabError, match="ivf/other/s0, ivf/toy/s0"):
        audit.why("s0", lab)
    with pytest.raises(UnknownNameError, match="unknown scene 's9'"):
        audit.why("s9", lab)


def test_scores_that_changed_since_are_noticed(tmp_path: Path) -> None:
    made = make_lab(tmp_path, scenes=1)
    score(made)
    select(made, load_policy("fusionfm"), "x")
    winner = audit.why("s0", made).method
    (tmp_path / f"images/toy/out/{winner}/s0.png").unlink()
    ingest(*load_manifest(tmp_path / "images/toy.yaml"), made, prune=True)
    score(made)
    with pytest.raises(LabError, match="select again"):
        audit.why("s0", made)

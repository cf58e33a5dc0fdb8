"""Fingerprints and families in the audit and in the answer to why."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import make_lab
from typer.testing import CliRunner

from fusionlab import audit
from fusionlab.cli import app
from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import Policy, select


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    made = make_lab(tmp_path_factory.mktemp("marks"), scenes=4)
    score(made, ["EN"])
    index = made.index("ivf", "toy")
    name, scene = index["name"], index["scene"]
    index[["flags", "family"]] = ""
    index.loc[name == "sharp", "flags"] = "clipped"
    index.loc[(name == "mean") & (scene == "s0"), "flags"] = "clipped,soft"
    index.loc[name == "vis", "flags"] = "jpeg"
    index.loc[name.isin(["mean", "noisy"]) & (scene != "s3"), "family"] = "mean"
    made.write_index("ivf", "toy", index)
    rule = Policy(
        name="t",
        version=1,
        weights={"ivf": {"EN": 1}},
        exclude=("soft",),
        penalise={"clipped": 2.0},
        families="share",
    )
    select(made, rule, "first")
    return made


def test_fingerprints_are_counted_by_data_set_role_and_flag(lab: Lab) -> None:
    rows = audit.fingerprints(lab).to_dict("records")
    found = [(r["role"], r["flag"], r["count"], r["share"], r["examples"]) for r in rows]
    assert found == [
        ("method", "clipped", 5, 5 / 16, "sharp mean"),
        ("method", "soft", 1, 1 / 16, "mean"),
        ("source", "jpeg", 4, 4 / 8, "vis"),
    ]


def test_families_are_counted_by_their_members(lab: Lab) -> None:
    (row,) = audit.families(lab).to_dict("records")
    assert (row["members"], row["size"], row["scenes"]) == ("mean noisy", 2, 3)


def test_a_lab_without_marks_gives_empty_frames_with_columns(tmp_path: Path) -> None:
    # A source has no candidates to be kin of; what ingest may find in them is not at issue here.
    made = make_lab(tmp_path, scenes=1, methods=())
    index = made.index("ivf", "toy")
    index[["flags", "family"]] = ""
    made.write_index("ivf", "toy", index)
    assert audit.fingerprints(made).empty
    assert audit.families(made).empty
    assert {"flag", "count", "share", "examples"} <= set(audit.fingerprints(made).columns)
    assert {"members", "size", "scenes"} <= set(audit.families(made).columns)


def test_an_empty_lab_has_no_marks(tmp_path: Path) -> None:
    made = Lab.create(tmp_path / "lab")
    assert audit.fingerprints(made).empty
    assert audit.families(made).empty


def test_all_frames_hold_both(lab: Lab) -> None:
    frames = audit.all_frames(lab)
    assert frames["fingerprints"].equals(audit.fingerprints(lab))
    assert frames["families"].equals(audit.families(lab))


def test_why_shows_flags_families_penalties_and_who_was_left_out(lab: Lab) -> None:
    found = audit.why("s0", lab)
    table = found.table.set_index("method")
    assert table.loc["sharp", "flags"] == "clipped"
    assert table.loc["sharp", "penalty"] == 2.0
    assert table.loc["noisy", "family"] == "mean"
    assert table.loc["mean", ["place", "total"]].isna().all()
    assert "Turned away by the policy: mean (soft)." in found.reasons
    assert {"flags", "family"} <= set(found.readable().columns)
    assert found.as_dict()["candidates"][0]["flags"] == ""


def test_a_penalty_is_part_of_the_lead(lab: Lab) -> None:
    made = Policy(name="p", version=1, weights={"ivf": {"EN": 1}}, penalise={"clipped": 0.25})
    index = lab.index("ivf", "toy")
    select(lab, made, "second")
    first = audit.why("s1", lab, "second")
    assert first.policy.penalise == {"clipped": 0.25}
    lead = first.table["total"].iloc[0] - first.table["total"].iloc[1]
    assert f"a lead of {lead:.4f}" in first.reasons[0]
    assert lab.index("ivf", "toy").equals(index)


def test_the_command_shows_both(lab: Lab) -> None:
    shown = CliRunner().invoke(app, ["audit", "--lab", str(lab.path), "--labels", "first"])
    assert shown.exit_code == 0
    assert "Fingerprints" in shown.output
    assert "mean noisy" in shown.output

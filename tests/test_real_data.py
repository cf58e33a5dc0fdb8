"""The whole way on real data: every data set that has sources and methods."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusionlab.cli import app

MANIFESTS = Path(__file__).parents[1] / "manifests"


@pytest.mark.slow
def test_all_manifests_through_ingest_score_select_and_audit(shared: Path, tmp_path: Path) -> None:
    lab = tmp_path / "lab"

    def run(*arguments: object) -> object:
        result = CliRunner().invoke(app, [*map(str, arguments), "--lab", str(lab), "--json"])
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    reports = []
    for manifest in sorted(MANIFESTS.glob("*.yaml")):
        root = next((shared / "data").glob(f"*/{manifest.stem}"))
        reports.append(run("ingest", manifest, "--root", root))
    stored = {f"{r['task']}/{r['dataset']}": r["added"] for r in reports}
    assert stored["ivf/vifb"] == 12 * 2 + 12 * 25
    assert stored["mff/lytro"] == 6 * 2 + 6 * 35

    scored = run("score")
    assert scored["rejected"] == {}
    assert scored["nan"] == {}
    selected = run("select", "--name", "all")
    frames = run("audit")

    usable = sum(r["scenes"] for r in reports)
    assert selected["labels"] + selected["unlabelled"] == usable == scored["scenes"]
    assert {row["task"] for row in frames["wins"]} == {"ivf", "mif", "mef", "mff"}
    assert sum(row["wins"] for row in frames["wins"]) == selected["labels"]
    ingest_rejects = sum(row["count"] for row in frames["rejects"] if row["stage"] == "ingest")
    assert ingest_rejects == sum(sum(r["rejected"].values()) for r in reports)
    assert [row["dataset"] for row in frames["truth"]] == ["gray_synth"] * 3
    why = run("why", "carLight")
    assert len(why["candidates"]) == 25 + 3

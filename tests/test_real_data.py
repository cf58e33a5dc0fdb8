"""The whole way on real data: every data set that has sources and methods."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from fusionlab.cli import app
from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab
from fusionlab.scoring import score
from fusionlab.selection import load_policy
from fusionlab.selection.choose import choose
from fusionlab.validation import validate

MANIFESTS = Path(__file__).parents[1] / "benchmarks" / "manifests"


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

    scored = run("score", "--metrics", "EN,SD,SSIM,Qabf,VIF,PSNR_ref")
    assert scored["rejected"] == {}
    assert scored["nan"] == {}
    selected = run("select", "--policy", "fusionfm", "--name", "all")
    frames = run("audit")

    usable = sum(r["scenes"] for r in reports)
    assert selected["labels"] + selected["unlabelled"] == usable == scored["scenes"]
    assert {row["task"] for row in frames["wins"]} == {"ivf", "mif", "mef", "mff"}
    assert sum(row["wins"] for row in frames["wins"]) == selected["labels"]
    ingest_rejects = sum(row["count"] for row in frames["rejects"] if row["stage"] == "ingest")
    assert ingest_rejects == sum(sum(r["rejected"].values()) for r in reports)
    assert [row["dataset"] for row in frames["truth"]] == ["gray_synth"] * 3
    why = run("why", "carLight")
    assert len(why["candidates"]) == 25 + 4


@pytest.mark.slow
def test_robust_against_opinions_and_truths(shared: Path, tmp_path: Path) -> None:
    """What docs/validation.md says of the default policy, on the data sets whose truth is known."""
    lab = Lab.create(tmp_path / "lab")
    for name in ("mefdb", "gray_synth"):
        root = next((shared / "data").glob(f"*/{name}"))
        ingest(*load_manifest(MANIFESTS / f"{name}.yaml", root), lab)
    score(lab)
    robust, usual = load_policy("robust"), load_policy("fusionfm")
    found = validate(lab, [robust, usual], against=usual, trials=False)
    regret = found.choices.groupby(["dataset", "policy"])["regret"].mean()
    assert regret["mefdb", "robust"] < 0.35 < 0.75 < regret["mefdb", "fusionfm"]
    assert regret["gray_synth", "robust"] == 0.0
    assert regret["gray_synth", "fusionfm"] > 5.0
    order = found.choices[found.choices["policy"] == "robust"].groupby("dataset")["spearman"]
    assert order.mean()["mefdb"] >= 0.85
    labels = [choose(lab, robust, *key).labels for key in lab.datasets()]
    assert all((frame["decoy"] == "").all() for frame in labels)

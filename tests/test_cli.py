"""The command line: exit codes, JSON, help that teaches, errors that say what to do."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
from helpers import METHODS, make_lab, tree_bytes, write_dataset
from typer.testing import CliRunner, Result

from fusionlab import metrics
from fusionlab.cli import app
from fusionlab.images import luminance, read_image
from fusionlab.lab import Lab

COMMANDS = {
    "init": {"--out", "--task", "--name", "--each", "--force", "--dry-run", "--json"},
    "ingest": {
        "--lab",
        "--root",
        "--match",
        "--align",
        "--keep-displaced",
        "--workers",
        "--force",
        "--prune",
        "--list",
        "--dry-run",
        "--json",
    },
    "baselines": {
        "--lab",
        "--methods",
        "--command",
        "--commands",
        "--task",
        "--dataset",
        "--prefix",
        "--drop",
        "--list",
        "--workers",
        "--scheduler",
        "--dry-run",
        "--json",
    },
    "score": {
        "--lab",
        "--metrics",
        "--task",
        "--dataset",
        "--split",
        "--workers",
        "--scheduler",
        "--device",
        "--tiles",
        "--dry-run",
        "--json",
    },
    "select": {
        "--name",
        "--lab",
        "--policy",
        "--normalise",
        "--top",
        "--split",
        "--test",
        "--resplit",
        "--task",
        "--dataset",
        "--dry-run",
        "--json",
    },
    "mosaic": {
        "--labels",
        "--name",
        "--lab",
        "--lead",
        "--smooth",
        "--margin",
        "--workers",
        "--dry-run",
        "--json",
    },
    "probes": {
        "--labels",
        "--lab",
        "--name",
        "--task",
        "--steps",
        "--patch",
        "--seed",
        "--device",
        "--json",
    },
    "refine": {
        "--labels",
        "--as",
        "--lab",
        "--tasks",
        "--way",
        "--margin",
        "--workers",
        "--dry-run",
        "--json",
    },
    "train": {
        "--as",
        "--labels",
        "--lab",
        "--data",
        "--out",
        "--tasks",
        "--exclude",
        "--config",
        "--objective",
        "--network",
        "--steps",
        "--batch",
        "--patch",
        "--seed",
        "--device",
        "--compile",
        "--tensorboard",
        "--dry-run",
        "--json",
    },
    "export": {"--labels", "--out", "--lab", "--tasks", "--workers", "--dry-run", "--json"},
    "audit": {"--lab", "--labels", "--csv", "--parquet", "--html", "--workers", "--json"},
    "why": {"--lab", "--labels", "--json"},
    "diff": {"--lab", "--csv", "--json"},
    "evaluate": {
        "--lab",
        "--runs",
        "--labels",
        "--datasets",
        "--metrics",
        "--steps",
        "--device",
        "--seen-scenes",
        "--html",
        "--workers",
        "--dry-run",
        "--json",
    },
    "override": {
        "--because",
        "--lab",
        "--by",
        "--accept",
        "--veto",
        "--withdraw",
        "--labels",
        "--dry-run",
        "--json",
    },
    "overrides": {"--lab", "--history", "--csv", "--json"},
    "review": {"--lab", "--labels", "--by", "--port", "--no-browser", "--json"},
    "fuse": {
        "--a",
        "--b",
        "--out",
        "--source",
        "--task",
        "--steps",
        "--solver",
        "--tile",
        "--device",
        "--overwrite",
        "--dry-run",
        "--json",
    },
    "onnx": {"--out", "--steps", "--solver", "--json"},
    "info": {"--lab", "--json"},
    "doctor": {"--lab", "--json"},
    "verify": {"--lab", "--workers", "--json"},
    "pack": {"--out", "--lab", "--workers", "--dry-run", "--json"},
    "measure": {
        "--metrics",
        "--preset",
        "--reference",
        "--data-range",
        "--out",
        "--workers",
        "--json",
    },
    "metrics": {"--presets", "--json"},
    "policies": {"--json"},
    "policies show": {"--json"},
    "policies population": {"--out", "--lab", "--policy", "--json"},
    "policies fit": {
        "--task",
        "--out",
        "--lab",
        "--policy",
        "--truth",
        "--dataset",
        "--goal",
        "--json",
    },
    "validate": {
        "--lab",
        "--policy",
        "--against",
        "--task",
        "--dataset",
        "--no-trials",
        "--csv",
        "--parquet",
        "--workers",
        "--json",
    },
    "continual": {
        "--labels",
        "--lab",
        "--data",
        "--config",
        "--strategies",
        "--orders",
        "--seeds",
        "--steps-per-task",
        "--network",
        "--objective",
        "--batch",
        "--patch",
        "--ewc-weight",
        "--ewc-shape",
        "--replay-share",
        "--replay-patches",
        "--replay-megabytes",
        "--replay-sampling",
        "--exclude",
        "--scenes",
        "--out",
        "--csv",
        "--device",
        "--dry-run",
        "--json",
    },
    "run": {"--from", "--until", "--set", "--list", "--dry-run", "--json"},
    "demo": {"--images-only", "--json"},
}


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, [str(a) for a in arguments])


def run_json(*arguments: object) -> object:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    made = make_lab(tmp_path_factory.mktemp("cli"), scenes=3, reference=True)
    assert run("score", "--lab", made.path).exit_code == 0
    assert (
        run("select", "--lab", made.path, "--policy", "fusionfm", "--name", "first").exit_code == 0
    )
    return made


def test_the_surface_is_what_is_documented() -> None:
    found = {
        name: {o for p in command.params for o in p.opts if o.startswith("--")} - {"--help"}
        for name, command in commands(typer.main.get_command(app))
    }
    assert found == COMMANDS


def test_the_default_margin_of_refine_is_that_of_the_gate() -> None:
    from fusionlab.refine.gate import BEYOND

    parameters = typer.main.get_command(app).commands["refine"].params
    assert [p.default for p in parameters if p.name == "margin"] == [BEYOND]


def commands(group: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """Every command with its full name, those of groups after the group."""
    for name, command in group.commands.items():
        yield f"{prefix}{name}", command
        if hasattr(command, "commands"):
            yield from commands(command, f"{prefix}{name} ")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_every_command_has_words_for_every_option(command: str) -> None:
    result = run(*command.split(), "--help")
    assert result.exit_code == 0
    for option in COMMANDS[command]:
        assert option in result.output


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys\nfrom typer.testing import CliRunner\nfrom fusionlab.cli import app\n"
        "assert CliRunner().invoke(app, ['--help']).exit_code == 0\n"
        "print(*{'torch','dask','distributed','zarr','pandas','numpy','numba','cv2','pyarrow',"
        "'pydantic','yaml','starlette','uvicorn'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == []


def test_three_commands_from_folders_to_labels(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path)
    folder = tmp_path / "lab"
    assert run("ingest", manifest, "--lab", folder).exit_code == 0
    assert run("score", "--lab", folder).exit_code == 0
    assert run("select", "--lab", folder, "--policy", "fusionfm", "--name", "first").exit_code == 0
    labels = pd.read_parquet(folder / "labels" / "first.parquet")
    assert labels["scene"].tolist() == ["s0", "s1", "s2"]


def test_ingest_json_counts_and_root_overrides(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path / "here")
    moved = tmp_path / "elsewhere"
    (tmp_path / "here" / "toy").rename(moved)
    refused = run("ingest", manifest, "--lab", tmp_path / "lab")
    assert refused.exit_code == 2
    assert "--root" in refused.output
    report = run_json("ingest", manifest, "--lab", tmp_path / "lab", "--root", moved)
    assert (report["scenes"], report["methods"], report["added"]) == (3, len(METHODS), 18)


def test_dry_runs_write_nothing(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path)
    report = run_json("ingest", manifest, "--lab", tmp_path / "lab", "--dry-run")
    assert (report["scenes"], report["files"]) == (3, 18)
    assert not (tmp_path / "lab").exists()
    run("ingest", manifest, "--lab", tmp_path / "lab")
    before = tree_bytes(tmp_path / "lab")
    assert run_json("score", "--lab", tmp_path / "lab", "--dry-run")["to_measure"] == 24
    assert tree_bytes(tmp_path / "lab") == before


def test_tiles_are_scored_where_they_are_asked_for(tmp_path: Path) -> None:
    made = make_lab(tmp_path, scenes=1, size=(70, 130))
    counted = run_json("score", "--lab", made.path, "--metrics", "EN", "--tiles", "--dry-run")
    assert counted["to_measure"] == counted["tiles"]["to_measure"] == 8
    report = run_json("score", "--lab", made.path, "--metrics", "EN", "--tiles")
    assert report["measured"] == report["tiles"]["measured"] == 8
    assert len(made.scores("ivf", "toy")) == 8
    assert len(made.tiles("ivf", "toy")) == 16
    shown = run("score", "--lab", made.path, "--metrics", "EN", "--tiles")
    assert [line.split()[-1] for line in shown.output.splitlines() if "measured" in line] == [
        "0"
    ] * 2


def test_audit_json_and_tables(lab: Lab, tmp_path: Path) -> None:
    frames = run_json("audit", "--lab", lab.path)
    assert set(frames) == {
        "wins",
        "margins",
        "certainty",
        "decoys",
        "truth",
        "fingerprints",
        "families",
        "rejects",
        "rank_distribution",
        "critical_difference",
        "agreement_metrics",
        "agreement_methods",
        "coverage",
        "guards",
        "refinements",
    }
    assert sum(row["wins"] for row in frames["wins"]) == 3
    result = run("audit", "--lab", lab.path, "--csv", tmp_path / "c", "--parquet", tmp_path / "p")
    assert result.exit_code == 0
    for title in ("Wins by task and method", "ten least certain", "Decoys", "known truth"):
        assert title in result.output
    for name in frames:
        assert len(pd.read_csv(tmp_path / "c" / f"{name}.csv")) == len(frames[name])
        assert len(pd.read_parquet(tmp_path / "p" / f"{name}.parquet")) == len(frames[name])


def test_why_shows_every_candidate_and_the_reason(lab: Lab) -> None:
    shown = run("why", "s1", "--lab", lab.path)
    assert shown.exit_code == 0
    for method in (*METHODS, "decoy:mean"):
        assert method in shown.output
    answer = run_json("why", "s1", "--lab", lab.path)
    assert answer["method"] in METHODS
    assert len(answer["candidates"]) == len(METHODS) + 4
    assert answer["candidates"][-1]["place"] is None
    assert answer["reasons"][0] in shown.output.replace("\n", "") or "lead" in answer["reasons"][0]


def test_override_and_overrides(tmp_path: Path) -> None:
    made = make_lab(tmp_path, scenes=2)
    run("score", "--lab", made.path)
    run("select", "--lab", made.path, "--policy", "fusionfm", "--name", "first")
    label = made.labels("first").set_index("scene")["method"]["s1"]
    say = ("--lab", made.path, "--by", "ann", "--because", "a reason")
    assert run_json("override", "s0", "mean", *say, "--dry-run")["verdict"] == "choose"
    assert made.overrides().empty
    assert run_json("override", "toy/s0", "mean", *say)["number"] == 1
    assert run_json("override", "s1", "--accept", *say)["method"] == label
    assert run_json("override", "s0", "--veto", *say)["method"] == ""
    listed = run("overrides", "--lab", made.path)
    assert "ivf/toy/s0" in listed.output
    assert "a reason" in listed.output
    assert [row["verdict"] for row in run_json("overrides", "--lab", made.path)] == [
        "veto",
        "accept",
    ]
    shown = run("override", "s1", "--withdraw", *say)
    assert "fusionlab select" in shown.output
    assert len(run_json("overrides", "--lab", made.path)) == 1
    history = run_json("overrides", "--lab", made.path, "--history", "--csv", tmp_path / "o.csv")
    assert len(history) == len(pd.read_csv(tmp_path / "o.csv")) == 4


def test_diff_of_two_labels(tmp_path: Path) -> None:
    made = make_lab(tmp_path, scenes=2)
    run("score", "--lab", made.path)
    for name in ("a", "b"):
        run("override", "s1", "--veto", "--by", "ann", "--because", "x", "--lab", made.path)
        select = ("select", "--lab", made.path, "--policy", "fusionfm", "--name", name)
        assert run(*select).exit_code == 0
        run("override", "s1", "--withdraw", "--by", "ann", "--because", "x", "--lab", made.path)
        if name == "a":
            run(*select)
    found = run_json("diff", "a", "b", "--lab", made.path, "--csv", tmp_path / "d.csv")
    assert found["summary"] == [{"task": "ivf", "same": 1, "changed": 0, "only_a": 1, "only_b": 0}]
    assert [row["scene"] for row in found["changes"]] == ["s1"]
    assert len(pd.read_csv(tmp_path / "d.csv")) == 2
    assert "ivf/toy/s1" in run("diff", "a", "b", "--lab", made.path).output
    assert run("diff", "a", "c", "--lab", made.path).exit_code == 2


@pytest.mark.parametrize(
    "wrong", [("s0",), ("s0", "mean", "--veto"), ("s0", "--veto", "--withdraw"), ("s0", "--accept")]
)
def test_override_wants_one_thing_and_a_label_to_accept(tmp_path: Path, wrong: tuple) -> None:
    made = make_lab(tmp_path, scenes=1)
    result = run("override", *wrong, "--lab", made.path, "--by", "a", "--because", "b")
    assert result.exit_code == (1 if "--accept" in wrong else 2)
    assert ("fusionlab select" if "--accept" in wrong else "say one thing") in result.output


def test_measure_prints_what_the_library_says(lab: Lab) -> None:
    images = lab.path.parent / "images" / "toy"
    paths = [images / "ir/s0.png", images / "vis/s0.png", images / "out/mean/s0.png"]
    pixels = [luminance(read_image(path)) for path in paths]
    assert run_json("measure", *paths) == metrics.measure(*pixels)
    assert run_json("measure", *paths, "--metrics", "SD, EN") == metrics.measure(
        *pixels, ["SD", "EN"]
    )
    assert "Qabf" in run("measure", *paths).output


def test_metrics_and_policies_are_listed_and_explained() -> None:
    listed = run_json("metrics")
    assert [row["name"] for row in listed] == metrics.names()
    assert "Xydeas" in run("metrics", "Qabf").output
    assert run_json("metrics", "VIF")["min_side"] == 41
    (policy,) = [p for p in run_json("policies") if p["name"] == "fusionfm"]
    assert policy["weights"]["ivf"]["VIF"] == 1.0
    assert "fusionfm" in run("policies").output
    shown = run("policies", "show", "fusionfm")
    assert "rank in its scene" in shown.output
    assert "multi-exposure: EN 22%, SD 11%" in shown.output
    assert run_json("policies", "show", "fusionfm")["digest"] == policy["digest"]
    missing = run("policies", "show", "fusionfn")
    assert missing.exit_code == 2
    assert "fusionfm" in missing.output


def test_validate_tells_truths_and_decoys(lab: Lab, tmp_path: Path) -> None:
    only = ("--lab", lab.path, "--policy", "fusionfm")
    result = run("validate", *only, "--csv", tmp_path / "csv")
    assert result.exit_code == 0, result.output
    assert "ivf/toy, reference: 3 scenes of 4 candidates" in result.output
    for word in ("always mean", "copy_a", "noise_10", "jpeg_10", "truth first"):
        assert word in result.output
    assert {f.stem for f in (tmp_path / "csv").iterdir()} == {
        "truths",
        "decoys",
        "choices",
        "attacks",
    }
    told = run_json("validate", *only, "--task", "ivf")
    assert (told["measured"], told["rejected"]) == (0, {})
    rows = {row["policy"]: row for row in told["truths"]}
    assert rows["always mean"]["regret"] == 0
    assert rows["fusionfm"]["difference"] == 0


def test_validate_says_what_is_missing_and_measures_it_never(tmp_path: Path) -> None:
    made = make_lab(tmp_path, scenes=1)
    result = run("validate", "--lab", made.path)
    assert result.exit_code == 1
    assert "fusionlab score" in " ".join(result.output.split())
    run("score", "--lab", made.path, "--metrics", "EN,SD,SSIM,Qabf,VIF")
    assert run("validate", "--lab", made.path, "--no-trials", "--policy", "fusionfm").exit_code == 0
    assert made.trials("ivf", "toy").empty


def test_a_policy_is_fitted_and_warned_of(lab: Lab, tmp_path: Path) -> None:
    out = tmp_path / "mine.yaml"
    arguments = ("policies", "fit", "--lab", lab.path, "--task", "ivf", "--out", out)
    arguments = (*arguments, "--policy", "fusionfm")
    result = run(*arguments)
    assert result.exit_code == 0, result.output
    for word in ("weights", "regret by reference, dB", "on the scenes fitted to", "written"):
        assert word in result.output
    assert "fusionfm-fitted-ivf" in run("policies", "show", out).output
    assert run("select", "--lab", lab.path, "--policy", out, "--name", "fitted").exit_code == 0
    assert "is there already" in run(*arguments).output
    out.unlink()
    told = run_json(*arguments)
    assert told["scenes"] == 3
    assert told["policy"]["weights"]["ivf"] == told["weights"]
    out.unlink()
    for wrong in (("--goal", "regrets"), ("--truth", "opinions"), ("--task", "xyz")):
        refused = run(*arguments, *wrong)
        assert refused.exit_code == 2, wrong
        assert not out.exists()


@pytest.mark.parametrize(
    ("arguments", "nearest"),
    [
        (("score", "--metrics", "EN,Qabg"), "Qabf"),
        (("select", "--name", "x", "--policy", "fusionfn"), "fusionfm"),
        (("select", "--name", "x", "--normalise", "ranks"), "rank"),
        (("select", "--name", "x", "--task", "ivg"), "ivf"),
        (("audit", "--labels", "frist"), "first"),
        (("why", "s11", "--labels", "first"), "s1"),
        (("override", "s11", "mean", "--because", "b", "--by", "ann"), "s1"),
        (("override", "s1", "maen", "--because", "b", "--by", "ann"), "mean"),
    ],
)
def test_unknown_names_exit_with_2_and_the_nearest_right_one(
    lab: Lab, arguments: tuple[str, ...], nearest: str
) -> None:
    result = run(*arguments, "--lab", lab.path)
    assert result.exit_code == 2
    assert f"Did you mean '{nearest}'" in result.output


def test_unknown_key_of_a_manifest(tmp_path: Path) -> None:
    manifest = write_dataset(tmp_path, scenes=1)
    manifest.write_text(manifest.read_text().replace("candidates", "candidate"))
    result = run("ingest", manifest, "--lab", tmp_path / "lab")
    assert result.exit_code == 2
    assert "Did you mean 'candidates'" in result.output
    assert not (tmp_path / "lab").exists()


@pytest.mark.parametrize(
    "command", [("score",), ("select", "--name", "x"), ("audit",), ("why", "s")]
)
def test_without_a_lab_every_stage_says_what_to_run_first(tmp_path: Path, command: tuple) -> None:
    result = run(*command, "--lab", tmp_path / "none")
    assert result.exit_code == 1
    assert "fusionlab ingest" in result.output


def test_without_scores_or_labels_what_to_run_first(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=1)
    unscored = run("select", "--lab", lab.path, "--name", "x")
    assert (unscored.exit_code, "fusionlab score" in unscored.output) == (1, True)
    unlabelled = run("audit", "--lab", lab.path, "--labels", "x")
    assert (unlabelled.exit_code, "fusionlab select" in unlabelled.output) == (1, True)


def test_wrong_input_to_measure_names_the_file(lab: Lab, tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    good = lab.path.parent / "images/toy/ir/s0.png"
    result = run("measure", good, good, broken)
    assert result.exit_code == 1
    assert "broken.png" in result.output
    assert run("measure", good, good, tmp_path / "none.png").exit_code == 1
    assert run("measure", good, good, good, "--metrics", "").exit_code == 2


def test_version() -> None:
    from fusionlab import __version__

    assert run("--version").output.strip() == f"fusionlab {__version__}"


def test_ctrl_c_exits_with_130_and_says_how_to_go_on(tmp_path: Path) -> None:
    lab = make_lab(tmp_path, scenes=6)
    code = (
        "import sys, time\nfrom fusionlab.scoring import run\n"
        "run._CANDIDATES_PER_TASK = 7\nreal = run._keep\n"
        "def keep(*a):\n    real(*a)\n    print('kept', flush=True)\n    time.sleep(5)\n"
        "run._keep = keep\nfrom fusionlab.cli import main\n"
        f"sys.argv = ['fusionlab', 'score', '--lab', {str(lab.path)!r}, '--metrics', 'EN']\n"
        "main()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "kept\n"
    time.sleep(0.2)
    os.kill(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "run the same command again" in errors
    assert "Traceback" not in errors
    assert run_json("score", "--lab", lab.path, "--metrics", "EN")["measured"] < 6 * 8
    assert len(lab.scores("ivf", "toy")) == 6 * 8

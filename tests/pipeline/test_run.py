"""Pipelines that run: what is called again and what not, the record, failures, kills."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
from helpers import write_dataset
from typer.testing import CliRunner

from fusionlab.cli import app
from fusionlab.images import encode_png, read_image

TEXT = """
about: A toy.
lab: {folder}/lab
stages:
  ingest: {{manifests: ["{folder}/toy.yaml"]}}
  score: {{metrics: [EN, SD, SSIM, Qabf, VIF]}}
  select: {{name: first, policy: fusionfm}}
  tables: {{use: audit, labels: first, csv: "{folder}/tables"}}
"""
STAGES = ["ingest", "score", "select", "tables"]


@pytest.fixture
def toy(tmp_path):
    """A pipeline over three scenes; its folder."""
    write_dataset(tmp_path)
    (tmp_path / "pipe.yaml").write_text(TEXT.format(folder=tmp_path))
    return tmp_path


def run(folder, *options, code=0):
    line = ["run", str(folder / "pipe.yaml"), *options, "--json"]
    result = CliRunner().invoke(app, line, catch_exceptions=False)
    assert result.exit_code == code, result.output
    return json.loads(result.stdout) if result.stdout.strip() else result.stderr


def verdicts(record):
    return {stage["stage"]: stage["verdict"] for stage in record["stages"]}


def records(folder):
    return sorted((folder / "lab" / "pipelines" / "pipe").glob("*.json"))


def test_stages_run_in_order_and_the_record_tells_what_they_made(toy):
    found = run(toy)
    assert verdicts(found) == dict.fromkeys(STAGES, "ran")
    ingest, score, select, tables = found["stages"]
    assert ingest["report"]["scenes"] == 3
    names = [name.rpartition("/")[2] for name in select["made"]]
    assert names == ["first.parquet", "splits.parquet"]
    assert str(toy / "tables") in tables["made"]
    assert score["report"]["measured"] > 0
    assert found["versions"].keys() >= {"fusionlab", "python", "torch"}
    assert json.loads(records(toy)[0].read_text())["stages"] == found["stages"]


def test_a_second_run_calls_nothing_and_writes_no_record(toy):
    run(toy)
    assert verdicts(run(toy)) == dict.fromkeys(STAGES, "unchanged")
    assert len(records(toy)) == 1


def test_a_changed_option_calls_its_stage_and_those_after(toy):
    run(toy)
    found = run(toy, "--set", "select.top=2", "--set", "score.metrics=[EN,SD,SSIM,Qabf,VIF,AG]")
    assert verdicts(found) == {"ingest": "unchanged", **dict.fromkeys(STAGES[1:], "ran")}


@pytest.mark.parametrize("what", ["source", "manifest", "labels", "output"])
def test_whatever_changed_stages_find_out_by_themselves(toy, what):
    run(toy)
    before = (toy / "lab" / "labels" / "first.parquet").read_bytes()
    if what == "source":
        path = toy / "toy" / "ir" / "s0.png"
        path.write_bytes(encode_png(255 - read_image(path)))
    elif what == "manifest":
        with (toy / "toy.yaml").open("a") as file:
            file.write("# seen again\n")
    elif what == "labels":
        (toy / "lab" / "labels" / "first.parquet").unlink()
    else:
        (toy / "tables" / "wins.csv").write_text("")
    found = run(toy)
    assert verdicts(found) == dict.fromkeys(STAGES, "ran")
    assert (found["stages"][0]["report"]["changed"] > 0) == (what == "source")
    assert found["stages"][1]["report"]["measured"] == 0 or what == "source"
    assert (toy / "tables" / "wins.csv").read_text()
    if what != "source":
        assert (toy / "lab" / "labels" / "first.parquet").read_bytes() == before
    assert verdicts(run(toy)) == dict.fromkeys(STAGES, "unchanged")


def test_part_of_a_pipeline_can_be_run_and_the_rest_later(toy):
    assert verdicts(run(toy, "--until", "score")) == {"ingest": "ran", "score": "ran"}
    assert verdicts(run(toy)) == {
        "ingest": "unchanged",
        "score": "unchanged",
        "select": "ran",
        "tables": "ran",
    }
    assert list(verdicts(run(toy, "--from", "select"))) == ["select", "tables"]
    assert "comes before" in run(toy, "--from", "select", "--until", "score", code=2)
    assert "unknown stage" in run(toy, "--from", "selct", code=2)


def test_a_dry_run_shows_commands_and_writes_nothing(toy):
    rows = run(toy, "--dry-run")
    assert [row["stage"] for row in rows] == STAGES
    assert {row["state"] for row in rows} == {"to run"}
    assert rows[2]["command"].startswith("fusionlab select --name first --policy fusionfm")
    assert not (toy / "lab").exists()


def test_all_is_checked_before_anything_starts(toy):
    assert "unknown key 'nam'" in run(toy, "--set", "select.nam=x", code=2)
    assert "'scnd' is not in the lab" in run(toy, "--set", "tables.labels=scnd", code=2)
    assert "absent.yaml" in run(toy, "--set", f"ingest.manifests={toy}/absent.yaml", code=2)
    assert not (toy / "lab").exists()


def test_a_scene_for_test_that_stands_for_something_else_is_told_at_once(toy):
    run(toy)
    split = pd.read_parquet(toy / "lab" / "splits.parquet").set_index("scene")["split"]
    learned = split.index[split == "train"][0]
    wrong = ("--set", f"select.test=ivf/toy/{learned}")
    before = len(records(toy))
    assert f"first ivf/toy/{learned} (for train)" in " ".join(run(toy, *wrong, code=2).split())
    assert len(records(toy)) == before
    run(toy, *wrong, "--set", "select.resplit=true")


def test_a_failure_is_recorded_and_the_next_run_goes_on_there(toy):
    (toy / "pipe.yaml").write_text(
        TEXT.format(folder=toy) + '  broken: {use: fuse, run: "nowhere", a: x, b: y, out: z}\n'
    )
    assert "nowhere" in run(toy, code=1)
    record = json.loads(records(toy)[0].read_text())
    assert record["stages"][-1]["verdict"] == "failed"
    assert "nowhere" in record["stages"][-1]["error"]
    (toy / "pipe.yaml").write_text(TEXT.format(folder=toy))
    assert verdicts(run(toy)) == dict.fromkeys(STAGES, "unchanged")


def test_a_broken_record_costs_a_check_and_nothing_else(toy):
    run(toy)
    records(toy)[0].write_text("{")
    assert verdicts(run(toy)) == dict.fromkeys(STAGES, "ran")


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT], ids=["kill -9", "Ctrl-C"])
def test_what_was_stopped_goes_on(toy, how):
    code = (
        "import functools, time\nfrom fusionlab import cli\nfrom fusionlab.cli import stages\n"
        "@functools.wraps(stages.select)\ndef slow(*a, **k):\n    time.sleep(60)\n"
        "cli.COMMANDS = tuple(slow if c is stages.select else c for c in cli.COMMANDS)\n"
        f"cli.app(['run', {str(toy / 'pipe.yaml')!r}])\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    while not records(toy) or len(json.loads(records(toy)[0].read_text())["keys"]) < 2:
        assert process.poll() is None, process.communicate()
        time.sleep(0.05)
    time.sleep(0.3)
    os.kill(process.pid, how)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == (-9 if how == signal.SIGKILL else 130), errors
    assert verdicts(run(toy)) == {
        "ingest": "unchanged",
        "score": "unchanged",
        "select": "ran",
        "tables": "ran",
    }

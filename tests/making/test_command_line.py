"""fusionlab baselines: what it prints, and that it refuses before it starts anything."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import tree_bytes
from typer.testing import CliRunner, Result

from fusionlab import baselines
from fusionlab.cli import app
from fusionlab.lab import Lab

COPY = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[3])"


def run(*arguments: object) -> Result:
    return CliRunner().invoke(app, ["baselines", *map(str, arguments)])


def run_json(*arguments: object) -> object:
    result = run(*arguments, "--json")
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout)


@pytest.fixture
def lab(tmp_path: Path, bare_lab: Callable[..., Lab]) -> Path:
    return bare_lab(tmp_path, scenes=2).path


def test_the_list_names_all_with_their_papers() -> None:
    listed = run_json("--list")
    assert [row["name"] for row in listed] == list(baselines.table())
    shown = run("--list", "--command", "net=tool {a} {b} {out}").output
    for text in ("laplacian", "ivf, mif, mef, mff", "Burt and Adelson", "net"):
        assert text in shown


def test_from_sources_to_candidates_and_back(lab: Path) -> None:
    before = tree_bytes(lab)
    plan = run_json("--lab", lab, "--methods", "gff, max", "--dry-run")
    assert (plan["to_make"], plan["by_dataset"]) == (4, {"ivf/toy": 4})
    assert plan["by_method"] == {"gff": 2, "max": 2}
    assert tree_bytes(lab) == before
    result = run("--lab", lab, "--methods", "gff,max", "--workers", "1")
    assert result.exit_code == 0
    assert f"next: fusionlab score --lab {lab}" in result.output.replace("\n", "")
    assert run_json("--lab", lab, "--methods", "gff,max")["standing"] == 4
    assert run_json("--lab", lab, "--drop", "gff,max") == {"dropped": {"gff": 2, "max": 2}}
    assert run("--lab", lab, "--drop", "gff").exit_code == 2


def test_programs_by_the_command_line_and_by_a_file(lab: Path, tmp_path: Path) -> None:
    (tmp_path / "copy.py").write_text(COPY)
    words = f"{sys.executable} {tmp_path}/copy.py"
    one = ("--lab", lab, "--command", f"one={words} {{a}} {{b}} {{out}}")
    assert run_json(*one)["made"] == 2
    (tmp_path / "nets.yaml").write_text(
        f"methods: {{two: {{command: '{words} {{a}} {{b}} {{out}}'}}}}"
    )
    report = run_json(*one, "--commands", tmp_path / "nets.yaml")
    assert (report["methods"], report["made"], report["standing"]) == (["two", "one"], 2, 2)
    rows = Lab.open(lab).index("ivf", "toy").query("role == 'method'")
    assert set(rows["flags"]) == {"source_copy"}
    assert set(rows["twin"]) == {"source/ir"}


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("--methods", "lapl"), "Did you mean 'laplacian'"),
        (("--methods", ""), "names nothing"),
        (("--task", "ivv"), "unknown task 'ivv'"),
        (("--dataset", "tou"), "Did you mean 'toy'"),
        (("--prefix", "a/b"), "--prefix: the method name 'a/b'"),
        (("--command", "x"), "expected NAME=PROGRAM"),
        (("--commands", "none.yaml"), "none.yaml: cannot be read"),
    ],
)
def test_wrong_use_is_told_and_nothing_is_made(lab: Path, arguments: tuple, says: str) -> None:
    result = run("--lab", lab, *arguments)
    assert result.exit_code == 2
    assert says in result.output.replace("\n", " ")
    assert not (Lab.open(lab).index("ivf", "toy")["role"] == "method").any()


def test_ingest_without_candidates_says_what_comes_next(tmp_path: Path, lab: Path) -> None:
    again = ["ingest", str(tmp_path / "images/toy.yaml"), "--lab", str(lab)]
    assert "next: fusionlab baselines" in CliRunner().invoke(app, again).output
    run("--lab", lab, "--methods", "gff")
    assert "next: fusionlab score" in CliRunner().invoke(app, again).output

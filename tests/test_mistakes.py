"""A user's mistake, in any command, is one sentence and an exit code, never a traceback."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers import make_lab, tree_bytes, write_labels
from test_cli import COMMANDS
from typer.testing import CliRunner, Result

from fusionlab.cli import app
from fusionlab.lab import Lab

#: Command -> what it needs besides a lab; {out} is a place that is not there.
NEEDS = {
    "ingest": "{manifest}",
    "baselines": "",
    "score": "--metrics EN",
    "select": "--name new --policy fusionfm",
    "mosaic": "--labels first --name new",
    "probes": "--labels first --name new",
    "refine": "--labels first --as new",
    "export": "--labels first --out {out}",
    "audit": "--labels first",
    "why": "s0 --labels first",
    "diff": "first first",
    "validate": "",
    "override": "s0 --accept --because it --by me",
    "overrides": "",
    "review": "--labels first --no-browser",
    "train": "--labels first --as run --steps 1",
    "continual": "--labels first --steps-per-task 1",
    "evaluate": "--labels first",
    "info": "",
    "doctor": "",
    "verify": "",
    "pack": "--out {out}",
    "policies population": "--out {out}.yaml",
    "policies fit": "--task ivf --truth reference --out {out}.yaml",
}

#: Those without a lab.
ALONE = {
    "fuse": "{out} --a {out} --b {out} --out {out}",
    "onnx": "{out} --out {out}.onnx",
    "measure": "{out} {out} {out}",
    "policies show": "nobody",
    "init": "{out}",
    "run": "{out}.yaml",
}

#: What they all need no more than what is there for.
NOTHING_TO_MISTAKE = {"metrics", "policies", "demo"}

#: Options that take a name, and one that nobody has.
WRONG = {
    "--labels": "firts",
    "--task": "ivg",
    "--tasks": "ivg",
    "--dataset": "tox",
    "--datasets": "ivf/tox",
    "--policy": "robst",
    "--metrics": "ENN",
    "--methods": "lapalcian",
    "--test": "ivf/tox",
    "--split": "0.5,0.5",
    "--exclude": "ivg",
    "--runs": "nobody",
    "--device": "cuda:99",
    "--network": "huge",
    "--objective": "flwo",
    "--strategies": "nave",
    "--orders": "ivf-ivg",
    "--way": "statistcs",
    "--against": "robst",
    "--normalise": "rnak",
    "--truth": "PNSR",
    "--align": "corp",
    "--match": "namse",
    "--ewc-shape": "rwa",
    "--preset": "vfib",
}


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Lab:
    made = make_lab(tmp_path_factory.mktemp("mistakes"), scenes=2)
    write_labels(made, "mean")
    return made


def run(command: str, needs: str, lab: Path | None, more: tuple[str, ...] = ()) -> Result:
    """Run a command with what it needs, except where `more` says otherwise."""
    base = Path("nowhere") if lab is None else lab.parent
    line = needs.format(out=base / "not-there", manifest=base / "images" / "toy.yaml").split()
    for option in more[::2]:
        if option in line:
            del line[line.index(option) : line.index(option) + 2]
    at = [] if lab is None else ["--lab", str(lab)]
    return CliRunner().invoke(app, [*command.split(), *line, *at, *more])


def assert_told(result: Result, *codes: int) -> None:
    assert result.exit_code in codes, result.output
    assert isinstance(result.exception, SystemExit), result.exception
    assert "rror" in result.stderr
    assert "Traceback" not in result.output
    assert result.stdout == ""


def test_every_command_is_asked() -> None:
    assert {*NEEDS, *ALONE, *NOTHING_TO_MISTAKE} == set(COMMANDS)
    assert {name for name, options in COMMANDS.items() if "--lab" in options} == set(NEEDS)


def test_every_command_prints_json() -> None:
    assert [name for name, options in COMMANDS.items() if "--json" not in options] == []


@pytest.mark.parametrize("command", sorted(NEEDS.keys() - {"ingest", "doctor"}))
def test_a_lab_that_is_none(command: str, tmp_path: Path) -> None:
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / "lab.json").write_text("{}")
    (tmp_path / "file").write_text("")
    for name in ("none", "broken", "file"):
        result = run(command, NEEDS[command], tmp_path / name)
        assert_told(result, 1, 2)
        assert str(tmp_path / name) in "".join(result.stderr.split())
        as_json = run(command, NEEDS[command], tmp_path / name, ("--json",))
        assert_told(as_json, 1, 2)


@pytest.mark.parametrize(
    ("command", "option"),
    [(command, option) for command in NEEDS for option in sorted(COMMANDS[command] & WRONG.keys())],
)
def test_a_name_that_nobody_has(command: str, option: str, lab: Lab) -> None:
    before = tree_bytes(lab.path)
    assert_told(run(command, NEEDS[command], lab.path, (option, WRONG[option])), 1, 2)
    assert tree_bytes(lab.path) == before


@pytest.mark.parametrize("command", ALONE)
def test_a_file_that_is_not_there(command: str) -> None:
    assert_told(run(command, ALONE[command], None), 1, 2)


@pytest.mark.parametrize("content", ["", "- 1", "task: [", "\x00", "task: ivg\n"])
def test_a_manifest_that_is_none(content: str, tmp_path: Path) -> None:
    path = tmp_path / "manifest.yaml"
    path.write_text(content)
    assert_told(run("ingest", str(path), tmp_path / "lab"), 2)
    assert_told(run("ingest", str(tmp_path / "none.yaml"), tmp_path / "lab"), 2)
    assert not (tmp_path / "lab").exists()

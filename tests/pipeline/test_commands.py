"""Commands as stages: the same options as on the command line, checked before anything starts."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
import typer
from helpers import write_dataset
from typer.testing import CliRunner

from fusionlab.cli import COMMANDS, app
from fusionlab.errors import ConfigError, UnknownNameError
from fusionlab.pipeline.checks import image_folders
from fusionlab.pipeline.commands import StageError, model_of, stage_of

BY_NAME = {command.__name__: command for command in COMMANDS}


@pytest.mark.parametrize("name", BY_NAME)
def test_a_stage_takes_the_options_of_its_command(name):
    parameters = typer.main.get_command(app).commands[name].params
    options = {
        next((o for o in p.opts if o.startswith("--")), p.name).removeprefix("--").replace("-", "_")
        for p in parameters
    }
    model = model_of(BY_NAME[name])
    assert {field.alias for field in model.model_fields.values()} == options - {
        "json",
        "dry_run",
        "help",
    }


def stage(use, **given):
    return stage_of("mine", {"use": use, **given}, BY_NAME, "somewhere/lab")


def test_values_become_those_of_the_command_line():
    made = stage("train", **{"as": "flow", "labels": "first", "steps": 5, "tasks": ["ivf", "mff"]})
    assert made.values["name"] == "flow"
    assert made.values["tasks"] == "ivf,mff"
    assert made.values["lab"] == Path("somewhere/lab")
    assert made.line == (
        "fusionlab train --as flow --labels first --steps 5 --tasks ivf,mff --lab somewhere/lab"
    )


def test_flags_lists_and_arguments_are_told_as_one_would_type_them():
    assert shlex.split(stage("score", tiles=True, metrics="EN,SD").line)[2:5] == [
        *("--tiles", "--metrics", "EN,SD")
    ]
    evaluated = stage("evaluate", labels=["one", "two"]).line
    assert "--labels one --labels two" in evaluated
    assert stage("ingest", manifests="a b.yaml").line.startswith("fusionlab ingest 'a b.yaml'")


def test_a_line_is_understood_by_the_command_line():
    made = stage("select", name="first", policy="robust", top=3)
    asked = CliRunner().invoke(app, [*shlex.split(made.line)[1:], "--help"])
    assert asked.exit_code == 0


@pytest.mark.parametrize(
    ("use", "given", "says"),
    [
        ("train", {"as": "x", "step": 5}, "stage mine: unknown key 'step'. Did you mean 'steps'?"),
        ("train", {"labels": "first"}, "stage mine: key 'as' is missing"),
        ("train", {"as": "x", "steps": 0}, "steps: Input should be greater than or equal to 1"),
        ("train", {"as": "x", "steps": "many"}, "steps: Input should be a valid integer"),
        ("evaluate", {"seen_scenes": "maybe"}, "seen_scenes: Input should be 'refuse', 'skip'"),
        ("score", {"dry_run": True}, "unknown key 'dry_run'"),
    ],
)
def test_a_wrong_option_is_an_error_that_says_which_stage(use, given, says):
    with pytest.raises(ConfigError) as error:
        stage(use, **given)
    assert says in str(error.value)


def test_an_unknown_command_is_answered_with_the_nearest():
    with pytest.raises(UnknownNameError, match="stage mine: unknown command 'trian'"):
        stage("trian")


def test_paths_are_the_files_a_stage_is_told_of_besides_the_lab(tmp_path):
    made = stage("select", name="first", policy=str(tmp_path / "mine.yaml"))
    assert made.paths() == [tmp_path / "mine.yaml"]
    assert stage("fuse", run="r", a="x", b="y", out="~/z").paths() == [
        *(Path("r"), Path("x"), Path("y"), Path("~/z").expanduser())
    ]


def test_a_manifest_with_its_root_counts_as_both(tmp_path):
    manifest = write_dataset(tmp_path)
    made = stage("ingest", manifests=[f"{manifest}={tmp_path / 'toy'}"])
    assert image_folders(made) == [manifest, tmp_path / "toy"]


def test_a_command_that_ends_with_an_exit_code_is_an_error_and_its_report_is_read():
    def fails(as_json: bool = False) -> None:
        raise typer.Exit(3)

    def works(as_json: bool = False) -> None:
        typer.echo("not for stdout of the pipeline")
        from fusionlab import terminal

        terminal.print_json([{"made": 3}, {"made": 4}])

    commands = {"fails": fails, "works": works}
    with pytest.raises(StageError, match=r"stage a: ended with exit code 3.*run: fusionlab fails"):
        stage_of("a", {"use": "fails"}, commands, "lab").call()
    found = stage_of("b", {"use": "works"}, commands, "lab").call()
    assert found == {"reports": [{"made": 3}, {"made": 4}]}

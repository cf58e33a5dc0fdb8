"""Pipelines as files: variables, changes from the command line, and what is wrong with them."""

from __future__ import annotations

from pathlib import Path

import pytest

from fusionlab.cli import COMMANDS
from fusionlab.errors import ConfigError, UnknownNameError, UsageError
from fusionlab.pipeline import plan, read_recipe, shipped_recipes

TEXT = """
about: A toy.
lab: ${folder}/lab
variables: {folder: here, steps: 20, names: [EN, SD]}
stages:
  score: {metrics: "${names}"}
  select: {name: first}
  train: {labels: first, as: "flow-${steps}", steps: "${steps}"}
"""


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "toy.yaml"
    path.write_text(TEXT)
    return str(path)


def test_variables_are_put_in_and_keep_their_type_where_they_stand_alone(file):
    name, recipe = read_recipe(file)
    assert (name, recipe.place) == ("toy", "here/lab")
    filled = recipe.filled()
    assert filled["score"] == {"metrics": ["EN", "SD"]}
    assert filled["train"] == {"labels": "first", "as": "flow-20", "steps": 20}


def test_a_change_is_of_the_lab_a_variable_or_an_option_of_a_stage(file):
    changes = ["steps=7", "folder=there", "select.name=other", "score.metrics=[VIF]"]
    recipe = read_recipe(file, changes)[1]
    filled = recipe.filled()
    assert recipe.place == "there/lab"
    assert filled["train"]["as"] == "flow-7"
    assert filled["select"] == {"name": "other"}
    assert filled["score"] == {"metrics": ["VIF"]}
    assert read_recipe(file, ["lab=s3://bucket/lab"])[1].place == "s3://bucket/lab"


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("steps", "expected KEY=VALUE"),
        ("step=7", "Did you mean 'steps'?"),
        ("selct.name=x", "Did you mean 'select'?"),
        ("steps=[1", "not YAML"),
    ],
)
def test_a_change_of_nothing_that_there_is_is_an_error(file, change, says):
    with pytest.raises(UsageError, match="--set") as error:
        read_recipe(file, [change])
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("stages: {score: {metrics: '${nams}'}}", "stage score, metrics: unknown variable 'nams'"),
        ("stages: [score]", "stages"),
        ("lab: x", "key 'stages' is missing"),
        ("stagess: {}", "Did you mean 'stages'?"),
    ],
)
def test_a_wrong_file_is_told_where_and_how(tmp_path, text, says):
    path = tmp_path / "wrong.yaml"
    path.write_text(text)
    with pytest.raises((ConfigError, UnknownNameError)) as error:
        read_recipe(str(path))[1].filled()
    assert says in str(error.value)


def test_shipped_pipelines_are_found_by_name():
    assert {"demo", "ivf", "mif", "mef", "mff", "all_in_one"} <= set(shipped_recipes())
    assert read_recipe("demo")[0] == "demo"
    with pytest.raises(UnknownNameError, match="Did you mean 'demo'"):
        read_recipe("demi")
    with pytest.raises(ConfigError, match=r"nowhere\.yaml: there is no such file"):
        read_recipe("nowhere.yaml")


def test_a_folder_of_the_name_does_not_hide_a_shipped_pipeline(tmp_path, monkeypatch):
    (tmp_path / "demo").mkdir()  # as the demo leaves behind
    monkeypatch.chdir(tmp_path)
    assert read_recipe("demo")[0] == "demo"


@pytest.mark.parametrize("name", sorted(shipped_recipes()))
def test_shipped_pipelines_hold_together(name, tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    recipe = read_recipe(name)[1]
    for manifest in recipe.filled()["ingest"]["manifests"]:
        if "=" in manifest:
            Path(manifest.partition("=")[2]).mkdir(parents=True)
    commands = {command.__name__: command for command in COMMANDS}
    planned = plan(name, recipe, commands)
    assert recipe.about
    assert planned.unchanged == 0
    assert [row["stage"] for row in planned.frame()] == list(recipe.stages)
    assert not (here / recipe.place).exists()


def test_a_data_set_that_is_not_there_is_told_before_anything_starts(tmp_path, monkeypatch):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    commands = {command.__name__: command for command in COMMANDS}
    with pytest.raises(ConfigError, match="MSRS"):
        plan("ivf", read_recipe("ivf")[1], commands)

"""What a pipeline's YAML file says: a lab, variables, and stages in order.

::

    about: Curate infrared and visible pairs, and train on them.
    lab: lab-ivf
    variables: {steps: 2000}
    stages:
      ingest: {manifests: [msrs], data: ../data}
      score:
      select: {name: first}
      flow: {use: train, labels: first, as: flow, steps: "${steps}"}
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml
from pydantic import Field

from fusionlab.configs import Config, checked, load_yaml
from fusionlab.errors import ConfigError, UnknownNameError, UsageError
from fusionlab.shipped import shipped

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_VARIABLE = re.compile(r"\$\{(\w+)\}")


class Recipe(Config):
    """A pipeline as its file says it.

    Attributes
    ----------
    about : what it is for, in a sentence.
    lab : the lab of all stages.
    variables : values that stages refer to as ``${name}``; ``${lab}`` is one too.
    stages : name -> options. The name is that of a command, unless ``use`` names the command.
    """

    about: str = ""
    lab: str = "lab"
    variables: dict[str, Any] = Field(default_factory=dict)
    stages: dict[str, dict[str, Any] | None]

    @property
    def place(self) -> str:
        """Return the lab, variables put in."""
        return str(_fill(self.lab, self.variables, "lab"))

    def filled(self) -> dict[str, dict[str, Any]]:
        """Return the stages with all variables put in.

        Raises
        ------
        UnknownNameError
            When a stage refers to a variable that there is none of.
        """
        values = {**self.variables, "lab": self.place}
        return {
            name: {
                key: _fill(value, values, f"stage {name}, {key}") for key, value in given.items()
            }
            for name, given in ((name, given or {}) for name, given in self.stages.items())
        }


def read_recipe(source: str, changes: Sequence[str] = ()) -> tuple[str, Recipe]:
    """Read a pipeline's file, and put in what the user wants otherwise; return its name too.

    Parameters
    ----------
    source : a YAML file, or the name of a shipped pipeline.
    changes : ``KEY=VALUE``, the value being YAML. KEY is ``lab``, a variable or ``STAGE.OPTION``.

    Raises
    ------
    ConfigError
        When there is no such file, or it does not say what it must.
    UsageError
        When a change changes nothing that there is.
    """
    path = _find(source)
    recipe = load_yaml(path, Recipe)
    content = recipe.model_dump()
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals:
            raise UsageError(f"--set {change!r}: expected KEY=VALUE, as in --set train.steps=500")
        _put(content, key.strip(), _value(change, text))
    return path.stem, checked(content, Recipe, str(path))


def shipped_recipes() -> dict[str, Path]:
    """Return the pipelines that come with FusionLab: name -> file."""
    return {path.stem: path for path in sorted(shipped("pipelines").glob("*.yaml"))}


def _find(source: str) -> Path:
    path = Path(source)
    if path.is_file():
        return path
    known = shipped_recipes()
    if source in known:  # a folder of that name, such as the demo's, is no pipeline
        return known[source]
    if path.suffix in {".yaml", ".yml"} or path.exists():
        raise ConfigError(
            f"{path}: there is no such file; shipped pipelines, by name: {', '.join(known)}"
        )
    raise UnknownNameError("pipeline", source, known)


def _value(change: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise UsageError(f"--set {change!r}: the value is not YAML: {error}") from None


def _put(content: dict[str, Any], key: str, value: Any) -> None:
    """Put one value where `key` says."""
    stage, dot, option = key.partition(".")
    if not dot:
        if key != "lab" and key not in content["variables"]:
            known = {"lab", *content["variables"], *(f"{s}.OPTION" for s in content["stages"])}
            raise UnknownNameError("key", key, known, "--set")
        place = content if key == "lab" else content["variables"]
        place[key] = value
        return
    if stage not in content["stages"]:
        raise UnknownNameError("stage", stage, content["stages"], "--set")
    content["stages"][stage] = {**(content["stages"][stage] or {}), option: value}


def _fill(value: Any, values: Mapping[str, Any], where: str) -> Any:
    """Return `value` with variables put in, inside lists and mappings too."""
    if isinstance(value, list):
        return [_fill(item, values, where) for item in value]
    if isinstance(value, dict):
        return {key: _fill(item, values, where) for key, item in value.items()}
    if not isinstance(value, str):
        return value
    names = _VARIABLE.findall(value)
    for name in names:
        if name not in values:
            raise UnknownNameError("variable", name, values, where)
    if names and value == f"${{{names[0]}}}":
        return values[names[0]]  # alone, it keeps its type: a number, a list
    return _VARIABLE.sub(lambda found: str(values[found[1]]), value)

"""Commands as stages: what options they take, checked before anything starts, and how they run."""

from __future__ import annotations

import inspect
import json
import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args, get_origin, get_type_hints

import typer
from annotated_types import Ge, Le
from pydantic import BeforeValidator, ConfigDict, Field, create_model

from fusionlab import terminal
from fusionlab.configs import Config, checked
from fusionlab.errors import FusionLabError, UnknownNameError
from fusionlab.paths import to_place

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from typer.models import ParameterInfo

    Command = Callable[..., None]

#: Options of every command that a pipeline sees to itself.
_OURS = {"as_json", "dry_run"}


#: Endings of files of settings; what takes a name or such a file is of type str.
_SETTINGS = (".yaml", ".yml")


class StageError(FusionLabError):
    """A stage ended, by its exit code, without what it should have made."""


class _Options(Config):
    """Base of the options of a command."""

    model_config = ConfigDict(arbitrary_types_allowed=True, populate_by_name=False)


@dataclass(frozen=True)
class Stage:
    """A stage, its options checked.

    Attributes
    ----------
    name : in the pipeline.
    use : name of the command.
    command : the function behind it.
    values : parameter of the function -> value; only those that were given.
    given : option -> value, as the pipeline says it.
    """

    name: str
    use: str
    command: Command
    values: dict[str, Any]
    given: dict[str, Any]

    @property
    def line(self) -> str:
        """Return what does the same in a shell."""
        words = ["fusionlab", self.use]
        parameters = {
            _option_name(parameter): parameter
            for name, parameter in _parameters(self.command).items()
            if name not in _OURS
        }
        for key, value in self.given.items():
            words += _words(parameters[key], key, value)
        return shlex.join(words)

    def paths(self) -> list[Path]:
        """Return the files and folders that it is told of, besides the lab."""
        found = []
        for name, value in self.values.items():
            items = value if isinstance(value, list) else [value]
            found += [item for item in items if isinstance(item, Path) and name != "lab"]
            found += [Path(i) for i in items if isinstance(i, str) and i.endswith(_SETTINGS)]
        return found

    def call(self) -> dict[str, Any]:
        """Run the command, and return the report that it prints as JSON.

        Raises
        ------
        StageError
            When it ends with an exit code that is not 0.
        """
        code = 0
        with terminal.out.capture() as printed:
            try:
                self.command(**_complete(self.command, self.values), as_json=True)
            except typer.Exit as end:
                code = end.exit_code
        report = _parsed(printed.get())
        if code:
            raise StageError(
                f"stage {self.name}: ended with exit code {code}; to see why, run: {self.line}"
            )
        return report


def stage_of(
    name: str, given: Mapping[str, Any], commands: Mapping[str, Command], lab: str
) -> Stage:
    """Return a stage, its options checked against those of its command.

    Raises
    ------
    UnknownNameError
        When there is no such command.
    ConfigError
        When an option is unknown, missing or of a wrong value; all that are, are named.
    """
    options = dict(given)
    use = str(options.pop("use", name))
    if use not in commands:
        raise UnknownNameError("command", use, commands, f"stage {name}")
    command = commands[use]
    model = model_of(command)
    known = {field.alias for field in model.model_fields.values()}
    options = {str(key).replace("-", "_"): value for key, value in options.items()}
    if "lab" in known:
        options.setdefault("lab", lab)
    content = checked(options, model, f"stage {name}")
    told = content.model_fields_set
    values = {key: getattr(content, key) for key in model.model_fields if key in told}
    return Stage(name, use, command, values, options)


def model_of(command: Command) -> type[Config]:
    """Return a model of what a command takes, from its signature: types, bounds, defaults."""
    fields: dict[str, Any] = {}
    for name, parameter in _parameters(command).items():
        if name in _OURS:
            continue
        kind, info = get_args(parameter.annotation)[:2]
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[name] = (_kind(kind, info), Field(default, alias=_option_name(parameter)))
    return create_model(command.__name__, __base__=_Options, **fields)


def _parameters(command: Command) -> dict[str, inspect.Parameter]:
    """Return the parameters of a command, annotations evaluated."""
    hints = get_type_hints(command, include_extras=True)
    signature = inspect.signature(command)
    return {
        name: parameter.replace(annotation=hints[name])
        for name, parameter in signature.parameters.items()
    }


def _option_name(parameter: inspect.Parameter) -> str:
    """Return an option's name in YAML: ``--hold-out`` is ``hold_out``; an argument's is its own."""
    info: ParameterInfo = get_args(parameter.annotation)[1]
    # in Annotated, typer.Option("--as") has its first name where a default would stand
    names = [str(text) for text in (info.default, *(info.param_decls or ()))]
    long = [text for text in names if text.startswith("--")]
    return (
        long[0].partition("/")[0].removeprefix("--").replace("-", "_") if long else parameter.name
    )


def _kind(kind: Any, info: ParameterInfo) -> Any:
    """Return the type of an option for pydantic, with the bounds that the command line has."""
    if info.parser is to_place:
        return Annotated[Any, BeforeValidator(lambda text: to_place(str(text)))]
    if _is_list(kind):
        paths = Path in {arg for inner in (kind, *get_args(kind)) for arg in get_args(inner)}
        listed = Annotated[kind, BeforeValidator(_expanded)] if paths else kind
        return Annotated[listed, BeforeValidator(_listed)]
    bounds = [b for b in (_bound(Ge, info.min), _bound(Le, info.max)) if b is not None]
    if str in (kind, *get_args(kind)):
        return Annotated[kind, BeforeValidator(_joined), *bounds]
    if Path in (kind, *get_args(kind)):
        return Annotated[kind, BeforeValidator(_expanded)]
    return Annotated[(kind, *bounds)] if bounds else kind


def _is_list(kind: Any) -> bool:
    """Tell whether an option may be repeated: ``list[...]``, or that or None."""
    return list in (get_origin(inner) for inner in (kind, *get_args(kind)))


def _bound(kind: Callable[[Any], Any], value: float | None) -> Any:
    return None if value is None else kind(value)


def _joined(value: Any) -> Any:
    """Return a list as the command line takes it, with commas, and a number as its text."""
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _expanded(value: Any) -> Any:
    """Return a path with ``~`` put in, or several."""
    if isinstance(value, list | tuple):
        return [_expanded(item) for item in value]
    return Path(value).expanduser() if isinstance(value, str) else value


def _listed(value: Any) -> Any:
    """Return a list of one for one value."""
    return value if isinstance(value, list | tuple) or value is None else [value]


def _complete(command: Command, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return all arguments of a call but ``as_json``: those given, and the defaults."""
    found = {
        name: values.get(name, parameter.default)
        for name, parameter in _parameters(command).items()
    }
    found.pop("as_json", None)
    return found


def _words(parameter: inspect.Parameter, key: str, value: Any) -> list[str]:
    """Return the words of one option on the command line."""
    option = f"--{key.replace('_', '-')}"
    argument = isinstance(get_args(parameter.annotation)[1], typer.models.ArgumentInfo)
    kind = get_args(parameter.annotation)[0]
    several = _is_list(kind)
    items = value if isinstance(value, list) else [value]
    if argument:
        return [str(item) for item in items]
    if isinstance(value, bool):
        return [option if value else f"--no-{key.replace('_', '-')}"]
    if several:
        return [word for item in items for word in (option, str(item))]
    return [] if value is None else [option, str(_joined(value))]


def _parsed(text: str) -> dict[str, Any]:
    """Return the report of a command; a list of reports is one under ``reports``."""
    try:
        found = json.loads(text) if text.strip() else {}
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, dict) else {"reports": found}

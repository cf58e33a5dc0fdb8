"""YAML files of the user's, read into typed models, with errors that say where and what instead."""

from __future__ import annotations

import reprlib
from typing import TYPE_CHECKING, Any, TypeVar, get_args

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from fusionlab.errors import ConfigError, suggest

if TYPE_CHECKING:
    from pathlib import Path


class Config(BaseModel):
    """Base of everything that is read from YAML: immutable, and no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ConfigT = TypeVar("ConfigT", bound=Config)

_LONGEST_VALUE = 100


class _Loader(yaml.SafeLoader):
    """Plain YAML, in which no key may stand twice: of two, one would be lost in silence."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen = set()
        for key, _ in node.value:
            name = key.value if isinstance(key, yaml.ScalarNode) else None
            if name in seen and name != "<<":
                raise yaml.constructor.ConstructorError(
                    problem=f"key {name!r} stands twice", problem_mark=key.start_mark
                )
            if name is not None:
                seen.add(name)
        return super().construct_mapping(node, deep)


def load_yaml(path: Path, model: type[ConfigT]) -> ConfigT:
    """Read `path` as YAML into `model`.

    Raises
    ------
    ConfigError
        When the file is missing, is not YAML, or has a key or value that `model` does not take;
        an unknown key is answered with the nearest right one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise ConfigError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: is not UTF-8 text: {error}") from None
    try:
        content = yaml.load(text, _Loader)  # noqa: S506  a SafeLoader
    except RecursionError:
        raise ConfigError(f"{path}: is nested too deeply") from None
    except (yaml.YAMLError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ConfigError(f"{path}: is not YAML: {error}") from None
    if not isinstance(content, dict):
        kind = "nothing" if content is None else f"a {type(content).__name__}"
        raise ConfigError(
            f"{path}: holds {kind}; expected keys such as {', '.join(model.model_fields)}"
        )
    return checked(content, model, str(path))


def checked(content: dict[Any, Any], model: type[ConfigT], where: str) -> ConfigT:
    """Return `content` as `model`.

    Raises
    ------
    ConfigError
        Says `where`, and for each wrong key or value what was expected.
    """
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = [_explain(item, model) for item in error.errors(include_url=False)]
        raise ConfigError("\n".join(f"{where}: {line}" for line in lines)) from None


def _explain(item: Any, model: type[BaseModel]) -> str:
    """Turn one of pydantic's findings into a sentence."""
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = _keys_beside(item["loc"], model)
        nearest = suggest(str(item["loc"][-1]), known)
        hint = f" Did you mean {nearest!r}?" if nearest else ""
        listing = f" Known: {', '.join(known)}." if known else ""
        return f"unknown key {place!r}.{hint}{listing}"
    if item["type"] == "missing":
        return f"key {place!r} is missing"
    message = item["msg"].removeprefix("Value error, ")
    return f"{place}: {message} (got {_short(item['input'])})" if place else message


def _short(value: Any) -> str:
    text = reprlib.repr(value)  # bounded, unlike repr, also for a bomb of YAML aliases
    return text if len(text) <= _LONGEST_VALUE else f"{text[:_LONGEST_VALUE]}..."


def _keys_beside(loc: tuple[Any, ...], model: type[BaseModel]) -> list[str]:
    """Return the keys that are allowed where `loc` has an unknown one."""
    for part in loc[:-1]:
        field = model.model_fields.get(str(part))
        if field is None:
            continue  # a position in a list or a key of a dict, whose values are the last model
        inner = _model_within(field.annotation)
        if inner is None:
            return []
        model = inner
    return list(model.model_fields)


def _model_within(annotation: Any) -> type[BaseModel] | None:
    """Return the model that `annotation` is or holds, as in ``dict[str, Model] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    found = (_model_within(inner) for inner in get_args(annotation))
    return next((model for model in found if model is not None), None)

"""YAML files of the user's, read into typed models, with errors that say where and what instead."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, ValidationError

from fusionlab.errors import ConfigError, suggest

if TYPE_CHECKING:
    from pathlib import Path


class Config(BaseModel):
    """Base of everything that is read from YAML: immutable, and no unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


ConfigT = TypeVar("ConfigT", bound=Config)


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
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: cannot be read: {error}") from None
    try:
        content = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{path}: is not YAML: {error}") from None
    if not isinstance(content, dict):
        raise ConfigError(
            f"{path}: holds {type(content).__name__}; expected keys such as "
            f"{', '.join(model.model_fields)}"
        )
    try:
        return model.model_validate(content)
    except ValidationError as error:
        lines = [_explain(item, model) for item in error.errors(include_url=False)]
        raise ConfigError("\n".join(f"{path}: {line}" for line in lines)) from None


def _explain(item: Any, model: type[BaseModel]) -> str:
    """Turn one of pydantic's findings into a sentence."""
    place = ".".join(str(part) for part in item["loc"])
    if item["type"] == "extra_forbidden":
        known = _keys_beside(item["loc"], model)
        nearest = suggest(str(item["loc"][-1]), known)
        hint = f" Did you mean {nearest!r}?" if nearest else ""
        return f"unknown key {place!r}.{hint} Known: {', '.join(known)}."
    if item["type"] == "missing":
        return f"key {place!r} is missing"
    message = item["msg"].removeprefix("Value error, ")
    return f"{place}: {message} (got {item['input']!r})" if place else message


def _keys_beside(loc: tuple[Any, ...], model: type[BaseModel]) -> list[str]:
    """Return the keys that are allowed where `loc` has an unknown one."""
    for part in loc[:-1]:
        field = model.model_fields.get(str(part))
        inner = field.annotation if field else None
        if not (isinstance(inner, type) and issubclass(inner, BaseModel)):
            return []
        model = inner
    return list(model.model_fields)

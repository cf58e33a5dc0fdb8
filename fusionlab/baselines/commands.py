"""Fusion methods that are programs: a command, run once for a scene or once for many.

::

    mytool --ir {a} --vis {b} --out {out}             one scene a call
    mytool --ir {a_dir} --vis {b_dir} --out {out_dir} many scenes a call: a network is loaded once

No shell ever sees the command: it is cut into words, and placeholders are filled in after that.
Sources are PNG files under names of ours, in a folder that is made for the call.
"""

from __future__ import annotations

import hashlib
import re
import shlex
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator, model_validator

from fusionlab.baselines.base import EVERY_TASK, name_fault, tasks_fault
from fusionlab.configs import Config, checked, load_yaml
from fusionlab.errors import ConfigError, suggest

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

_PLACEHOLDER = re.compile(r"\{(\w+)\}")
_ONE = ("a", "b", "sources", "out", "scene")
_MANY = ("a_dir", "b_dir", "out_dir")
_EITHER = ("task",)


class Command(Config):
    """One method that is a program.

    Attributes
    ----------
    name : the name as a candidate.
    command : words and placeholders. ``{a}``, ``{b}``: files of the first two sources;
        ``{sources}``, a word of its own: those of all; ``{out}``: the file to write. Or
        ``{a_dir}``, ``{b_dir}``, ``{out_dir}``: folders in which one name is one scene. ``{task}``,
        ``{scene}``: their names.
    tasks : keys of the tasks that it serves.
    title, paper : what it is, for people.
    timeout : seconds that it may take for each scene of a call.
    colour : ``own``: sources are given as they are, and its image is taken as it is. ``merge``: it
        is given luminances, and its image gets the chroma that the task's rule says.
    bits : of the files that it is given; sources of 16 bits are brought to 8 without it.
    folder : where it runs; in a YAML file relative to it. Its own temporary folder when empty.
    version : changed by hand when the program has changed and its text has not.
    """

    name: str
    command: str
    tasks: tuple[str, ...] = EVERY_TASK
    title: str = ""
    paper: str = ""
    timeout: float = Field(120.0, gt=0)
    colour: Literal["own", "merge"] = "own"
    bits: Literal[8, 16] = 8
    folder: str = ""
    version: str | int = ""

    @field_validator("name")
    @classmethod
    def _right_name(cls, name: str) -> str:
        if fault := name_fault(name):
            raise ValueError(fault)
        return name

    @field_validator("tasks")
    @classmethod
    def _known_tasks(cls, tasks: tuple[str, ...]) -> tuple[str, ...]:
        if fault := tasks_fault(tasks):
            raise ValueError(fault)
        return tasks

    @model_validator(mode="after")
    def _right_command(self) -> Command:
        if fault := _command_fault(self.command):
            raise ValueError(fault)
        return self

    @property
    def many(self) -> bool:
        """Tell whether one call serves many scenes."""
        return "{out_dir}" in self.command

    @property
    def digest(self) -> str:
        """Return what tells this command from another that may give other images."""
        folder = PurePath(self.folder).name  # it may lie elsewhere on another machine
        parts = (self.command, self.colour, str(self.bits), folder, str(self.version))
        return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]

    def words(self, values: Mapping[str, str], sources: Sequence[str] = ()) -> list[str]:
        """Return the words of a call, with `values` for placeholders and `sources` for theirs."""
        words: list[str] = []
        for word in shlex.split(self.command):
            if word == "{sources}":
                words += sources
            else:
                words.append(_PLACEHOLDER.sub(lambda match: values[match[1]], word))
        return words


def _command_fault(command: str) -> str | None:
    """Return what is wrong with the text of a command, or None."""
    try:
        words = shlex.split(command)
    except ValueError as error:
        return f"cannot be cut into words: {error}"
    if not words or _PLACEHOLDER.search(words[0]):
        return "begins with no program"
    used = set(_PLACEHOLDER.findall(command))
    for name in sorted(used - {*_ONE, *_MANY, *_EITHER}):
        nearest = suggest(name, (*_ONE, *_MANY, *_EITHER))
        hint = f"; did you mean {{{nearest}}}?" if nearest else ""
        known = ", ".join(f"{{{n}}}" for n in (*_ONE, *_MANY, *_EITHER))
        return f"unknown placeholder {{{name}}}{hint} Known: {known}"
    if used & set(_ONE) and used & set(_MANY):
        return "mixes placeholders of one scene ({a}) with those of many ({a_dir})"
    if any("{sources}" in word and word != "{sources}" for word in words):
        return "{sources} stands for several words, and so must be a word of its own"
    needed = [set(_MANY)] if used & set(_MANY) else [{"a", "b", "out"}, {"sources", "out"}]
    if not any(names <= used for names in needed):
        return "needs {a}, {b} and {out}; or {sources} and {out}; or {a_dir}, {b_dir} and {out_dir}"
    return None


class CommandFile(Config):
    """A YAML file of commands: name -> what a `Command` says but for its name."""

    methods: dict[str, Command] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _named(cls, content: Any) -> Any:
        methods = content.get("methods") if isinstance(content, dict) else None
        if not isinstance(methods, dict):
            return content
        named = {n: {**m, "name": n} if isinstance(m, dict) else m for n, m in methods.items()}
        return {**content, "methods": named}


def parse_command(text: str) -> Command:
    """Read ``NAME=mytool {a} {b} {out}``.

    Raises
    ------
    ConfigError
        When it is not of that form; the message says what is wrong.
    """
    name, equals, command = text.partition("=")
    where = f"--command {name.strip()}"
    if not equals:
        raise ConfigError(f"{where}: expected NAME=PROGRAM, e.g. 'mine=mytool {{a}} {{b}} {{out}}'")
    return checked({"name": name.strip(), "command": command}, Command, where)


def load_commands(path: Path) -> list[Command]:
    """Read a YAML file of commands.

    Raises
    ------
    ConfigError
        When the file is wrong; the message says where.
    """
    return [
        command.model_copy(update={"folder": str((path.parent / command.folder).resolve())})
        if command.folder
        else command
        for command in load_yaml(path, CommandFile).methods.values()
    ]

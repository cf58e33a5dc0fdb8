"""Which methods a run makes candidates by: functions, ours or of plug-ins, and commands."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from fusionlab import baselines
from fusionlab.baselines.running import run_command
from fusionlab.decoys import DECOY_PREFIX, DECOYS
from fusionlab.errors import FusionLabError, MethodError, UnknownNameError, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from fusionlab.baselines.commands import Command
    from fusionlab.baselines.running import Results, Scenes
    from fusionlab.images import Pixels

#: What a row of the index says of an image that a method made: ``method NAME VERSION``.
BY_METHOD = "method "


@dataclass(frozen=True, slots=True)
class Function:
    """A method that is a function, known by its name to every worker.

    Attributes
    ----------
    version : of the function where the run was planned; a worker with another one makes nothing.
    """

    name: str
    tasks: tuple[str, ...]
    version: int

    @property
    def many(self) -> bool:
        """Tell whether one call serves many scenes."""
        return False

    @property
    def what(self) -> str:
        """Return how its images were made, for the index."""
        return f"{BY_METHOD}{self.name} {self.version}"

    def fuse(self, task: str, scenes: Scenes) -> Results:
        """Fuse scenes; what cannot be fused is an error among the results, never raised."""
        return {scene: self._fuse_one(task, sources) for scene, sources in scenes.items()}

    def _fuse_one(self, task: str, sources: Sequence[Pixels]) -> Pixels | MethodError:
        try:
            here = baselines.get(self.name).version
            if here != self.version:
                detail = f"this worker has version {here} of it, not {self.version}; update it"
                return MethodError("method_failed", detail)
            return baselines.apply(self.name, task, sources)
        except FusionLabError as error:
            detail = str(error)
        except Exception as error:  # noqa: BLE001  other people's function
            detail = f"{self.name}: {error!r}"
        return MethodError("method_failed", detail)


@dataclass(frozen=True, slots=True)
class Program:
    """A method that is a command."""

    command: Command

    @property
    def name(self) -> str:
        """Return its name as a candidate."""
        return self.command.name

    @property
    def tasks(self) -> tuple[str, ...]:
        """Return the keys of the tasks that it serves."""
        return self.command.tasks

    @property
    def many(self) -> bool:
        """Tell whether one call serves many scenes."""
        return self.command.many

    @property
    def what(self) -> str:
        """Return how its images were made, for the index."""
        return f"{BY_METHOD}{self.name} command-{self.command.digest}"

    def fuse(self, task: str, scenes: Scenes) -> Results:
        """Fuse scenes; what cannot be fused is an error among the results, never raised."""
        return run_command(self.command, task, scenes)


Method: TypeAlias = Function | Program


def choose_methods(
    names: Sequence[str] | None = None, commands: Sequence[Command] = ()
) -> list[Method]:
    """Return the methods that are meant, each once.

    Parameters
    ----------
    names : of functions and of `commands`. When None: all commands, if there are any, else all
        functions but the plain mean and maximum, which are decoys and are never chosen.
    commands : methods that are programs.

    Raises
    ------
    UsageError
        When a command has the name of a function, or of another command.
    UnknownNameError
        When there is no such method.
    """
    programs: dict[str, Method] = {}
    for command in commands:
        if command.name in baselines.table() or command.name in programs:
            raise UsageError(f"command {command.name!r}: there is a method of that name; rename it")
        programs[command.name] = Program(command)
    functions: dict[str, Method] = {
        b.name: Function(b.name, b.tasks, b.version) for b in baselines.table().values()
    }
    known = functions | programs
    if names is None:
        names = [*programs] or [n for n in functions if f"{DECOY_PREFIX}{n}" not in DECOYS]
    for name in names:
        if name not in known:
            raise UnknownNameError("method", name, known)
    return [known[name] for name in dict.fromkeys(names)]

"""The dataset manifest: a YAML file that says which files are sources and which are candidates."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from itertools import chain
from typing import TYPE_CHECKING, Annotated, Any

from pydantic import BeforeValidator, Field, field_validator, model_validator

from fusionlab.configs import Config, load_yaml
from fusionlab.errors import ConfigError, suggest
from fusionlab.ingest.members import is_archive
from fusionlab.ingest.patterns import Pattern
from fusionlab.ranges import Reading, is_range
from fusionlab.store import is_safe_name
from fusionlab.tasks import TASKS

if TYPE_CHECKING:
    from pathlib import Path

_ALL = "*"
_CANDIDATES, _REFERENCE = "candidates", "reference"
_GROUP = "{group}"


def _by_role(value: Any) -> Any:
    """Write ``4095`` and ``[0, 1]`` out, for all roles or for each."""
    if isinstance(value, dict):
        return {role: _pair(numbers) for role, numbers in value.items()}
    return {} if value is None else {_ALL: _pair(value)}


def _pair(value: Any) -> Any:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return (0.0, value) if number else value


def _listed(value: Any) -> Any:
    """Write one pattern out as a list of one, and none as the empty list."""
    if value is None:
        return ()
    return (value,) if isinstance(value, str) else value


def _as_grouping(value: Any) -> Any:
    """Write a pattern alone out as a grouping."""
    return {"pattern": value} if isinstance(value, str) else value


def _parsed(texts: tuple[str, ...], placeholders: set[str]) -> tuple[str, ...]:
    return tuple(Pattern.parse(text, placeholders).text for text in texts)


class OpinionFile(Config):
    """A CSV table of what people think of candidates; selection never sees it.

    Attributes
    ----------
    file : its path, relative to the manifest's root.
    scene, method, score : names of its columns; a higher score is better.
    """

    file: str
    scene: str = "scene"
    method: str = "method"
    score: str = "score"

    @field_validator("file")
    @classmethod
    def _inside_root(cls, file: str) -> str:
        if not file or file.startswith("/") or ".." in file.split("/"):
            raise ValueError("must be a file, relative to root, and not climb out of it")
        return posixpath.normpath(file)


class Grouping(Config):
    """How names of scenes say which of them belong together: a patient, a sequence.

    Attributes
    ----------
    pattern : of a scene's whole name, with ``{group}``; ``*`` is any number of characters, ``?``
        one. Of several readings the shortest group counts.
    within : data sets that name the same here share their groups; by default none does.
    """

    pattern: str
    within: str = ""

    @field_validator("pattern")
    @classmethod
    def _one_group(cls, pattern: str) -> str:
        if pattern.count(_GROUP) != 1 or set("{}") & set(pattern.replace(_GROUP, "")):
            raise ValueError(f"must hold {_GROUP} once, and no other placeholder")
        return pattern

    def group_of(self, scene: str) -> str:
        """Return the group that a scene's name says, or the empty text."""
        parts = re.split(r"(\{group\}|\*|\?)", self.pattern)
        tokens = {_GROUP: "(?P<group>.+?)", "*": ".*?", "?": "."}
        found = re.fullmatch("".join(tokens.get(p, re.escape(p)) for p in parts), scene)
        return found["group"] if found else ""


_Numbers = dict[str, tuple[float, float]]
_Patterns = Annotated[tuple[str, ...], BeforeValidator(_listed)]


class Manifest(Config):
    """What ingest reads.

    Attributes
    ----------
    task : ``ivf``, ``mif``, ``mef`` or ``mff``.
    dataset : name of the data set in the lab.
    root : folder or archive the patterns start at; relative to the manifest file.
    sources : modality -> pattern, or a list of them; the first two modalities are a and b.
    candidates : pattern with ``{scene}`` and ``{method}``, or a list of them; none when there are
        only sources.
    reference : pattern or patterns of the optional truth. Selection never sees it.
    group : which scenes belong together, see `Grouping`; a pattern alone is enough.
    opinions : the table of opinion scores, where there is one. Selection never sees it either.
    ignore : globs of files that are known not to belong to the data.
    data_range : modality, ``candidates`` or ``reference`` -> the least and the greatest value that
        images of more than 8 bit can have; ``*`` for all others.
    window : the same -> centre and width of the values to be shown; the rest is clipped.
    """

    task: str
    dataset: str
    root: str = "."
    sources: dict[str, _Patterns] = Field(min_length=2)
    candidates: _Patterns = ()
    reference: _Patterns = ()
    group: Annotated[Grouping | None, BeforeValidator(_as_grouping)] = None
    opinions: OpinionFile | None = None
    ignore: _Patterns = ()
    data_range: Annotated[_Numbers, BeforeValidator(_by_role)] = Field(default_factory=dict)
    window: _Numbers = Field(default_factory=dict)

    @field_validator("task")
    @classmethod
    def _known_task(cls, task: str) -> str:
        if task not in TASKS:
            nearest = suggest(task, TASKS)
            hint = f" Did you mean {nearest!r}?" if nearest else ""
            raise ValueError(f"unknown task.{hint} Known: {', '.join(TASKS)}.")
        return task

    @field_validator("dataset")
    @classmethod
    def _safe_dataset(cls, dataset: str) -> str:
        if not is_safe_name(dataset):
            raise ValueError("a data set's name holds no '/', ':' or leading '.'")
        return dataset

    @field_validator("sources")
    @classmethod
    def _source_patterns(cls, sources: dict[str, _Patterns]) -> dict[str, _Patterns]:
        for modality in sources:
            if not is_safe_name(modality):
                raise ValueError(f"modality {modality!r} holds '/', ':' or a leading '.'")
        parsed = {m: _parsed(texts, {"scene"}) for m, texts in sources.items()}
        every = [text for texts in parsed.values() for text in texts]
        if len(set(every)) < len(every):
            raise ValueError("two sources have the same pattern")
        if not all(parsed.values()):
            raise ValueError("a source has no pattern")
        return parsed

    @field_validator("candidates")
    @classmethod
    def _candidate_patterns(cls, texts: _Patterns) -> _Patterns:
        return _parsed(texts, {"scene", "method"})

    @field_validator("reference")
    @classmethod
    def _reference_patterns(cls, texts: _Patterns) -> _Patterns:
        return _parsed(texts, {"scene"})

    @field_validator("data_range")
    @classmethod
    def _ranges_rise(cls, ranges: _Numbers) -> _Numbers:
        for role, (low, high) in ranges.items():
            if not is_range(low, high):
                raise ValueError(f"{role}: the range {low:g}..{high:g} does not rise")
        return ranges

    @field_validator("window")
    @classmethod
    def _windows_are_open(cls, windows: _Numbers) -> _Numbers:
        for role, (centre, width) in windows.items():
            if not is_range(centre - width / 2, centre + width / 2):
                raise ValueError(f"{role}: expected a centre and a width above 0")
        return windows

    @model_validator(mode="after")
    def _known_roles(self) -> Manifest:
        known = [*self.sources, _CANDIDATES, _REFERENCE]
        for key in ("data_range", "window"):
            for role in getattr(self, key):
                if role not in (*known, _ALL):
                    raise ValueError(f"{key}: nothing is called {role!r}; it takes {known}")
        if both := self.data_range.keys() & self.window.keys():
            raise ValueError(f"{min(both)!r} has a data_range and a window; keep one")
        return self

    def reading(self, role: str, name: str) -> Reading | None:
        """Return the range or window that is declared for a file of a role and name."""
        key = {"method": _CANDIDATES, "reference": _REFERENCE}.get(role, name)
        for asked in (key, _ALL):
            if asked in self.window:
                return Reading.window(*self.window[asked])
            if asked in self.data_range:
                return Reading.span(*self.data_range[asked])
        return None

    def group_of(self, scene: str) -> str:
        """Return the full name of the group that a scene is in; the empty text is none."""
        found = self.group.group_of(scene) if self.group else ""
        within = (self.group and self.group.within) or f"{self.task}/{self.dataset}"
        return f"{within}/{found}" if found else ""

    def ignores(self, path: str) -> bool:
        """Tell whether a path is known not to belong to the images."""
        if self.opinions is not None and path == self.opinions.file:
            return True
        name = path.rpartition("/")[2]
        return any(
            fnmatch.fnmatchcase(path, g) or fnmatch.fnmatchcase(name, g) for g in self.ignore
        )

    def enters(self, path: str) -> bool:
        """Tell whether a pattern goes on inside the archive or volume at `path`."""
        opinions = (self.opinions.file,) if self.opinions else ()
        texts = chain(*self.sources.values(), self.candidates, self.reference, opinions)
        return not self.ignores(path) and any(Pattern(text).enters(path) for text in texts)


def load_manifest(path: Path, root: Path | None = None) -> tuple[Manifest, Path]:
    """Read a manifest and find its root folder.

    Parameters
    ----------
    path : the YAML file.
    root : overrides the manifest's own root.

    Raises
    ------
    ConfigError
        When the file is wrong, or the root is neither a folder nor an archive.
    """
    manifest = load_yaml(path, Manifest)
    folder = root if root is not None else path.parent / manifest.root
    if not folder.is_dir() and not (is_archive(folder.name) and folder.is_file()):
        raise ConfigError(
            f"{path}: root {folder} is not a folder, nor a zip or tar archive; correct 'root' or "
            "give --root FOLDER"
        )
    return manifest, folder

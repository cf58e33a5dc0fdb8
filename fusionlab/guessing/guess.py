"""What a folder of images is: the manifest that describes it, and why.

A public benchmark in its usual layout is recognised by its shipped manifest. Else names decide
what is a source, and content has a second opinion on the task; outputs of methods are what is
named after the scenes. The manifest is tried by the code that ingest uses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusionlab.configs import checked
from fusionlab.errors import FusionLabError, UsageError
from fusionlab.guessing.content import SAMPLES, Eye, Opinion, judge
from fusionlab.guessing.groups import find_groups
from fusionlab.guessing.known import Known, recognise
from fusionlab.guessing.messages import (
    no_sources,
    nothing,
    partly,
    several,
    unwritable,
    words_of_pair,
)
from fusionlab.guessing.pairs import Choice, Pair, choose
from fusionlab.guessing.rest import Rest, sort_rest
from fusionlab.guessing.roles import Role, roles_of
from fusionlab.guessing.structure import choose_by_structure
from fusionlab.guessing.survey import Survey, survey, walks_into
from fusionlab.guessing.tried import Tried, try_manifest
from fusionlab.ingest.manifest import Manifest
from fusionlab.ingest.tree import FileTree
from fusionlab.store import is_safe_name
from fusionlab.tasks import TASKS, get_task

if TYPE_CHECKING:
    from pathlib import Path

#: How sure a guess can be, the surest first.
SURE, LIKELY, DOUBTFUL = "sure", "likely", "doubtful"


class NoImagesError(FusionLabError):
    """A folder holds no images."""


class SeveralSetsError(UsageError):
    """A folder holds several data sets."""


@dataclass(frozen=True)
class Part:
    """One row of the explanation.

    Attributes
    ----------
    patterns : of the manifest.
    taken_for : what they are.
    why : in words.
    """

    patterns: tuple[str, ...]
    taken_for: str
    why: str


@dataclass(frozen=True)
class Guess:
    """A manifest and the reasons for it.

    Attributes
    ----------
    content : the manifest's keys and values; no ``root``.
    parts : what each pattern was taken for, and why.
    sureness : ``sure``, ``likely`` or ``doubtful``.
    notes : what else is worth knowing, in words.
    tried : what ingest would read by it.
    unreadable : images that were looked at and could not be decoded, with the reason.
    """

    root: Path
    content: dict[str, Any]
    parts: tuple[Part, ...]
    sureness: str
    notes: tuple[str, ...]
    tried: Tried
    unreadable: dict[str, str] = field(default_factory=dict)

    @property
    def manifest(self) -> Manifest:
        """Return the manifest, checked."""
        return checked(self.content, Manifest, "the guessed manifest")


def guess_manifest(root: Path, task: str | None = None, name: str | None = None) -> Guess:
    """Guess the manifest of the images below `root`.

    Parameters
    ----------
    root : a folder, or a zip or tar archive.
    task : decides it, where names and content do not.
    name : of the data set; else the folder's.

    Raises
    ------
    UsageError
        When names and content leave a choice; the message lists it and says what decides.
    FusionLabError
        When there is nothing to guess from.
    """
    if task is not None:
        get_task(task, "--task")
    if not root.exists():
        raise UsageError(f"{root}: there is no such folder")
    with FileTree(root, walks_into) as tree:
        seen = survey(tree)
        if not seen.images:
            raise NoImagesError(nothing(root, seen, tree))
        known = recognise(seen, root)
        if known is not None and task in (None, known.shipped.manifest.task):
            return _from_known(known, root, name, seen)
        return _Guesser(root, Eye(tree), seen).guess(task, name)


def _from_known(known: Known, root: Path, name: str | None, seen: Survey) -> Guess:
    manifest = known.shipped.manifest
    content = manifest.model_dump(exclude_defaults=True, mode="json")
    content["dataset"] = _name(name or (manifest.dataset if known.named else root.resolve().name))
    rows = [(m, texts, f"source {m}") for m, texts in manifest.sources.items()]
    rows += [("", manifest.candidates, "methods"), ("", manifest.reference, "truth")]
    parts = tuple(Part(texts, taken, known.why) for _, texts, taken in rows if texts)
    tried = try_manifest(checked(content, Manifest, str(root)), root)
    notes = (*partly(seen), *unwritable(seen))
    return Guess(root, content, parts, SURE if known.named else LIKELY, notes, tried)


class _Guesser:
    """Works out one folder."""

    def __init__(self, root: Path, eye: Eye, seen: Survey) -> None:
        self.root, self.eye, self.seen = root, eye, seen
        self.notes: list[str] = [*partly(seen), *unwritable(seen)]
        self.sureness = SURE

    def guess(self, task: str | None, name: str | None) -> Guess:
        choice = self._choose()
        opinion = judge(self.eye.pairs(_samples(choice.pairs)))
        decided = self._decide(task, choice, opinion)
        roles = roles_of(choice, decided, opinion)
        self._warn(decided, opinion, typed=choice.pairs[0].task == decided)
        rest = self._rest(roles, decided)
        content = self._content(roles, rest, decided, name)
        tried = try_manifest(checked(content, Manifest, str(self.root)), self.root)
        if not tried.scenes:
            raise FusionLabError(
                f"{self.root}: no two sources share a file name; a scene needs both. Looked for "
                f"{', '.join(p for role in roles for p in role.patterns)}"
            )
        parts = _parts(roles, rest)
        return Guess(
            self.root, content, parts, self.sureness, tuple(self.notes), tried, self.eye.unreadable
        )

    def _choose(self) -> Choice:
        trusted, others = find_groups(self.seen.folders)
        choice = choose(trusted)
        if not choice.pairs:
            choice = choose(others)
        if choice.rivals:
            raise SeveralSetsError(several(self.root, [*choice.pairs, *choice.rivals]))
        if choice.pairs:
            return choice
        self._doubt("no folder or file name says what the sources are: taken by their structure")
        found = choose_by_structure(self.seen.folders, self.eye)
        if not found.pairs:
            raise FusionLabError(no_sources(self.root, self.seen))
        return found

    def _decide(self, task: str | None, choice: Choice, opinion: Opinion | None) -> str:
        named = choice.pairs[0].task
        by_content = opinion.task if opinion is not None else ""
        why = opinion.why if opinion is not None else "no pair of images could be read"
        decided = task or named or by_content
        if not decided:
            raise UsageError(
                f"{self.root}: the names {words_of_pair(choice.pairs[0])} fit any task, and "
                f"content does not decide ({why}); give --task {' or --task '.join(TASKS)}"
            )
        source = "--task" if task else "names" if named else "content"
        agrees = "agrees" if by_content == decided else "says " + (by_content or "nothing")
        self.notes.append(
            f"task {decided} by {source}"
            + (f" ({why})" if source == "content" else f"; content {agrees} ({why})")
        )
        if source == "content":
            self._lower(LIKELY)
        elif by_content not in (decided, ""):
            self._doubt(f"names or --task say {decided}, content says {by_content}: look at some")
        return decided

    def _warn(self, task: str, opinion: Opinion | None, *, typed: bool) -> None:
        """Doubt sources that look as if their names were exchanged."""
        if not typed or opinion is None:
            return
        a, b = opinion.coloured
        if task == "ivf" and a and not b:
            self._doubt("the infrared images are coloured and the visible ones gray: exchanged?")
        if task == "mif" and b and not a:
            self._doubt("the second source is coloured and the first is gray: exchanged?")
        if task == "mef" and opinion.brighter < 0:
            self._doubt("the under-exposed images are brighter than the others: exchanged?")

    def _rest(self, roles: list[Role], task: str) -> Rest:
        used = {path for role in roles for path in role.files.values()}
        scenes = set(roles[0].files) & set(roles[1].files)
        return sort_rest(self.seen.folders, used, scenes, task)

    def _content(
        self, roles: list[Role], rest: Rest, task: str, name: str | None
    ) -> dict[str, Any]:
        endings = sorted(f"*{ending}" for ending in self.seen.others if ending)
        content: dict[str, Any] = {
            "task": task,
            "dataset": _name(name or self.root.resolve().name),
            "sources": {role.modality: list(role.patterns) for role in roles},
            "candidates": list(rest.candidates),
            "reference": list(rest.reference),
            "ignore": [*rest.ignore, *endings],
        }
        return {key: value for key, value in content.items() if value}

    def _lower(self, sureness: str) -> None:
        order = (SURE, LIKELY, DOUBTFUL)
        self.sureness = max(self.sureness, sureness, key=order.index)

    def _doubt(self, note: str) -> None:
        self.notes.append(note)
        self._lower(DOUBTFUL)


def _samples(pairs: list[Pair]) -> list[tuple[str, str]]:
    """Return the files of a few scenes, evenly spread."""
    both = [
        (pair.a.files[scene], pair.b.files[scene])
        for pair in pairs
        for scene in sorted(pair.scenes)
    ]
    return both[:: -(-len(both) // SAMPLES) or 1]


def _parts(roles: list[Role], rest: Rest) -> tuple[Part, ...]:
    return (
        *(Part(role.patterns, f"source {role.modality}", role.why) for role in roles),
        *(Part((text,), "methods", why) for text, why in rest.candidates.items()),
        *(Part((text,), "truth", why) for text, why in rest.reference.items()),
        *(Part((text,), "passed over", why) for text, why in rest.ignore.items()),
    )


def _name(name: str) -> str:
    """Return a name that a data set can have."""
    kept = re.sub(r"[/:\\\s]+", "_", name).lstrip(".")
    return kept if is_safe_name(kept) else "data"

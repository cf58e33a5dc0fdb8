"""Which file is what: walk the root, match every file, and group the files by scene."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from fusionlab.ingest.patterns import Pattern
from fusionlab.ingest.rejects import Reject
from fusionlab.store import is_safe_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionlab.ingest.manifest import Manifest

#: The name that a reference image has in index and store.
REFERENCE_NAME = "truth"


@dataclass(frozen=True, slots=True, order=True)
class FoundFile:
    """One file and what its name says it is.

    Attributes
    ----------
    scene, role, position, name : as in the index table; `role` is ``source``, ``method`` or
        ``reference`` and sorts sources first through `rank`.
    file : path relative to root, with ``/``.
    named : the scene that its name says, where content says otherwise; else empty.
    """

    rank: int
    position: int
    name: str
    role: str
    scene: str
    file: str
    named: str = ""


@dataclass
class FoundScene:
    """The files of one scene, in the order they are stored: sources, reference, methods."""

    scene: str
    files: list[FoundFile] = field(default_factory=list)


@dataclass
class Findings:
    """The scenes of a root folder, sorted by name, and what could not be used."""

    scenes: list[FoundScene]
    rejects: list[Reject]


class Listing(Protocol):
    """Something that lists files, and what it could not list: a `FileTree`."""

    rejects: list[Reject]

    def walk(self) -> Iterator[str]:
        """Yield paths relative to the root."""
        ...


def find(manifest: Manifest, tree: Listing) -> Findings:
    """Match every file of `tree` against the manifest's patterns.

    A scene needs its first two sources; what belongs to no such scene, matches no pattern, or
    shares its place with another file is rejected with a reason.
    """
    paths = [path for path in tree.walk() if not manifest.ignores(path)]
    rejects = list(tree.rejects)
    matched, rest = _match_sources(manifest, paths)
    known = {found.scene for found in matched}
    for path in rest:
        found = _match_candidate(manifest, path, known)
        if found is None:
            rejects.append(
                Reject("unmatched_file", "no pattern of the manifest matches it", file=path)
            )
        elif not is_safe_name(found.name):
            rejects.append(
                Reject("unsafe_name", f"{found.name!r} cannot be a method's name; rename it", found)
            )
        else:
            matched.append(found)
    unique, doubles = _one_file_a_place(matched)
    scenes, orphans = _complete_scenes(unique, list(manifest.sources))
    return Findings(scenes, rejects + doubles + orphans)


def _match_sources(manifest: Manifest, paths: list[str]) -> tuple[list[FoundFile], list[str]]:
    """Match sources and reference; return the matches and the paths that are neither."""
    roles = [
        (Pattern(text), 0, position, modality, "source")
        for position, (modality, texts) in enumerate(manifest.sources.items())
        for text in texts
    ]
    roles += [(Pattern(text), 1, -1, REFERENCE_NAME, "reference") for text in manifest.reference]
    roles.sort(key=lambda role: -role[0].specificity)
    found, rest = [], []
    for path in paths:
        for pattern, rank, position, name, role in roles:
            if match := pattern.match(path):
                found.append(FoundFile(rank, position, name, role, match.scene, path))
                break
        else:
            rest.append(path)
    return found, rest


def _match_candidate(manifest: Manifest, path: str, scenes: set[str]) -> FoundFile | None:
    patterns = sorted(map(Pattern, manifest.candidates), key=lambda p: -p.specificity)
    matches = [match for pattern in patterns if (match := pattern.match(path, scenes))]
    # of several readings of a name, one that gives a known scene
    match = next((m for m in matches if m.scene in scenes), matches[0] if matches else None)
    return FoundFile(2, -1, match.method, "method", match.scene, path) if match else None


def _one_file_a_place(files: list[FoundFile]) -> tuple[list[FoundFile], list[Reject]]:
    """Reject files that claim the same scene, role and name: we do not guess which is meant."""
    places: dict[tuple[str, str, str], list[FoundFile]] = defaultdict(list)
    for found in files:
        places[found.scene, found.role, found.name].append(found)
    unique, rejects = [], []
    for claimants in places.values():
        if len(claimants) == 1:
            unique.append(claimants[0])
            continue
        names = " and ".join(sorted(c.file for c in claimants))
        rejects += [
            Reject("duplicate_file", f"{names} claim the same place; keep one", c)
            for c in claimants
        ]
    return unique, rejects


def _complete_scenes(
    files: list[FoundFile], modalities: list[str]
) -> tuple[list[FoundScene], list[Reject]]:
    """Group by scene; reject scenes that lack a or b, and what belongs to no scene."""
    groups: dict[str, list[FoundFile]] = defaultdict(list)
    for found in files:
        groups[found.scene].append(found)
    scenes, rejects = [], []
    for scene, members in sorted(groups.items()):
        have = {m.name for m in members if m.role == "source"}
        missing = [modality for modality in modalities[:2] if modality not in have]
        if not missing:
            scenes.append(FoundScene(scene, sorted(members)))
        elif have:
            detail = f"scene {scene!r} has no source {' and no source '.join(missing)}"
            rejects += [Reject("missing_source", detail, m) for m in sorted(members)]
        else:
            detail = (
                f"no source of a scene {scene!r} was found; if it is a candidate under another "
                "name, --match content finds its scene"
            )
            rejects += [Reject("no_sources", detail, m) for m in sorted(members)]
    return scenes, rejects

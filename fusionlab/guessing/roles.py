"""From pairs of groups to the sources of a manifest: their names, their order, their patterns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionlab.guessing.pairs import varying
from fusionlab.tasks import TASKS

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionlab.guessing.content import Opinion
    from fusionlab.guessing.groups import Group
    from fusionlab.guessing.pairs import Choice

_NAMES = {"ivf": ("ir", "vis"), "mif": ("a", "b"), "mef": ("under", "over"), "mff": ("A", "B")}


@dataclass(frozen=True)
class Role:
    """One source.

    Attributes
    ----------
    modality : its name in the manifest.
    patterns : one for each part of the data set.
    files : scene -> path.
    why : in words.
    """

    modality: str
    patterns: tuple[str, ...]
    files: dict[str, str]
    why: str


def roles_of(choice: Choice, task: str, opinion: Opinion | None) -> list[Role]:
    """Return the sources in the order of the task, a and b first."""
    columns = [[pair.a for pair in choice.pairs], [pair.b for pair in choice.pairs]]
    typed = choice.pairs[0].task == task
    exchanged = not typed and opinion is not None and _is_exchanged(task, opinion)
    columns = columns[::-1] if exchanged else columns
    names = _NAMES[task]
    roles = [
        _role(groups, groups[0].meaning.modality if typed else name, choice.by_folder)
        for groups, name in zip(columns, names, strict=True)
    ]
    if not typed:
        roles = [_explained(role, task, opinion, slot) for slot, role in enumerate(roles)]
    return [*roles, *_further(choice, task)]


def _is_exchanged(task: str, opinion: Opinion) -> bool:
    """Tell whether content says that b is the first source."""
    a, b = opinion.coloured
    if task == "mef":
        return opinion.brighter < 0
    return (task == "ivf" and a and not b) or (task == "mif" and b and not a)


def _explained(role: Role, task: str, opinion: Opinion | None, slot: int) -> Role:
    usual = (TASKS[task].a, TASKS[task].b)[slot]
    said = "by content" if opinion is not None and _can_tell(task, opinion) else "by their order"
    why = f"{role.why.partition(',')[0]}; taken as {usual} {said}"
    return Role(role.modality, role.patterns, role.files, why)


def _can_tell(task: str, opinion: Opinion) -> bool:
    a, b = opinion.coloured
    return task == "mef" or (task in ("ivf", "mif") and a != b)


def _role(groups: list[Group], modality: str, by_folder: bool) -> Role:
    patterns: list[str] = []
    files: dict[str, str] = {}
    place = varying([group.context for group in groups]) if by_folder else None
    for group in groups:
        part = group.context.split("/")[place] if place is not None else ""
        patterns += [p if place is None else _sliced(p, place) for p in group.patterns]
        files |= {f"{part}_{scene}" if part else scene: p for scene, p in group.files.items()}
    words = ", ".join(dict.fromkeys(repr(group.word) for group in groups))
    why = f"named {words}" + ("" if words == repr(modality) else f", which means {modality}")
    return Role(modality, tuple(dict.fromkeys(patterns)), files, why)


def _sliced(pattern: str, place: int) -> str:
    """Write a pattern for scenes named PART_NAME."""
    parts = [part.replace("{scene}", "{slice}") for part in pattern.split("/")]
    parts[place] = "{scene}"
    return "/".join(parts)


def _further(choice: Choice, task: str) -> Iterator[Role]:
    """Return the shots beside the pair; those of parts are not told apart, and left out."""
    if len(choice.pairs) > 1:
        return
    first = "mid" if task == "mef" else "further"
    for number, group in enumerate(choice.pairs[0].further, start=1):
        modality = first if number == 1 else f"{first}_{number}"
        yield _role([group], modality, by_folder=False)

"""Sources without telling names: folders side by side whose files have the same names.

Two such folders are the pair. Of more, the two that are least alike are: a fused image is like
both of its sources.
"""

from __future__ import annotations

from collections import defaultdict
from itertools import combinations
from typing import TYPE_CHECKING

from fusionlab.guessing.content import likeness
from fusionlab.guessing.groups import Group, inside
from fusionlab.guessing.pairs import Choice, Pair
from fusionlab.guessing.words import Meaning, is_passed_over, is_truth

if TYPE_CHECKING:
    from fusionlab.guessing.content import Eye, Look
    from fusionlab.guessing.groups import Folders

_SHARE = 0.5  # of a folder's names that the others must have too
_MOST = 12  # folders that are compared with each other
_SCENES = 3


def choose_by_structure(folders: Folders, eye: Eye) -> Choice:
    """Choose the sources among folders with the same file names; empty where there are none."""
    siblings: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for folder, stems in folders.items():
        if folder and not is_truth(folder, "mff") and not is_passed_over(folder):
            parent, _, name = folder.rpartition("/")
            siblings[parent][name] = stems
    sets = [(parent, _alike(children)) for parent, children in sorted(siblings.items())]
    parent, children = max(sets, key=lambda s: _weight(*s), default=("", {}))
    if not 1 < len(children) <= _MOST:
        return Choice()
    pair = min(combinations(sorted(children), 2), key=_Likeness(children, eye))
    groups = [
        Group(
            inside(parent, "*"),
            Meaning("", "AB"[slot], slot),
            name,
            (f"{inside(parent, name)}/{{scene}}.*",),
            children[name],
        )
        for slot, name in enumerate(pair)
    ]
    return Choice([Pair(groups[0], groups[1])])


def _alike(children: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Keep the folders that share most file names with the largest."""
    if not children:
        return {}
    largest = max(children.values(), key=len)
    return {
        name: stems
        for name, stems in children.items()
        if len(stems.keys() & largest.keys()) >= _SHARE * len(largest)
    }


def _weight(parent: str, children: dict[str, dict[str, str]]) -> tuple[bool, bool, int]:
    words = parent.lower()
    sources = any(word in words for word in ("source", "input", "original"))
    scenes = len(set.intersection(*map(set, children.values()))) if children else 0
    return len(children) > 1, sources, scenes


class _Likeness:
    """Mean likeness of two folders' images, each looked at once."""

    def __init__(self, children: dict[str, dict[str, str]], eye: Eye) -> None:
        self.children, self.eye = children, eye
        self.scenes = sorted(set.intersection(*map(set, children.values())))[:_SCENES]
        self.looks: dict[str, list[Look | None]] = {}

    def __call__(self, pair: tuple[str, str]) -> float:
        if len(self.children) == 2:
            return 0.0
        for name in pair:
            if name not in self.looks:
                paths = [self.children[name][scene] for scene in self.scenes]
                self.looks[name] = [self.eye.look(path) for path in paths]
        both = zip(*(self.looks[name] for name in pair), strict=True)
        found = [likeness(a, b) for a, b in both if a is not None and b is not None]
        return sum(found) / len(found) if found else 1.0

"""Groups of images that a word in their names gives a role, by three ways to lay files out.

::

    a folder a role     ir/1.png             vis/1.png
    a suffix a role     lytro-01-A.jpg       lytro-01-B.jpg
    a folder a scene    507/507_A.tif        507/507_B.tif
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionlab.guessing.words import Meaning, affixes, is_truth, meaning_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    Folders = dict[str, dict[str, str]]

_MOST_NUMBERED = 4  # folders named 1, 2, 3, ... that may still be the shots of a series
_IN_MOST = 0.8


@dataclass(frozen=True)
class Group:
    """Images of one role.

    Attributes
    ----------
    context : where they lie, with the role's word as ``*``; pairs have the same.
    meaning, word : what the word says, and how it is written.
    patterns : as in a manifest.
    files : scene -> path.
    """

    context: str
    meaning: Meaning
    word: str
    patterns: tuple[str, ...]
    files: dict[str, str]


def find_groups(folders: Folders) -> tuple[list[Group], list[Group]]:
    """Return all groups, by each of the three ways: those to trust, and those for want of these.

    Where each folder holds ``1.png`` and ``2.png``, either may name the scene.
    """
    in_scenes = list(_by_scene_folder(folders))
    trusted = [group for group in in_scenes if group.meaning.task or _names_scene_twice(group)]
    return [*_by_folder(folders), *_by_affix(folders), *trusted], in_scenes


def _names_scene_twice(group: Group) -> bool:
    return all(pattern.count("{scene}") > 1 for pattern in group.patterns)


def inside(folder: str, name: str) -> str:
    """Return a path."""
    return f"{folder}/{name}" if folder else name


def _by_folder(folders: Folders) -> Iterator[Group]:
    scenes = _numbered_scenes(folders)
    for folder, stems in folders.items():
        parts = folder.split("/") if folder else []
        for place in reversed(range(len(parts))):
            meaning = meaning_of(parts[place])
            if meaning is not None and "/".join(parts[: place + 1]) not in scenes:
                context = "/".join([*parts[:place], "*", *parts[place + 1 :]])
                template, files = _without_affix(stems, meaning)
                pattern = inside(folder, f"{template}.*")
                yield Group(context, meaning, parts[place], (pattern,), files)
                break


def _numbered_scenes(folders: Folders) -> set[str]:
    """Return folders with a number for a name that are scenes: they are many, or have a truth."""
    numbered: dict[str, set[str]] = defaultdict(set)
    named = {stem for folder in folders if is_truth(folder, "mef") for stem in folders[folder]}
    for folder in folders:
        parent, _, name = folder.rpartition("/")
        if name.isdigit():
            numbered[parent].add(name)
    return {
        inside(parent, name)
        for parent, names in numbered.items()
        if len(names) > _MOST_NUMBERED or names <= named
        for name in names
    }


def _without_affix(stems: dict[str, str], meaning: Meaning) -> tuple[str, dict[str, str]]:
    """Strip a word from all file names that says what their folder says already."""
    common: Counter[str] = Counter()
    scenes: dict[str, dict[str, str]] = defaultdict(dict)
    for stem, path in stems.items():
        for template, scene, word in affixes(stem):
            said = meaning_of(word)
            if said is not None and said.slot == meaning.slot and not word.isdigit():
                common[template] += 1
                scenes[template][scene] = path
    for template, count in common.most_common(1):
        if count == len(stems):
            return template, scenes[template]
    return "{scene}", dict(stems)


def _by_affix(folders: Folders) -> Iterator[Group]:
    for folder, stems in folders.items():
        files: dict[tuple[Meaning, str], dict[str, str]] = defaultdict(dict)
        patterns: dict[tuple[Meaning, str], dict[str, str]] = defaultdict(dict)
        for stem, path in stems.items():
            for template, scene, word in affixes(stem):
                meaning = meaning_of(word)
                if meaning is not None:
                    end = "after" if template.startswith("{") else "before"
                    files[meaning, end][scene] = path
                    patterns[meaning, end][inside(folder, f"{template}.*")] = word
        for (meaning, end), found in files.items():
            written = patterns[meaning, end]
            word = "/".join(dict.fromkeys(written.values()))
            yield Group(f"{folder}|{end}", meaning, word, tuple(sorted(written)), found)


def _by_scene_folder(folders: Folders) -> Iterator[Group]:
    parents: dict[str, dict[str, dict[str, str]]] = defaultdict(dict)
    for folder, stems in folders.items():
        parent, _, name = folder.rpartition("/")
        if folder and not is_truth(folder, "mef"):
            parents[parent][name] = stems
    for parent, children in parents.items():
        templates = _templates(children)
        yield from _named_shots(parent, templates)
        yield from _numbered_shots(parent, templates, len(children))


def _templates(children: dict[str, dict[str, str]]) -> dict[str, dict[str, str]]:
    """Return file name with ``{scene}`` for its folder's name -> scene -> path."""
    templates: dict[str, dict[str, str]] = defaultdict(dict)
    for scene, stems in children.items():
        for stem, path in stems.items():
            name = stem.replace(scene, "{scene}", 1) if len(scene) > 1 else stem
            templates[name][scene] = path
    return templates


def _named_shots(parent: str, templates: dict[str, dict[str, str]]) -> Iterator[Group]:
    files: dict[Meaning, dict[str, str]] = defaultdict(dict)
    patterns: dict[Meaning, dict[str, str]] = defaultdict(dict)
    for template, found in templates.items():
        word = template.removeprefix("{scene}").strip("_-. ")
        meaning = None if word.isdigit() and word == template else meaning_of(word)
        if meaning is not None:
            files[meaning] |= found
            patterns[meaning][inside(parent, f"{{scene}}/{template}.*")] = word
    for meaning, found in files.items():
        written = patterns[meaning]
        word = "/".join(dict.fromkeys(written.values()))
        yield Group(inside(parent, "{scene}"), meaning, word, tuple(sorted(written)), found)


def _numbered_shots(
    parent: str, templates: dict[str, dict[str, str]], count: int
) -> Iterator[Group]:
    """Take the lowest and the highest number that most scenes have for the first two sources."""
    numbers = [int(t) for t, found in templates.items() if t.isdigit() and t == str(int(t))]
    common = sorted(n for n in numbers if len(templates[str(n)]) >= _IN_MOST * count)
    if len(common) < 2 or count < 2:
        return
    first, *between, last = common
    for slot, number in enumerate([first, last, *between]):
        pattern = inside(parent, f"{{scene}}/{number}.*")
        meaning = Meaning("", str(number), slot)
        context = inside(parent, "{scene}|number")
        yield Group(context, meaning, str(number), (pattern,), templates[str(number)])

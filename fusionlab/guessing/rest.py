"""What the images that are no sources are: outputs of methods, the truth, or nothing of ours."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fusionlab.guessing.groups import inside
from fusionlab.guessing.pairs import varying
from fusionlab.guessing.words import is_passed_over, is_truth, meaning_of
from fusionlab.ingest.members import ENDINGS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from fusionlab.guessing.groups import Folders

_SHARE = 0.5  # of a folder's files that must be named after scenes
_ALL = 0.9  # the same, where the names have more in them that all must have
_DELIMITERS = "_-. "


@dataclass
class Rest:
    """What was found beside the sources.

    Attributes
    ----------
    candidates, reference : patterns -> why.
    ignore : globs -> why.
    """

    candidates: dict[str, str] = field(default_factory=dict)
    reference: dict[str, str] = field(default_factory=dict)
    ignore: dict[str, str] = field(default_factory=dict)


def sort_rest(folders: Folders, used: Collection[str], scenes: set[str], task: str) -> Rest:
    """Sort the images that are no sources.

    Parameters
    ----------
    used : paths of the sources.
    scenes : names of the scenes.
    """
    rest = Rest()
    outputs: dict[str, list[str]] = defaultdict(list)
    # names of junk last: among outputs, a folder "focus_map" is a method too
    for folder, stems in sorted(folders.items(), key=lambda item: is_passed_over(item[0])):
        left = [stem for stem, path in stems.items() if path not in used]
        if not left:
            continue
        template = _template(left, scenes, folder.rpartition("/")[2])
        if folder and is_truth(folder, task) and template:
            _take_truth(rest, folder, template)
        elif is_passed_over(folder) and not (template and _is_among_outputs(folder, outputs)):
            rest.ignore[f"{folder}/*"] = "its name says that it holds no fused images"
        elif template and folder and len(left) == len(stems):
            outputs[template].append(folder)
        elif folder.rpartition("/")[2] not in scenes:
            _take_flat(rest, folder, left, scenes)
    for template, found in outputs.items():
        if len(found) == 1 and template != "{scene}" and "{method}" not in template:
            _take_flat(rest, found[0], list(folders[found[0]]), scenes)
        else:
            _take_folders(rest, template, found)
    return rest


def _is_among_outputs(folder: str, outputs: dict[str, list[str]]) -> bool:
    parent = folder.rpartition("/")[0]
    found = [other for members in outputs.values() for other in members]
    return bool(parent) and any(other.rpartition("/")[0] == parent for other in found)


def _take_truth(rest: Rest, folder: str, template: str) -> None:
    if any(meaning_of(part) is not None for part in folder.split("/")):
        rest.ignore[f"{folder}/*"] = "another copy of a source, by its name; no true fused image"
    else:
        rest.reference[inside(folder, f"{template}.*")] = "its name says that it is the truth"


def _template(stems: Iterable[str], scenes: set[str], folder: str) -> str:
    """Return how most file names are made of a scene's name; empty where they are not.

    The folder's own name in them is written ``{method}``.
    """
    counts: Counter[str] = Counter()
    total = 0
    for stem in stems:
        total += 1
        scene = stem if stem in scenes else _scene_within(stem, scenes)
        if scene:
            before, _, after = stem.partition(scene)
            if not before or before[-1] in _DELIMITERS:
                counts[f"{_named(before, folder)}{{scene}}{_named(after, folder)}"] += 1
    for template, count in counts.most_common(1):
        plain = template == "{scene}" or "{method}" in template
        return template if count >= max(1, (_SHARE if plain else _ALL) * total) else ""
    return ""


def _named(affix: str, folder: str) -> str:
    return affix.replace(folder, "{method}", 1) if folder and len(folder) > 1 else affix


def _scene_within(stem: str, scenes: set[str]) -> str:
    """Return the longest scene that a name begins or ends with, beside a delimiter."""
    cuts = [i for i, character in enumerate(stem) if character in _DELIMITERS]
    parts = [stem[:cut] for cut in cuts] + [stem[cut + 1 :] for cut in cuts]
    return max((part for part in parts if part in scenes), key=len, default="")


def _take_folders(rest: Rest, template: str, found: list[str]) -> None:
    """Write ``{method}`` for the one folder name that varies among those with outputs."""
    split = [folder.split("/") for folder in found]
    place = varying(found)
    if place is not None and "{method}" not in template:
        parts = list(split[0])
        parts[place] = _method({names[place] for names in split})
        folders = ["/".join(parts)]
    else:
        below: dict[str, set[str]] = defaultdict(set)
        for *parents, name in split:
            below["/".join(parents)].add(name)
        folders = [inside(parent, _method(names)) for parent, names in below.items()]
    for folder in folders:
        rest.candidates[f"{folder}/{template}.*"] = (
            "a folder a method, whose files are named after the scenes"
        )


def _method(names: set[str]) -> str:
    """Return ``{method}``, with the ending that archives of outputs have."""
    endings = {ending for name in names for ending in ENDINGS if name.lower().endswith(ending)}
    return "{method}" + (endings.pop() if len(endings) == 1 else "")


def _take_flat(rest: Rest, folder: str, stems: list[str], scenes: set[str]) -> None:
    """Take a folder of files that are named after scene and method."""
    begun = [cut for stem in stems if (cut := _cut(stem, scenes))]
    ended = [cut for stem in stems if (cut := _cut(stem[::-1], {s[::-1] for s in scenes}))]
    found = max(begun, ended, key=len)
    if len(found) < max(1, _SHARE * len(stems)):
        return
    delimiter = Counter(delimiter for delimiter, _ in found).most_common(1)[0][0]
    pair = ("{scene}", "{method}") if found is begun else ("{method}", "{scene}")
    rest.candidates[inside(folder, f"{delimiter.join(pair)}.*")] = (
        "files named after a scene and a method"
    )


def _cut(stem: str, scenes: set[str]) -> tuple[str, str] | None:
    """Cut a name after the longest scene that it begins with: delimiter and method.

    Not where the rest is the word of a role: that is one more shot.
    """
    cuts = [i for i, character in enumerate(stem) if character in _DELIMITERS]
    for i in reversed(cuts):
        method = stem[i + 1 :]
        if stem[:i] in scenes and method and meaning_of(method) is None:
            return stem[i], method
    return None

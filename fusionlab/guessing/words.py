"""What people call things: the words of folder and file names, and what they mean."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache


@dataclass(frozen=True, slots=True)
class Meaning:
    """What a word says of the images under it.

    Attributes
    ----------
    task : the task that it belongs to; empty for words such as ``A`` that any task uses.
    modality : its usual name in a manifest.
    slot : 0 for a first source, 1 for a second, 2 and more for further ones.
    """

    task: str
    modality: str
    slot: int


def _set(words: str) -> frozenset[str]:
    return frozenset(words.split())


#: Words that say so wherever they stand in a name, between delimiters.
_ANYWHERE = {
    Meaning("ivf", "ir", 0): "ir infrared thermal lwir tir fir nir",
    Meaning("ivf", "vis", 1): "vis vi visible rgb",
    Meaning("mif", "ct", 0): "ct",
    Meaning("mif", "pet", 0): "pet",
    Meaning("mif", "spect", 0): "spect",
    Meaning("mif", "mri", 1): "mri",
    Meaning("mef", "under", 0): "under underexposed ue",
    Meaning("mef", "over", 1): "over overexposed oe",
    Meaning("mff", "A", 0): "near foreground",
    Meaning("mff", "B", 1): "far background",
}

#: Words that mean it only where they are the whole name, or all of it but neutral words.
_ALONE = {
    Meaning("ivf", "ir", 0): "inf therm",
    Meaning("ivf", "vis", 1): "visual vl",
    Meaning("mif", "mri", 1): "mr t1 t2 mrt1 mrt2",
    Meaning("mef", "under", 0): "low dark short",
    Meaning("mef", "over", 1): "high bright long",
    Meaning("mef", "mid", 2): "mid middle normal mean",
    Meaning("", "A", 0): "a left fg",
    Meaning("", "B", 1): "b right bg",
    Meaning("", "C", 2): "c",
    **{Meaning("", str(n), n - 1): str(n) for n in range(1, 10)},
}
_NEUTRAL = _set("source sources src image images img imgs im input inputs focus exposure exposed i")
_HOLDERS = _set("data dataset pairs original originals")
_INSIDE = ("infrared", "visible", "thermal")
_TRUTH = _set(
    "reference ref gt groundtruth truth target allinfocus aif fullclear clear sharp label labels"
)
_PASSED = _set(
    "mask masks seg segmentation annotation annotations label labels saliency detection map maps "
    "decision depth edge warp warped thumbs thumbnails"
)
_PARTS = _set(
    "train training trainset test testing testset val valid validation eval dev day night"
)

_BETWEEN = re.compile(r"[^A-Za-z0-9]+")
_PIECES = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+")
#: A role's word at the end or the start of a file's name, with or without a delimiter.
_SUFFIX = re.compile(
    r"(?P<scene>.+?)(?P<rest>[_\-. ]+(?P<word>[A-Za-z]+|\d)|(?<=\d)(?P<glued>[A-Za-z]+))"
)
_PREFIX = re.compile(
    r"(?P<rest>(?P<word>[A-Za-z]+|\d)[_\-. ]+|(?P<glued>[A-Za-z]+)(?=\d))(?P<scene>.+)"
)


def _listed(table: dict[Meaning, str]) -> dict[str, Meaning]:
    return {word: meaning for meaning, words in table.items() for word in words.split()}


_WORDS, _WHOLE = _listed(_ANYWHERE), _listed(_ANYWHERE) | _listed(_ALONE)


@cache
def meaning_of(name: str) -> Meaning | None:
    """Return what a folder's name, or a part of a file's, says of a role; None where it says none.

    Of a name with words for several roles (``CT-MRI``), nothing is said.
    """
    tokens = words_of(name)
    whole = _WHOLE.get("".join(tokens))
    if whole is not None:
        return whole
    found = {_WORDS[token] for token in tokens if token in _WORDS}
    found |= {_WORDS[word] for word in _INSIDE if word in name.lower()}
    if found:
        return found.pop() if len(found) == 1 else None
    pieces = [piece.lower() for piece in _PIECES.findall(name)]
    telling = [piece for piece in pieces if piece not in _NEUTRAL]
    return _WHOLE.get(telling[0]) if len(telling) == 1 and len(pieces) > 1 else None


def words_of(name: str) -> list[str]:
    """Cut a name at its delimiters, in lower case."""
    return [token.lower() for token in _BETWEEN.split(name) if token]


def affixes(stem: str) -> list[tuple[str, str, str]]:
    """Return the ways to read a role off a file's name: (template, scene, word).

    ``lytro-01-A`` is scene ``lytro-01`` by the template ``{scene}-A``, and its word is ``A``.
    """
    found = []
    if match := _SUFFIX.fullmatch(stem):
        word = match["word"] or match["glued"]
        found.append(("{scene}" + match["rest"], match["scene"], word))
    if match := _PREFIX.fullmatch(stem):
        word = match["word"] or match["glued"]
        found.append((match["rest"] + "{scene}", match["scene"], word))
    return found


def is_truth(folder: str, task: str) -> bool:
    """Tell whether a folder's name says that it holds the true fused images."""
    names = [_BETWEEN.sub("", part).lower() for part in folder.split("/")]
    found = {name for name in names if name in _TRUTH}
    found |= {word for name in names for word in ("allinfocus", "groundtruth") if word in name}
    return bool(found - ({"label", "labels"} if task in ("ivf", "mif") else set()))


def is_passed_over(folder: str) -> bool:
    """Tell whether a folder's name says that it holds neither sources nor fused images."""
    return any(word in _PASSED for part in folder.split("/") for word in words_of(part))


def is_usual(name: str) -> bool:
    """Tell whether a folder's name says that it holds sources or a part, not which data set."""
    word = name.lower()
    return is_part(word) or word in _NEUTRAL or word in _HOLDERS


def is_part(name: str) -> bool:
    """Tell whether a folder's name is that of a part of a data set, such as ``train``."""
    return name.lower() in _PARTS

"""A folder of several data sets: a guess for each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionlab.errors import FusionLabError
from fusionlab.guessing.guess import Guess, NoImagesError, SeveralSetsError, guess_manifest
from fusionlab.guessing.words import is_usual

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from pathlib import Path

_NOT_LITERAL = set("{}*")


@dataclass(frozen=True)
class Found:
    """A folder that looks like one data set.

    Attributes
    ----------
    guess : its manifest; None where there is none.
    problem : why there is none.
    """

    root: Path
    guess: Guess | None
    problem: str = ""


def guess_each(
    root: Path, task: str | None = None, on_progress: Callable[[int, int], None] | None = None
) -> list[Found]:
    """Guess the manifests of all data sets below `root`, sorted by folder.

    Raises
    ------
    FusionLabError
        When nothing can be made of `root` at all.
    """
    places = list(_places(root, task))
    if places in ([], [root]):
        return [Found(root, guess_manifest(root, task))]
    names = _names(root, places)
    found: list[Found] = []
    taken: set[str] = set()
    for number, place in enumerate(places):
        if on_progress is not None:
            on_progress(number, len(places))
        try:
            guess = guess_manifest(place, task, names[place])
            if guess.content["dataset"] in taken:  # as of two copies of a public benchmark
                guess = guess_manifest(place, task, "_".join(place.relative_to(root).parts))
        except FusionLabError as error:
            found.append(Found(place, None, str(error)))
            continue
        taken.add(guess.content["dataset"])
        found.append(Found(place, guess))
    return found


def _names(root: Path, places: Sequence[Path]) -> dict[Path, str | None]:
    """Name each data set by as many of its folders, the last first, as tell it from the others.

    None where the last one does: a public benchmark then keeps its usual name.
    """
    parts = {place: place.relative_to(root).parts for place in places}
    found: dict[Path, str | None] = {}
    for place, mine in parts.items():
        others = [theirs for other, theirs in parts.items() if other != place]
        depths = range(1, len(mine) + 1)
        depth = next((d for d in depths if all(o[-d:] != mine[-d:] for o in others)), len(mine))
        found[place] = "_".join(mine[-depth:]) if depth > 1 else None
    return found


def _places(folder: Path, task: str | None) -> Iterator[Path]:
    """Yield the folders of single data sets, from the top down, and those that nothing fits."""
    try:
        single = not _below(guess_manifest(folder, task))
    except NoImagesError:
        return
    except SeveralSetsError:
        single = False
    except FusionLabError:
        single = True  # said again where the manifest is asked for
    inner = [] if single else [p for child in _children(folder) for p in _places(child, task)]
    yield from inner or [folder]


def _below(guess: Guess) -> bool:
    """Tell whether all that a guess found lies in one folder with a name of its own."""
    content = guess.content
    sources = [text for texts in content["sources"].values() for text in texts]
    patterns = [*sources, *content.get("candidates", ()), *content.get("reference", ())]
    first = {pattern.split("/")[0] for pattern in patterns if "/" in pattern}
    (name, *others) = first or {""}
    shared = not others and all("/" in pattern for pattern in patterns)
    return shared and not _NOT_LITERAL & set(name) and not is_usual(name)


def _children(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []  # an archive is taken whole
    return sorted(path for path in folder.iterdir() if path.is_dir())

"""Which groups are the sources: two of the same place whose scenes have the same names."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import product
from typing import TYPE_CHECKING

from fusionlab.guessing.words import is_part, is_passed_over

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fusionlab.guessing.groups import Group

_SHARE = 0.5  # of the smaller group's scenes that the other must have too
_TYPED = 1.5  # how many times a pair counts whose words name a task
_RIVAL = 0.25  # pairs elsewhere with this share of the scenes are data sets of their own


@dataclass(frozen=True)
class Pair:
    """Two groups that are the sources of the same scenes, and further groups of them."""

    a: Group
    b: Group
    further: tuple[Group, ...] = ()

    @property
    def scenes(self) -> set[str]:
        """Return the scenes that have both."""
        return self.a.files.keys() & self.b.files.keys()

    @property
    def task(self) -> str:
        """Return the task that the words name; empty where they name none."""
        return self.a.meaning.task

    @property
    def weight(self) -> float:
        """Return how much speaks for the pair: its scenes, more where its words name a task."""
        return len(self.scenes) * (_TYPED if self.task else 1.0)


@dataclass
class Choice:
    """The pairs that are the sources, one for each part of the data set, and other data sets.

    Attributes
    ----------
    pairs : one for each part.
    rivals : other places that hold pairs.
    by_folder : whether parts have scenes of the same name, so that scenes are PART_NAME.
    """

    pairs: list[Pair] = field(default_factory=list)
    rivals: list[Pair] = field(default_factory=list)
    by_folder: bool = False


def choose(groups: Iterable[Group]) -> Choice:
    """Choose the sources among groups; without any pair, the choice is empty."""
    contexts: dict[str, list[Group]] = defaultdict(list)
    for group in groups:
        if not is_passed_over(group.context):
            contexts[group.context].append(group)
    best = [pair for members in contexts.values() if (pair := _best(members)) is not None]
    if not best:
        return Choice()
    kinds: dict[str, list[Pair]] = defaultdict(list)
    for pair in best:
        kinds[_kind(pair.a.context)].append(pair)
    ranked = sorted(kinds.values(), key=lambda pairs: -sum(pair.weight for pair in pairs))
    return _settle(ranked)


def _best(members: list[Group]) -> Pair | None:
    pairs = [
        Pair(a, b)
        for a, b in product(members, members)
        if (a.meaning.slot, b.meaning.slot) == (0, 1)
        and a.meaning.task == b.meaning.task
        and not set(a.files.values()) & set(b.files.values())
    ]
    fitting = [pair for pair in pairs if _fits(pair)]
    best = max(fitting, key=lambda pair: pair.weight, default=None)
    if best is None:
        return None
    further = [group for group in members if _is_further(group, best)]
    return Pair(best.a, best.b, tuple(sorted(further, key=lambda g: (g.meaning.slot, g.word))))


def _is_further(group: Group, pair: Pair) -> bool:
    """Tell whether a group holds a third shot: of most scenes, or by a word of the same task."""
    if group.meaning.slot < 2 or group.meaning.task not in ("", pair.task):
        return False
    least = 1 if group.meaning.task else max(1, _SHARE * len(pair.scenes))
    return len(group.files.keys() & pair.scenes) >= least


def _fits(pair: Pair) -> bool:
    smaller = min(len(pair.a.files), len(pair.b.files))
    return len(pair.scenes) >= max(1, _SHARE * smaller)


def _kind(context: str) -> str:
    """Return a context with the names of parts, such as ``train``, taken out."""
    return "/".join("+" if is_part(name) else name for name in context.split("/"))


def _settle(ranked: list[list[Pair]]) -> Choice:
    """Merge the pairs of parts; tell sequences, which are parts too, from other data sets."""
    first, *others = ranked
    count = _scenes(first)
    free = [pair for pairs in others for pair in pairs if _free(pair, first)]
    rivals = free if _scenes(free) >= _RIVAL * count else []
    if rivals and _are_sequences([pair.a.context for pair in (*first, *free)]):
        return Choice([*first, *free], [], by_folder=True)
    distinct = len(set().union(*(pair.scenes for pair in first)))
    if distinct == count:
        return Choice(first, rivals)
    if varying([pair.a.context for pair in first]) is not None:
        return Choice(first, rivals, by_folder=True)
    largest, *smaller = sorted(first, key=lambda pair: -pair.weight)
    return Choice([largest], [*smaller, *rivals])


def _scenes(pairs: list[Pair]) -> int:
    return sum(len(pair.scenes) for pair in pairs)


def _free(pair: Pair, taken: list[Pair]) -> bool:
    """Tell whether a pair has other files than those taken: it is no other reading of them."""
    used = {path for t in taken for group in (t.a, t.b) for path in group.files.values()}
    return not used & {*pair.a.files.values(), *pair.b.files.values()}


def varying(contexts: list[str]) -> int | None:
    """Return which folder's name tells contexts apart; None where no single one does."""
    split = [context.split("/") for context in contexts]
    if len({len(parts) for parts in split}) > 1:
        return None
    found = [i for i, names in enumerate(zip(*split, strict=True)) if len(set(names)) > 1]
    return found[0] if len(found) == 1 else None


def _are_sequences(contexts: list[str]) -> bool:
    """Tell whether contexts differ in one folder whose names are alike but for a number."""
    place = varying(contexts)
    if place is None:
        return False
    names = {context.split("/")[place] for context in contexts}
    kept = {name.rstrip("0123456789").rstrip("_-. ").lower() for name in names}
    return len(kept) == 1 and all(name[-1:].isdigit() for name in names)

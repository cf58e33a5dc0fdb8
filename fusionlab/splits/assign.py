"""Where new scenes go, and which scenes are left out because they tie two parts together.

Scenes that stand never move to another part. What is new goes where the scenes are that it is tied
to; what is tied to none goes where chance says, in whole groups. A new scene that is tied to scenes
of two parts is left out. So is, of scenes that stand and turn out to be tied, what is learned from
before what judges progress, and that before what is for test.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionlab.splits.rule import PARTS, TEST
from fusionlab.splits.ties import components

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from fusionlab.splits.rule import SplitRule
    from fusionlab.splits.ties import Ties


@dataclass
class Cluster:
    """New scenes that go together.

    Attributes
    ----------
    name : decides by chance; that of the first group or scene in it.
    part : where they go.
    drawn : whether chance alone said so.
    """

    name: str
    places: tuple[str, ...]
    part: str
    drawn: bool

    @property
    def tasks(self) -> set[str]:
        """Return the tasks that it has scenes of."""
        return {_task(place) for place in self.places}


@dataclass(frozen=True)
class Assigned:
    """Where scenes go.

    Attributes
    ----------
    parts : scene -> part, of those that stand and are not torn, and of the new ones.
    groups : new scene -> the group that it went with.
    torn : scene -> why it is left out.
    """

    parts: dict[str, str]
    groups: dict[str, str]
    torn: dict[str, str]


def assign(
    standing: Mapping[str, str],
    scenes: Iterable[str],
    ties: Ties,
    rule: SplitRule,
    labelled: frozenset[str],
) -> Assigned:
    """Return where some scenes go.

    Parameters
    ----------
    standing : scene -> part, as it was decided before; kept for scenes that are gone too.
    scenes : all that there are, by their places.
    labelled : those of them that a task's parts are counted by.
    """
    torn = _torn_apart(standing, ties.bunches)
    fixed = {place: part for place, part in standing.items() if place not in torn}
    fresh = {place for place in scenes if place not in standing}
    torn |= _between(fresh, fixed, ties.bunches, rule)
    clusters = _clusters(fresh - torn.keys(), fixed, ties, rule, torn)
    _fill(clusters, fixed, rule, labelled)
    parts = fixed | {place: one.part for one in clusters for place in one.places}
    return Assigned(parts, {p: one.name for one in clusters for p in one.places}, torn)


def _task(place: str) -> str:
    return place.partition("/")[0]


def _torn_apart(standing: Mapping[str, str], bunches: Iterable[Sequence[str]]) -> dict[str, str]:
    """Return the scenes that stand and are tied to one of a part that matters more."""
    torn = {}
    for bunch in bunches:
        mine = [place for place in bunch if place in standing]
        if len({standing[place] for place in mine}) < 2:
            continue
        winner = max(mine, key=lambda place: PARTS.index(standing[place]))
        for place in mine:
            if standing[place] != standing[winner]:
                torn[place] = (
                    f"stands for {standing[place]}, and is tied to {winner}, which stands for "
                    f"{standing[winner]}"
                )
    return torn


def _near(
    bunches: Iterable[Sequence[str]], fresh: Collection[str], fixed: Mapping[str, str]
) -> dict[str, dict[str, str]]:
    """Return for each new scene the parts that it is tied to -> one scene there."""
    near: dict[str, dict[str, str]] = defaultdict(dict)
    for bunch in bunches:
        there = {fixed[place]: place for place in bunch if place in fixed}
        for place in bunch:
            if place in fresh:
                near[place] |= there
    return near


def _between(
    fresh: Collection[str],
    fixed: Mapping[str, str],
    bunches: Iterable[Sequence[str]],
    rule: SplitRule,
) -> dict[str, str]:
    """Return the new scenes that are tied to scenes of two parts."""
    torn = {}
    for place, parts in _near(bunches, fresh, fixed).items():
        if rule.is_for_test(place):
            parts.setdefault(TEST, "test by its name")
        if len(parts) > 1:
            torn[place] = _said(parts)
    return torn


def _said(parts: Mapping[str, str]) -> str:
    named = " and ".join(f"{parts[part]} ({part})" for part in PARTS if part in parts)
    return f"is tied to {named}"


def _clusters(
    fresh: Collection[str],
    fixed: Mapping[str, str],
    ties: Ties,
    rule: SplitRule,
    torn: dict[str, str],
) -> list[Cluster]:
    """Put new scenes together; such as tie two parts together over others are torn too."""
    inner = [[place for place in bunch if place in fresh] for bunch in ties.bunches]
    members: dict[str, list[str]] = defaultdict(list)
    for place, root in sorted(components(fresh, filter(None, inner)).items()):
        members[root].append(place)
    near = _near(ties.bunches, fresh, fixed)
    found = []
    for places in members.values():
        parts = {part: place for p in places for part, place in near.get(p, {}).items()}
        if any(map(rule.is_for_test, places)):
            parts.setdefault(TEST, "test by its name")
        if len(parts) > 1:
            torn |= dict.fromkeys(places, f"{_said(parts)}, over others")
            continue
        name = min(ties.named.get(place, place) for place in places)
        part = next(iter(parts), rule.drawn(name))
        found.append(Cluster(name, tuple(places), part, not parts))
    return found


def _fill(
    clusters: Sequence[Cluster],
    fixed: Mapping[str, str],
    rule: SplitRule,
    labelled: frozenset[str],
) -> None:
    """Give a task of few groups something of each part, by groups that chance alone placed.

    A task of one group is learned from, one of two validates too, one of three has a test.
    """
    held = Counter((_task(place), fixed[place]) for place in labelled if place in fixed)
    counted = [one for one in clusters if not labelled.isdisjoint(one.places)]
    held.update((task, one.part) for one in counted for task in one.tasks)
    for task in sorted({task for one in counted for task in one.tasks}):
        for part in PARTS:
            if rule.share(part) and not held[task, part]:
                _give(task, part, counted, held, rule)


def _give(
    task: str,
    part: str,
    clusters: Iterable[Cluster],
    held: Counter[tuple[str, str]],
    rule: SplitRule,
) -> None:
    """Move the group that is nearest to a part there, if it is not missed where it was."""

    def spare(one: Cluster) -> bool:
        later = PARTS.index(one.part) > PARTS.index(part)
        return all(held[t, one.part] > 1 or (later and t == task) for t in one.tasks)

    mine = [one for one in clusters if one.drawn and task in one.tasks and spare(one)]
    chosen = min(mine, key=lambda one: (rule.distance(one.name, part), one.name), default=None)
    if chosen is None:
        return
    for t in chosen.tasks:
        held[t, chosen.part] -= 1
        held[t, part] += 1
    chosen.part = part

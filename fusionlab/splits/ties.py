"""Which scenes belong together: they nearly equal each other, share a source, or are one group."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusionlab.labelled import place_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    import pandas as pd

    from fusionlab.lab import Lab

_TWIN = "scene/"


@dataclass
class Ties:
    """What ties scenes together; a scene is named by its place, ``task/dataset/scene``.

    Attributes
    ----------
    bunches : of scenes that belong together, two or more each; a scene may be in several.
    named : scene -> the group that its manifest puts it into, of those that are in one.
    """

    bunches: list[tuple[str, ...]] = field(default_factory=list)
    named: dict[str, str] = field(default_factory=dict)


def ties_of(indices: Iterable[pd.DataFrame]) -> Ties:
    """Return what ties the scenes of some data sets together; each has its index."""
    found, twins = Ties(), []
    members: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
    for index in indices:
        for row in index[index["role"] == "source"].to_dict("records"):
            place = place_of(row)
            members["pixels", row["digest"]][place] = None
            if row["group"]:
                members["group", row["group"]][place] = None
                found.named[place] = row["group"]
            if row["twin"].startswith(_TWIN):
                other = row["twin"].removeprefix(_TWIN)
                twins.append((place, f"{place.rpartition('/')[0]}/{other}"))
    bunches = [tuple(places) for places in members.values() if len(places) > 1]
    found.bunches = [*bunches, *dict.fromkeys(twins)]
    return found


def components(places: Iterable[str], bunches: Iterable[Sequence[str]]) -> dict[str, str]:
    """Return for each place the first of all that are tied to it, over however many others."""
    first: dict[str, str] = {}

    def root(name: str) -> str:
        while first.setdefault(name, name) != name:
            first[name] = first[first[name]]
            name = first[name]
        return name

    for bunch in bunches:
        for other in bunch[1:]:
            low, high = sorted((root(bunch[0]), root(other)))
            first[high] = low
    return {place: root(place) for place in places}


def groups_of(lab: Lab, rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    """Return for each scene of some rows the first of them that is tied to it.

    Parameters
    ----------
    rows : with ``task, dataset, scene``; what has no row may tie two of them together.
    """
    keys = sorted({(str(row["task"]), str(row["dataset"])) for row in rows})
    mine = sorted({place_of(row) for row in rows})
    roots = components(mine, ties_of(lab.index(*key) for key in keys).bunches)
    first: dict[str, str] = {}
    return {place: first.setdefault(roots[place], place) for place in mine}


def places_of(frame: pd.DataFrame) -> list[str]:
    """Return the places of the rows of a table."""
    places: list[str] = (frame["task"] + "/" + frame["dataset"] + "/" + frame["scene"]).to_list()
    return places

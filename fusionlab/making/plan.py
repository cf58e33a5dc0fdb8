"""Which scene lacks the output of which method.

An output stands as long as what it was made of: its row of the index names the method, its version
and a digest of the sources. So a changed image, method or command costs only what it changes.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from fusionlab.made import is_made, note_of, source_stamps
from fusionlab.making.methods import BY_METHOD, Function
from fusionlab.making.work import MakeWork, Scene
from fusionlab.scoring.plan import block_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    import pandas as pd

    from fusionlab.making.methods import Method

#: What one call or task gives back at the most, unless it is one image.
_BYTES_AT_ONCE = 64 * 2**20

#: Scenes of one call of a command that takes folders: to load a network is then a trifle, and a
#: run that is killed loses little.
_SCENES_PER_CALL = 128


@dataclass
class DatasetPlan:
    """What one data set lacks.

    Attributes
    ----------
    scenes : how many it has.
    lacking : scene -> methods whose output it lacks, in the order of both.
    standing : outputs that are there and as they should be.
    taken : method -> scenes that have a candidate of its name which no method of ours made.
    """

    task: str
    dataset: str
    scenes: int = 0
    lacking: dict[Scene, list[Method]] = field(default_factory=dict)
    standing: int = 0
    taken: Counter[str] = field(default_factory=Counter)

    @property
    def images(self) -> int:
        """Return how many images are to be made."""
        return sum(map(len, self.lacking.values()))


def is_ours(row: Mapping[Any, Any]) -> bool:
    """Tell whether a row of the index is that of an image that a method made here."""
    return is_made(row) and str(row["notes"]).startswith(note_of(BY_METHOD))


def plan_dataset(
    task: str, dataset: str, index: pd.DataFrame, methods: Sequence[Method], prefix: str
) -> DatasetPlan:
    """Return what one data set lacks of the methods that serve its task.

    Parameters
    ----------
    prefix : what stands before a method's name in the name of its candidates.
    """
    plan = DatasetPlan(task, dataset)
    serving = [method for method in methods if task in method.tasks]
    meant = index["name"].isin([f"{prefix}{method.name}" for method in serving])
    scenes: dict[str, list[dict[Any, Any]]] = defaultdict(list)
    for row in index[meant | (index["role"] == "source")].to_dict("records"):
        scenes[row["scene"]].append(row)
    stamps = source_stamps(row for rows in scenes.values() for row in rows)
    for name, rows in scenes.items():
        sources = sorted((r for r in rows if r["role"] == "source"), key=lambda r: r["position"])
        if len(sources) < 2:
            continue
        plan.scenes += 1
        known = {row["name"]: row for row in rows if row["role"] == "method"}
        blocks = tuple(block_of(row) for row in sources)
        scene = Scene(name, blocks, tuple(row["name"] for row in sources), _weight(sources))
        for method in serving:
            there = known.get(f"{prefix}{method.name}")
            if there is not None and not is_ours(there):
                plan.taken[method.name] += 1
            elif there is not None and _stands(there, method, stamps[name]):
                plan.standing += 1
            else:
                plan.lacking.setdefault(scene, []).append(method)
    return plan


def _stands(row: dict[Any, Any], method: Method, stamp: str) -> bool:
    return (row["notes"], row["inspected"]) == (note_of(method.what), stamp)


def _weight(sources: list[dict[Any, Any]]) -> int:
    """Return the bytes of a fused image of these sources, at the most."""
    deep = 2 if any(row["dtype"] == "uint16" for row in sources) else 1
    return int(sources[0]["height"]) * int(sources[0]["width"]) * 3 * deep


def works(plan: DatasetPlan) -> Iterator[MakeWork]:
    """Cut a plan into tasks, in an order that depends on nothing else.

    The functions of one scene share the reading of its sources; a command is a task of its own,
    with one scene, or with as many as go into one call.
    """
    of_many: dict[str, list[Scene]] = defaultdict(list)
    by_name = {m.name: m for methods in plan.lacking.values() for m in methods}
    for scene, methods in plan.lacking.items():
        functions = [method for method in methods if isinstance(method, Function)]
        per_task = max(1, _BYTES_AT_ONCE // scene.weight)
        for start in range(0, len(functions), per_task):
            yield MakeWork(plan.task, (scene,), tuple(functions[start : start + per_task]))
        for method in methods:
            if method.many:
                of_many[method.name].append(scene)
            elif not isinstance(method, Function):
                yield MakeWork(plan.task, (scene,), (method,))
    for name, scenes in of_many.items():
        for call in _calls(scenes):
            yield MakeWork(plan.task, call, (by_name[name],))


def _calls(scenes: Iterable[Scene]) -> Iterator[tuple[Scene, ...]]:
    """Cut scenes into calls of a bounded number and weight."""
    call: list[Scene] = []
    for scene in scenes:
        weight = sum(s.weight for s in call) + scene.weight
        if call and (len(call) == _SCENES_PER_CALL or weight > _BYTES_AT_ONCE):
            yield tuple(call)
            call = []
        call.append(scene)
    if call:
        yield tuple(call)

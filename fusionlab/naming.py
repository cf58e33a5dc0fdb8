"""How people name a scene: ``NAME``, ``DATASET/NAME`` or ``TASK/DATASET/NAME``."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from fusionlab.errors import LabError, UnknownNameError

if TYPE_CHECKING:
    import pandas as pd

#: A scene: task, data set, name.
Scene: TypeAlias = tuple[str, str, str]


def find_scene(scenes: pd.DataFrame, name: str, where: str) -> Scene:
    """Return the scene that `name` means among the rows of `scenes`.

    Parameters
    ----------
    scenes : columns ``task, dataset, scene``; a scene may have several rows.
    where : what was searched, for the message.

    Raises
    ------
    UnknownNameError
        When there is no such scene.
    LabError
        When several have that name.
    """
    places = scenes[["task", "dataset", "scene"]].drop_duplicates()
    forms = [places["scene"], places["dataset"] + "/" + places["scene"]]
    forms.append(places["task"] + "/" + forms[1])
    hits = places[(forms[0] == name) | (forms[1] == name) | (forms[2] == name)]
    if hits.empty:
        known = forms[min(name.count("/"), 2)]
        raise UnknownNameError("scene", name, set(known), where)
    if len(hits) > 1:
        several = ", ".join(sorted(forms[2][hits.index]))
        raise LabError(f"scene {name!r} is in several data sets, name one: {several}")
    task, dataset, scene = hits.iloc[0]
    return str(task), str(dataset), str(scene)


def rows_of(frame: pd.DataFrame, scene: Scene) -> pd.DataFrame:
    """Return the rows of one scene, of a frame with columns ``task, dataset, scene``."""
    task, dataset, name = scene
    same = (frame["task"] == task) & (frame["dataset"] == dataset) & (frame["scene"] == name)
    return frame[same]

"""Which scenes a run has seen: by their places, by the pixels of their sources, and near twins."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionlab.errors import UsageError
from fusionlab.splits import TRAIN, VALIDATION

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    import pandas as pd

    from fusionlab.evaluation.entrants import Entrant

_TWIN = "scene/"


def parts_of(index: pd.DataFrame, scenes: pd.DataFrame | None) -> dict[str, str]:
    """Return scene -> ``train`` or ``validation``, for the scenes of one data set that a run had.

    A scene is one that the run had if its place is, or if any of its sources has the pixels of one
    that the run had, whatever it is called there; and so is a near twin of such a scene. One that
    is both is of ``train``.

    Parameters
    ----------
    index : of the data set.
    scenes : as the run lists them, with ``task, dataset, scene, part, digest_a, digest_b``.
    """
    if scenes is None or index.empty:
        return {}
    sources = index[index["role"] == "source"]
    first = sources.iloc[0]
    found: dict[str, str] = {}
    for part in (VALIDATION, TRAIN):  # the worse one last
        rows = scenes[scenes["part"] == part]
        here = rows[(rows["task"] == first["task"]) & (rows["dataset"] == first["dataset"])]
        pixels = set(rows["digest_a"]) | set(rows["digest_b"])
        known = sources["scene"].isin(here["scene"]) | sources["digest"].isin(pixels)
        names = {str(scene) for scene in sources["scene"][known]}
        found |= dict.fromkeys(names | _twins(sources, names), part)
    return found


def _twins(sources: pd.DataFrame, names: set[str]) -> set[str]:
    """Return the scenes that ingest found to be nearly equal to some scenes."""
    pairs = sources.loc[sources["twin"].str.startswith(_TWIN), ["scene", "twin"]]
    ends = [(str(s), str(t).removeprefix(_TWIN)) for s, t in pairs.itertuples(index=False)]
    return {b for a, b in ends if a in names} | {a for a, b in ends if b in names}


def check_unseen(
    parts: Mapping[tuple[str, str], Mapping[str, Mapping[str, str]]],
    entrants: Sequence[Entrant],
    for_training: Collection[str],
) -> None:
    """Refuse to evaluate a model on what it was trained on, and is not for that.

    Parameters
    ----------
    parts : (task, dataset) -> entrant -> what `parts_of` found.
    for_training : the scenes, by their places, that nobody expects to evaluate on.

    Raises
    ------
    UsageError
        When an entrant was trained on any other scene.
    """
    for entrant in entrants:
        trained = [
            "/".join((*key, scene))
            for key, found in parts.items()
            for scene, part in found[entrant.name].items()
            if part == TRAIN and "/".join((*key, scene)) not in for_training
        ]
        if trained:
            raise UsageError(
                f"{entrant.name}: was trained on {len(trained)} of the scenes to evaluate on "
                f"that are not for training (first: {trained[0]}). Leave them out for all with "
                "--seen-scenes skip, choose others with --datasets, or rank it there all the same "
                "with --seen-scenes ok"
            )

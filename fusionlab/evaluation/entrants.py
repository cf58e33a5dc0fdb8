"""Who is evaluated: models of runs, several seeds of one, and labels manifests."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from fusionlab import __version__
from fusionlab.errors import UsageError
from fusionlab.images import join_digests
from fusionlab.schemas import RUN_SCENES
from fusionlab.store import is_safe_name
from fusionlab.tables import read_table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import pandas as pd

    from fusionlab.images import Pixels
    from fusionlab.lab import Lab

RUN, LABELS = "run:", "labels:"
_SCENES = "scenes.parquet"


class Fuses(Protocol):
    """What an entrant asks of a model: `fusionlab.inference.Fuser` does it."""

    @property
    def name(self) -> str:
        """Return what it is called in messages."""
        ...

    @property
    def digest(self) -> str:
        """Return what tells it from other models."""
        ...

    def fuse(
        self, sources: Sequence[Pixels], task: str = "", *, steps: int | None = None
    ) -> Pixels:
        """Fuse one scene."""
        ...


@dataclass(frozen=True)
class Entrant:
    """One model, at one number of steps.

    Attributes
    ----------
    name : of its images, e.g. ``run:flow@4``.
    group : what its rows are called; seeds of one run share it.
    fuser : the model.
    steps : of its flow; None for the model's default.
    scenes : what it was trained on and judged by, as its run lists them; None where nobody knows.
    """

    name: str
    group: str
    fuser: Fuses
    steps: int | None = None
    scenes: pd.DataFrame | None = field(default=None, compare=False)

    def fuse(self, sources: Sequence[Pixels], task: str) -> Pixels:
        """Fuse one scene."""
        return self.fuser.fuse(sources, task, steps=self.steps)

    def recipe(self, task: str, sources: Sequence[str]) -> str:
        """Return a digest of all that the fused image depends on, given those of the sources."""
        return join_digests([self.fuser.digest, f"{self.steps} {task} {__version__}", *sources])


def open_entrants(
    lab: Lab, runs: Sequence[str], steps: Sequence[int] = (), device: str = "auto"
) -> list[Entrant]:
    """Open the models of some runs.

    Parameters
    ----------
    runs : each ``RUN`` or ``NAME=RUN+RUN+...``, whose ranks are averaged over its runs (seeds).
        A RUN is one of the lab's folder ``runs``, or the path of a run's folder or model.
    steps : numbers of steps of the flow, each an entrant of its own; by default the model's.
    device : ``auto``, ``cpu``, or a torch device.

    Raises
    ------
    LabError, UsageError
        When there is no such run or device, or two entrants would have one name.
    """
    from fusionlab.inference import Fuser

    def load(place: Path) -> Fuses:
        return Fuser.load(place, device)

    return entrants_of([_parsed(lab, run) for run in runs], steps, load)


def entrants_of(
    groups: Sequence[tuple[str, Sequence[Path]]],
    steps: Sequence[int],
    load: Callable[[Path], Fuses],
) -> list[Entrant]:
    """Return the entrants of some groups of runs, each run loaded once."""
    found = []
    for group, places in groups:
        for place in places:
            fuser, scenes = load(place), run_scenes(place)
            own = group if len(places) == 1 else f"{group}+{_name(place)}"
            for count in steps or (None,):
                at = "" if count is None else f"@{count}"
                names = f"{RUN}{own}{at}", f"{RUN}{group}{at}"
                found.append(Entrant(*names, fuser, count, scenes))
    twice = [name for name, count in Counter(e.name for e in found).items() if count > 1]
    if twice:
        raise UsageError(f"--runs: {twice[0].removeprefix(RUN)} is there twice; name them NAME=RUN")
    return found


def lab_runs(lab: Lab) -> list[str]:
    """Return the runs of a lab that have a model."""
    folder = lab.path / "runs"
    if not folder.exists():
        return []
    return sorted(run.name for run in folder.iterdir() if (run / "model.safetensors").exists())


def run_scenes(place: Path) -> pd.DataFrame | None:
    """Return the scenes that a run lists, of its folder or one of its models; None without one."""
    above = [place.parent, place.parent.parent] if place.suffix == ".safetensors" else [place]
    file = next((folder / _SCENES for folder in above if (folder / _SCENES).exists()), None)
    return None if file is None else read_table(file, RUN_SCENES)


def _parsed(lab: Lab, text: str) -> tuple[str, list[Path]]:
    name, equals, members = text.rpartition("=")
    places = [_place(lab, run.strip()) for run in members.split("+")]
    if len(places) > 1 and not equals:
        raise UsageError(f"--runs {text}: say what the group is called: NAME={text}")
    name = name.strip() if equals else _name(places[0])
    if not is_safe_name(name) or {"@", "+"} & set(name):
        raise UsageError(f"--runs {text}: a name has no '@', '+', '/' or ':'; say NAME=RUN")
    return name, places


def _place(lab: Lab, run: str) -> Path:
    """Return where a run is: in the lab, or wherever the path leads."""
    inside = lab.path / "runs" / run
    if not run or not (is_safe_name(run) and inside.exists()):
        given = Path(run)
        if not run or not given.exists():
            known = ", ".join(lab_runs(lab)) or "none"
            raise UsageError(
                f"--runs {run!r}: there is no such run in {lab.path / 'runs'}, nor at that path; "
                f"runs of this lab: {known}. Train one first: fusionlab train --lab {lab.path}"
            )
        return given
    return Path(str(inside))


def _name(place: Path) -> str:
    whole = place.resolve()
    return whole.parent.name if whole.name == "model.safetensors" else whole.stem

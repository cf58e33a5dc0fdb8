"""A lab: the working directory of one curation, and the tables in it.

::

    lab/lab.json                            format version
    lab/images.zarr/                        pixels, see fusionlab.store
    lab/index/<task>-<dataset>.parquet      what the store holds
    lab/opinions/<task>-<dataset>.parquet   what people think of candidates, where it is known
    lab/scores/<task>-<dataset>.parquet     tidy metric values
    lab/tiles/<task>-<dataset>.parquet      the same, tile by tile
    lab/trials/<task>-<dataset>.parquet     metric values of images made for validation
    lab/mosaics/<task>-<dataset>.parquet    which candidate a mosaic shows where
    lab/refinements/<task>-<dataset>.parquet  what was repaired in labels, and where
    lab/labels/<name>.parquet               curated manifests
    lab/probes/<name>-<task>.safetensors    networks of the learned refiner
    lab/studies/<name>/                     which strategy of learning forgets what
    lab/runs/<name>/                        trained models
    lab/evaluations/                        leaderboards of models and labels
    lab/overrides.parquet                   decisions of people that stand above any policy
    lab/splits.parquet                      which scenes are learned from, which are for test
    lab/rejects.parquet                     every input that did not make it, and why

It lies in a local folder or, by ``s3://bucket/prefix``, in an object store.

``pandas.read_parquet`` reads each file, or the whole folder ``index`` or ``scores``, in one line.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING

from fusionlab import __version__
from fusionlab.atomic import TEMPORARY_PREFIX, atomic_write_bytes
from fusionlab.errors import LabError, UnknownNameError, UsageError
from fusionlab.lock import hold
from fusionlab.objects import ObjectPath
from fusionlab.paths import is_empty, to_place
from fusionlab.schemas import (
    INDEX,
    MOSAICS,
    OPINIONS,
    OVERRIDES,
    REFINEMENTS,
    REJECTS,
    SCORES,
    SPLITS,
    TILES,
)
from fusionlab.store import ImageStore, is_safe_name
from fusionlab.tables import concat, read_labels, read_table, write_table
from fusionlab.tasks import get_task

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    import pandas as pd

    from fusionlab.paths import Place

#: What this FusionLab writes. Format 1 lacks what ingest's inspection found, and is read as if
#: nothing had been inspected; the next ingest inspects it. Format 2 lacks the groups of scenes.
FORMAT = 3
_READABLE = (1, 2, 3)

#: Folders of tables, one file a data set or labels manifest.
TABLE_FOLDERS = (
    *("index", "opinions", "scores", "tiles", "trials", "mosaics", "refinements", "labels"),
)


class Lab:
    """The files of one lab. Make one with `Lab.open` or `Lab.create`.

    Attributes
    ----------
    path : a local folder, or a place in an object store.
    packed : images in a file of a lab that `fusionlab pack` made, whose pixels are read-only; 0
        for every other lab.
    format : that it was written in; the next writer makes it `FORMAT`.
    """

    def __init__(self, path: Place, packed: int = 0, written_in: int = FORMAT) -> None:
        self.path, self.packed, self.format = path, packed, written_in
        self.images = ImageStore(path / "images.zarr")
        self._still_mine: Callable[[], None] = lambda: None

    @classmethod
    def open(cls, path: Place | str) -> Lab:
        """Open the lab at `path`, a folder or ``s3://bucket/prefix``.

        Raises
        ------
        LabError
            When there is no lab, or one of a newer format.
        UsageError
            When it is in an object store, and the package for that is not installed.
        """
        path = to_place(path)
        marker = path / "lab.json"
        try:
            note = json.loads(marker.read_text(encoding="utf-8"))
            found, packed = note["format"], int(note.get("packed", 0))
        except FileNotFoundError:
            raise LabError(
                f"{path}: there is no lab here. Make one first: "
                f"fusionlab ingest MANIFEST.yaml --lab {path}"
            ) from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise LabError(f"{marker}: is not a lab's description: {error!r}") from None
        if found not in _READABLE:
            raise LabError(
                f"{path}: a lab of format {found}, this FusionLab ({__version__}) reads formats "
                f"up to {FORMAT}; use the FusionLab that wrote it, or ingest into a new lab"
            )
        return cls(path, packed, found)

    @classmethod
    def of(cls, lab: Lab | Place | str) -> Lab:
        """Open the lab at a place, or return the one that is open already."""
        return lab if isinstance(lab, Lab) else cls.open(lab)

    @classmethod
    def create(cls, path: Place | str) -> Lab:
        """Open the lab at `path`, making an empty one where there is none."""
        path = to_place(path)
        if not (path / "lab.json").exists():
            try:
                cls._found(path)
            except OSError as error:
                raise LabError(
                    f"{path}: no lab can be made here: {error.strerror}; name another with --lab"
                ) from None
        return cls.open(path)

    @staticmethod
    def _found(path: Place) -> None:
        """Make an empty lab in a folder that holds at most what a killed attempt left."""
        if not is_empty(path) and any(
            not item.name.startswith(TEMPORARY_PREFIX) for item in path.iterdir()
        ):
            raise LabError(f"{path}: is neither empty nor a lab; name another folder with --lab")
        note = {"format": FORMAT, "created_by": f"fusionlab {__version__}"}
        atomic_write_bytes(path / "lab.json", (json.dumps(note) + "\n").encode())

    @contextmanager
    def writing(self, pixels: bool = False) -> Iterator[None]:
        """Hold the lab for writing; the lock falls with the process, however it ends.

        Parameters
        ----------
        pixels : whether images are to be written, and not only tables.

        Raises
        ------
        LabError
            When another process holds it, or `pixels` of a packed lab are to be written.
        """
        if pixels and self.packed:
            raise LabError(
                f"{self.path}: is a packed lab, whose pixels are read-only; ingest into the lab it "
                "was packed from, and pack that again into a new place"
            )
        with hold(self.path) as self._still_mine:
            self._sweep()
            self.images.forget()
            self._mark_format()
            yield
            self.images.flush()

    def _mark_format(self) -> None:
        """Note that from now on tables are written as this FusionLab writes them."""
        marker = self.path / "lab.json"
        note = json.loads(marker.read_text(encoding="utf-8"))
        if note["format"] != FORMAT:
            atomic_write_bytes(marker, (json.dumps({**note, "format": FORMAT}) + "\n").encode())

    def _sweep(self) -> None:
        """Remove what writers killed in mid-write left behind; a put leaves nothing."""
        if isinstance(self.path, ObjectPath):
            return
        folders = (*TABLE_FOLDERS, "probes", "evaluations", "evaluations/.staging")
        for folder in (self.path, *(self.path / name for name in folders)):
            for leftover in folder.glob(f"{TEMPORARY_PREFIX}*"):
                leftover.unlink(missing_ok=True)

    # -- index ------------------------------------------------------------------------------------

    def datasets(
        self, tasks: Collection[str] = (), names: Collection[str] = ()
    ) -> list[tuple[str, str]]:
        """Return the (task, dataset) pairs that were ingested, sorted.

        Parameters
        ----------
        tasks, names : only those of these tasks, and of these names; all when empty.

        Raises
        ------
        UnknownNameError
            When there is no such task, or the lab has no such data set.
        """
        stems = [file.stem.partition("-") for file in self._tables("index")]
        pairs = sorted((task, dataset) for task, _, dataset in stems)
        for task in tasks:
            get_task(task, "--task")
        known = {dataset for _, dataset in pairs}
        for name in names:
            if name not in known:
                raise UnknownNameError("data set", name, known, str(self.path))
        return [
            (task, dataset)
            for task, dataset in pairs
            if (not tasks or task in tasks) and (not names or dataset in names)
        ]

    def index(self, task: str, dataset: str) -> pd.DataFrame:
        """Return the index of one data set: one row an image."""
        return read_table(self.path / "index" / f"{task}-{dataset}.parquet", INDEX)

    def write_index(self, task: str, dataset: str, frame: pd.DataFrame) -> None:
        """Replace the index of one data set; the pixels it names are brought to the disk first."""
        self._still_mine()
        self.images.flush()
        write_table(self.path / "index" / f"{task}-{dataset}.parquet", frame, INDEX)

    # -- scores -----------------------------------------------------------------------------------

    def scores(self, task: str, dataset: str) -> pd.DataFrame:
        """Return the scores of one data set: one row a candidate and metric."""
        return read_table(self.path / "scores" / f"{task}-{dataset}.parquet", SCORES)

    def write_scores(self, task: str, dataset: str, frame: pd.DataFrame) -> None:
        """Replace the scores of one data set."""
        self._still_mine()
        write_table(self.path / "scores" / f"{task}-{dataset}.parquet", frame, SCORES)

    @property
    def score_parts(self) -> Place:
        """Return the folder for the results of a scoring run that is under way."""
        return self.path / "scores" / ".parts"

    @property
    def tile_parts(self) -> Place:
        """Return the same for a run over tiles."""
        return self.path / "tiles" / ".parts"

    def tiles(self, task: str, dataset: str) -> pd.DataFrame:
        """Return the scores of the tiles of one data set; empty where none were measured."""
        return read_table(self.path / "tiles" / f"{task}-{dataset}.parquet", TILES)

    def write_tiles(self, task: str, dataset: str, frame: pd.DataFrame) -> None:
        """Replace the scores of the tiles of one data set."""
        self._still_mine()
        write_table(self.path / "tiles" / f"{task}-{dataset}.parquet", frame, TILES)

    def trials(self, task: str, dataset: str) -> pd.DataFrame:
        """Return the scores of what was made for the validation of one data set, never a label."""
        return read_table(self.path / "trials" / f"{task}-{dataset}.parquet", SCORES)

    def write_trials(self, task: str, dataset: str, frame: pd.DataFrame) -> None:
        """Replace the scores of what was made for the validation of one data set."""
        self._still_mine()
        write_table(self.path / "trials" / f"{task}-{dataset}.parquet", frame, SCORES)

    @property
    def trial_parts(self) -> Place:
        """Return the folder for the results of a run over trials."""
        return self.path / "trials" / ".parts"

    def mosaics(self, task: str, dataset: str) -> pd.DataFrame:
        """Return what the mosaics of one data set show; empty where it has none."""
        return read_table(self.path / "mosaics" / f"{task}-{dataset}.parquet", MOSAICS)

    def write_mosaics(self, task: str, dataset: str, frame: pd.DataFrame) -> None:
        """Replace what the mosaics of one data set show."""
        self._still_mine()
        write_table(self.path / "mosaics" / f"{task}-{dataset}.parquet", frame, MOSAICS)

    def refinements(self, task: str, dataset: str) -> pd.DataFrame:
        """Return what the refiner found in labels of one data set; empty where it never looked."""
        return read_table(self.path / "refinements" / f"{task}-{dataset}.parquet", REFINEMENTS)

    def write_refinements(self, task: str, dataset: str, frame: pd.DataFrame) -> None:
        """Replace what the refiner found in labels of one data set."""
        self._still_mine()
        path = self.path / "refinements" / f"{task}-{dataset}.parquet"
        write_table(path, frame, REFINEMENTS)

    # -- people -----------------------------------------------------------------------------------

    def opinions(self, task: str, dataset: str) -> pd.DataFrame:
        """Return the opinion scores of one data set; empty where it has none."""
        return read_table(self.path / "opinions" / f"{task}-{dataset}.parquet", OPINIONS)

    def write_opinions(self, task: str, dataset: str, frame: pd.DataFrame) -> None:
        """Replace the opinion scores of one data set."""
        self._still_mine()
        write_table(self.path / "opinions" / f"{task}-{dataset}.parquet", frame, OPINIONS)

    def overrides(self) -> pd.DataFrame:
        """Return every decision of a person, of all scenes, the oldest of a scene first."""
        return read_table(self.path / "overrides.parquet", OVERRIDES)

    def write_overrides(self, frame: pd.DataFrame) -> None:
        """Replace the decisions of people."""
        self._still_mine()
        write_table(self.path / "overrides.parquet", frame, OVERRIDES)

    # -- labels -----------------------------------------------------------------------------------

    def labels_names(self) -> list[str]:
        """Return the names of the labels manifests, sorted."""
        return sorted(file.stem for file in self._tables("labels"))

    def _tables(self, folder: str) -> Iterator[Place]:
        return iter((self.path / folder).glob("[!.]*.parquet"))

    def labels_path(self, name: str) -> Place:
        """Return where the labels manifest `name` is or would be.

        Raises
        ------
        UsageError
            When `name` cannot be a file's name.
        """
        if not is_safe_name(name):
            raise UsageError(f"labels name {name!r}: use letters, digits, '-', '_' and '.'")
        return self.path / "labels" / f"{name}.parquet"

    def labels(self, name: str) -> pd.DataFrame:
        """Return the labels manifest `name`: one row a scene, or several, the label first.

        Raises
        ------
        LabError
            When no labels were selected yet.
        UnknownNameError
            When there are others, but none of that name.
        """
        path = self.labels_path(name)
        if path.exists():
            return read_labels(path)
        if not self.labels_names():
            raise LabError(
                f"{self.path}: has no labels yet. Select some first: "
                f"fusionlab select --lab {self.path} --name {name}"
            )
        raise UnknownNameError("labels set", name, self.labels_names(), str(self.path))

    @property
    def splits_path(self) -> Place:
        """Return where the split of the scenes is or would be."""
        return self.path / "splits.parquet"

    def splits(self) -> pd.DataFrame:
        """Return the part of every scene that was given one; empty before the first selection."""
        return read_table(self.splits_path, SPLITS)

    def write_splits(self, frame: pd.DataFrame, rule: str) -> None:
        """Replace the split; `rule` says, as JSON, what decides about further scenes."""
        self._still_mine()
        write_table(self.splits_path, frame, SPLITS, rule)

    # -- rejects ----------------------------------------------------------------------------------

    def rejects(self) -> pd.DataFrame:
        """Return every input that did not make it, of all stages."""
        return read_table(self.path / "rejects.parquet", REJECTS)

    def replace_rejects(self, stage: str, task: str, dataset: str, frame: pd.DataFrame) -> None:
        """Replace what `stage` rejected of one data set."""
        self._still_mine()
        old = self.rejects()
        same = (old["stage"] == stage) & (old["task"] == task) & (old["dataset"] == dataset)
        kept = concat([old[~same], frame], REJECTS)
        write_table(self.path / "rejects.parquet", kept, REJECTS)

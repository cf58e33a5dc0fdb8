"""The rows of one data set's index while ingest runs, and the pixels that they name.

A row is only written after its pixels, and the row of a changed image is dropped before its pixels
are overwritten, so that a run killed at any moment leaves an index that tells the truth; the next
run adds what is missing.
"""

from __future__ import annotations

import time
from collections import defaultdict
from typing import TYPE_CHECKING, Any, TypeAlias

import pandas as pd

from fusionlab.ingest.scene import place_of
from fusionlab.schemas import INDEX
from fusionlab.store import Address, bucket_name

if TYPE_CHECKING:
    from concurrent.futures import Executor

    from fusionlab.images import Pixels
    from fusionlab.ingest.admitted import Admitted
    from fusionlab.ingest.find import FoundFile
    from fusionlab.lab import Lab

_CHECKPOINT_SECONDS = 10.0

Key: TypeAlias = tuple[str, str, str]  # scene, role, name


class Shelf:
    """The images of one data set in a lab, for one writer."""

    def __init__(self, lab: Lab, task: str, dataset: str) -> None:
        self.lab, self.task, self.dataset = lab, task, dataset
        self.rows: dict[Key, dict[str, Any]] = {
            (row["scene"], row["role"], row["name"]): {str(k): v for k, v in row.items()}
            for row in lab.index(task, dataset).to_dict("records")
        }
        self._axes: dict[str, dict[str, int]] = {}  # bucket folder -> scene -> row
        self._saved = time.monotonic()

    def put(self, images: list[Admitted], threads: Executor) -> None:
        """Store the pixels of new images, then take all of `images` into the index."""
        self._store([image for image in images if image.pixels is not None], threads)
        for image in images:
            self.rows[place_of(image.found)] = self._row(image)

    def save(self) -> None:
        """Write the index."""
        frame = pd.DataFrame(list(self.rows.values()), columns=INDEX.columns.names)
        self.lab.write_index(self.task, self.dataset, frame)
        self._saved = time.monotonic()

    def checkpoint(self) -> None:
        """Write the index when that was long ago."""
        if time.monotonic() - self._saved > _CHECKPOINT_SECONDS:
            self.save()

    def _store(self, images: list[Admitted], threads: Executor) -> None:
        replaced = [place_of(image.found) for image in images if place_of(image.found) in self.rows]
        if replaced:
            for key in replaced:
                del self.rows[key]
            self.save()
        arrays: dict[str, dict[str, Pixels]] = defaultdict(dict)
        writes: list[tuple[Address, Pixels]] = []
        for image in images:
            assert image.pixels is not None
            address = self._address(image.found, image.pixels)
            arrays[address.folder][address.array] = image.pixels
            writes.append((address, image.pixels))
        for folder, members in arrays.items():
            sample = next(iter(members.values()))
            names = list(self._axis(folder))
            self.lab.images.grow(folder, names, members, sample.shape, str(sample.dtype))
        list(threads.map(lambda write: self.lab.images.write(*write), writes))

    def _address(self, found: FoundFile, pixels: Pixels) -> Address:
        folder = f"{self.task}/{self.dataset}/{bucket_name(pixels)}"
        axis = self._axis(folder)
        row = axis.setdefault(found.scene, len(axis))
        return Address(folder, f"{found.role}/{found.name}", row)

    def _axis(self, folder: str) -> dict[str, int]:
        if folder not in self._axes:
            names = self.lab.images.scenes(folder)
            self._axes[folder] = {name: row for row, name in enumerate(names)}
        return self._axes[folder]

    def _row(self, image: Admitted) -> dict[str, Any]:
        found = image.found
        place = {
            "task": self.task,
            "dataset": self.dataset,
            "scene": found.scene,
            "role": found.role,
            "name": found.name,
            "position": found.position,
            "file": found.file,
        }
        facts = image.facts.columns()
        if image.pixels is None:
            assert image.known is not None
            return {"group": "", **image.known, **place, **image.columns, **facts}
        address = self._address(found, image.pixels)
        bucket = {"bucket": address.folder.rpartition("/")[2], "row": address.row}
        return {"group": "", **place, **image.columns, **bucket, **facts}

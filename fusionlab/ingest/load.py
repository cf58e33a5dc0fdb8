"""Ingest: read what the manifest names, store the pixels, and write index and rejects.

Scenes are taken in sorted order, a batch at a time: read in parallel, judge, grow the buckets,
write in parallel, checkpoint the index. A row of the index is only written after its pixels, and
the row of a changed image is dropped before its pixels are overwritten, so that a run killed at
any moment leaves an index that tells the truth; the next run adds what is missing.
"""

from __future__ import annotations

import os
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from itertools import chain
from typing import TYPE_CHECKING, Any

import pandas as pd

from fusionlab.ingest.admit import admit_scene
from fusionlab.ingest.find import FoundFile, FoundScene, find
from fusionlab.ingest.read import ReadFile, read_file
from fusionlab.store import Address, bucket_name
from fusionlab.tables import INDEX, rejects_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fusionlab.images import Pixels
    from fusionlab.ingest.manifest import Manifest
    from fusionlab.ingest.rejects import Reject
    from fusionlab.lab import Lab

#: A batch ends at either: decoded images are some ten times as large as their files.
_FILES_PER_BATCH = 256
_BYTES_PER_BATCH = 64 * 2**20
_CHECKPOINT_SECONDS = 10.0

Key = tuple[str, str, str]  # scene, role, name


@dataclass
class IngestReport:
    """What one run of ingest did.

    Attributes
    ----------
    added, changed, unchanged : images by what happened to them.
    kept : images in the lab whose file is not there any more; `pruned` when they were dropped.
    rejected : reason code -> files.
    """

    task: str
    dataset: str
    scenes: int = 0
    methods: int = 0
    added: int = 0
    changed: int = 0
    unchanged: int = 0
    kept: int = 0
    pruned: int = 0
    rejected: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0

    def as_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return asdict(self)


def ingest(
    manifest: Manifest,
    root: Path,
    lab: Lab,
    *,
    workers: int | None = None,
    force: bool = False,
    prune: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> IngestReport:
    """Bring the images that `manifest` names into `lab`.

    Parameters
    ----------
    root : folder that the manifest's patterns start at.
    workers : threads that read, decode and write; as many as there are cores by default.
    force : decode and store everything again, changed or not.
    prune : drop images from the index whose file is not found any more.
    on_progress : called with (files done, files in all).

    Raises
    ------
    LabError
        When another process writes to the lab.
    """
    start = time.monotonic()
    with lab.writing(pixels=True):
        run = _Run(manifest, root, lab, workers or os.cpu_count() or 1, force)
        report = run.run(prune, on_progress or (lambda _done, _total: None))
    report.seconds = round(time.monotonic() - start, 3)
    return report


def preview(manifest: Manifest, root: Path) -> dict[str, Any]:
    """Return what `ingest` would read, by the files' names alone."""
    findings = find(manifest, root)
    files = [found for scene in findings.scenes for found in scene.files]
    return {
        "task": manifest.task,
        "dataset": manifest.dataset,
        "scenes": len(findings.scenes),
        "methods": len({found.name for found in files if found.role == "method"}),
        "files": len(files),
        "rejected": dict(sorted(Counter(r.reason for r in findings.rejects).items())),
        "rejected_files": [r.found.file if r.found else r.file for r in findings.rejects],
    }


class _Run:
    """The state of one ingest: the index rows so far, and the rows of each bucket."""

    def __init__(self, manifest: Manifest, root: Path, lab: Lab, workers: int, force: bool) -> None:
        self.manifest, self.root, self.lab, self.force = manifest, root, lab, force
        self.pool = ThreadPoolExecutor(workers, thread_name_prefix="ingest")
        self.task, self.dataset = manifest.task, manifest.dataset
        index = lab.index(self.task, self.dataset)
        self.rows: dict[Key, dict[str, Any]] = {
            (row["scene"], row["role"], row["name"]): {str(k): v for k, v in row.items()}
            for row in index.to_dict("records")
        }
        self.axes: dict[str, dict[str, int]] = {}  # bucket folder -> scene -> row
        self.saved = time.monotonic()

    def run(self, prune: bool, on_progress: Callable[[int, int], None]) -> IngestReport:
        findings = find(self.manifest, self.root)
        report = IngestReport(self.task, self.dataset)
        rejects = list(findings.rejects)
        self._forget(rejects)
        seen: set[Key] = set()
        total, done = sum(len(scene.files) for scene in findings.scenes), 0
        on_progress(0, total)
        with self.pool:
            for batch in _batches(findings.scenes, self.root):
                rejects += self._take(batch, report, seen)
                done += sum(len(scene.files) for scene in batch)
                on_progress(done, total)
                if time.monotonic() - self.saved > _CHECKPOINT_SECONDS:
                    self._save_index()
        self._settle_absent(seen, rejects, prune, report)
        self._save_index()
        frame = rejects_frame(
            "ingest", self.task, self.dataset, (reject.row() for reject in rejects)
        )
        self.lab.replace_rejects("ingest", self.task, self.dataset, frame)
        report.rejected = dict(sorted(Counter(reject.reason for reject in rejects).items()))
        report.scenes = len({scene for scene, role, _ in self.rows if role == "source"})
        report.methods = len({name for _, role, name in self.rows if role == "method"})
        return report

    def _take(self, batch: list[FoundScene], report: IngestReport, seen: set[Key]) -> list[Reject]:
        """Read, judge and store the scenes of one batch."""
        files = list(chain.from_iterable(scene.files for scene in batch))
        outcomes = dict(zip(files, self.pool.map(self._read, files), strict=True))
        rejects: list[Reject] = []
        admitted: list[ReadFile] = []
        for scene in batch:
            judged = [outcomes[found] for found in scene.files]
            good, bad = admit_scene(scene.scene, judged, list(self.manifest.sources))
            admitted += good
            rejects += bad
        self._forget(rejects)
        self._store([item for item in admitted if item.image is not None])
        for item in admitted:
            key = _key(item.found)
            seen.add(key)
            _count(item, report)
            self.rows[key] = self._index_row(item)
        return rejects

    def _forget(self, rejects: list[Reject]) -> None:
        for reject in rejects:
            if reject.found is not None:
                self.rows.pop(_key(reject.found), None)

    def _read(self, found: FoundFile) -> ReadFile | Reject:
        return read_file(self.root, found, self.rows.get(_key(found)), self.force)

    def _store(self, items: list[ReadFile]) -> None:
        """Write new pixels; the index forgets what they replace before they do."""
        replaced = [_key(item.found) for item in items if item.known is not None]
        if replaced:
            for key in replaced:
                self.rows.pop(key, None)
            self._save_index()
        arrays: dict[str, dict[str, Pixels]] = {}
        writes: list[tuple[Address, Pixels]] = []
        for item in items:
            assert item.image is not None
            address = self._address(item.found, item.image.pixels)
            arrays.setdefault(address.folder, {})[address.array] = item.image.pixels
            writes.append((address, item.image.pixels))
        for folder, members in arrays.items():
            sample = next(iter(members.values()))
            self.lab.images.grow(
                folder, list(self._axis(folder)), members, sample.shape, str(sample.dtype)
            )
        list(self.pool.map(lambda write: self.lab.images.write(*write), writes))

    def _address(self, found: FoundFile, pixels: Pixels) -> Address:
        folder = f"{self.task}/{self.dataset}/{bucket_name(pixels)}"
        axis = self._axis(folder)
        row = axis.setdefault(found.scene, len(axis))
        return Address(folder, f"{found.role}/{found.name}", row)

    def _axis(self, folder: str) -> dict[str, int]:
        if folder not in self.axes:
            names = self.lab.images.scenes(folder)
            self.axes[folder] = {name: row for row, name in enumerate(names)}
        return self.axes[folder]

    def _index_row(self, item: ReadFile) -> dict[str, Any]:
        found = item.found
        place = {
            "task": self.task,
            "dataset": self.dataset,
            "scene": found.scene,
            "role": found.role,
            "name": found.name,
            "position": found.position,
            "file": found.file,
        }
        if item.image is None:
            assert item.known is not None
            return {**item.known, **place}
        pixels = item.image.pixels
        address = self._address(found, pixels)
        return {
            **place,
            "height": pixels.shape[0],
            "width": pixels.shape[1],
            "channels": pixels.shape[2] if pixels.ndim == 3 else 1,
            "dtype": str(pixels.dtype),
            "bucket": bucket_name(pixels),
            "row": address.row,
            "digest": item.pixel_digest,
            "file_digest": item.file_digest,
            "file_format": item.image.file_format,
            "file_mode": item.image.file_mode,
            "notes": ",".join(item.image.notes),
            **INDEX.added,
        }

    def _settle_absent(
        self, seen: set[Key], rejects: list[Reject], prune: bool, report: IngestReport
    ) -> None:
        """Decide about rows whose file was not found, and drop what lost its sources."""
        unseen = [key for key in self.rows if key not in seen]
        for key in unseen:
            if prune or not self._still_fits(key):
                del self.rows[key]
                report.pruned += 1
        spoiled = {
            r.found.scene
            for r in rejects
            if r.found is not None
            and r.found.role == "source"
            and r.found.name in list(self.manifest.sources)[:2]
        }
        for key in [key for key in self.rows if key[0] in spoiled]:
            del self.rows[key]
        report.kept = sum(key not in seen for key in self.rows)

    def _still_fits(self, key: Key) -> bool:
        """Tell whether a row whose file is gone can stay beside what the manifest names now."""
        (scene, role, name), row = key, self.rows[key]
        modalities = list(self.manifest.sources)
        if role == "source":
            if name not in modalities:
                return False
            row["position"] = modalities.index(name)
        first = self.rows.get((scene, "source", modalities[0]))
        return first is None or (row["height"], row["width"]) == (first["height"], first["width"])

    def _save_index(self) -> None:
        frame = pd.DataFrame(list(self.rows.values()), columns=INDEX.columns.names)
        self.lab.write_index(self.task, self.dataset, frame)
        self.saved = time.monotonic()


def _key(found: FoundFile) -> Key:
    return found.scene, found.role, found.name


def _count(item: ReadFile, report: IngestReport) -> None:
    if item.image is None:
        report.unchanged += 1
    elif item.known is None:
        report.added += 1
    else:
        report.changed += 1


def _batches(scenes: list[FoundScene], root: Path) -> Iterator[list[FoundScene]]:
    """Cut the scenes into runs that bound what is decoded at once, whole scenes each."""
    batch: list[FoundScene] = []
    files = weight = 0
    for scene in scenes:
        batch.append(scene)
        files += len(scene.files)
        weight += sum(_bytes(root / found.file) for found in scene.files)
        if files >= _FILES_PER_BATCH or weight >= _BYTES_PER_BATCH:
            yield batch
            batch, files, weight = [], 0, 0
    if batch:
        yield batch


def _bytes(path: Path) -> int:
    """Return a file's size; 0 where it cannot be told: reading it will say why."""
    try:
        return path.stat().st_size
    except OSError:
        return 0

"""Ingest: read what the manifest names, judge it, store the pixels, and write index and rejects.

Scenes are taken in sorted order, a batch at a time. Of each scene the sources are read first; then
every candidate is read and compared with them. A candidate that shows another scene than its name
says is rejected, or, when content decides, given at the end to the scene that it shows.
"""

from __future__ import annotations

import os
import time
from collections import Counter, defaultdict
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from fusionlab.ingest.admitted import Admitted, Misfit
from fusionlab.ingest.candidate import Outcome, judge_candidate
from fusionlab.ingest.checks import Checks
from fusionlab.ingest.find import FoundFile, FoundScene, find
from fusionlab.ingest.group import group_candidates, group_scenes
from fusionlab.ingest.opinions import read_opinions
from fusionlab.ingest.read import Reader
from fusionlab.ingest.rejects import Reject
from fusionlab.ingest.report import IngestReport
from fusionlab.ingest.scene import Scene, place_of, read_scene
from fusionlab.ingest.search import SceneSearch, describe_files, find_home
from fusionlab.ingest.shelf import Shelf
from fusionlab.ingest.tree import FileTree
from fusionlab.inspection.scenes import sketch
from fusionlab.made import is_made, outdated
from fusionlab.regions import Region
from fusionlab.tables import rejects_frame

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from fusionlab.ingest.manifest import Manifest
    from fusionlab.ingest.shelf import Key
    from fusionlab.inspection.likeness import Descriptor
    from fusionlab.inspection.scenes import Sketch
    from fusionlab.lab import Lab

#: A batch ends at either: decoded images are some ten times as large as their files.
_FILES_PER_BATCH = 256
_BYTES_PER_BATCH = 64 * 2**20


def ingest(
    manifest: Manifest,
    root: Path,
    lab: Lab,
    *,
    checks: Checks | None = None,
    workers: int | None = None,
    force: bool = False,
    prune: bool = False,
    on_progress: Callable[[int, int], None] | None = None,
) -> IngestReport:
    """Bring the images that `manifest` names into `lab`.

    Parameters
    ----------
    root : folder or archive that the manifest's patterns start at.
    checks : what is checked besides names, and what may be mended; `Checks()` when None.
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
    workers = workers or os.cpu_count() or 1
    with (
        lab.writing(pixels=True),
        FileTree(root, manifest.enters) as tree,
        ThreadPoolExecutor(workers, thread_name_prefix="ingest") as threads,
    ):
        run = _Run(Reader(tree, manifest), lab, threads, workers, checks or Checks(), force)
        report = run.run(prune, on_progress or (lambda _done, _total: None))
    report.seconds = round(time.monotonic() - start, 3)
    return report


def preview(manifest: Manifest, root: Path) -> dict[str, Any]:
    """Return what `ingest` would read, by the files' names alone."""
    with FileTree(root, manifest.enters) as tree:
        findings = find(manifest, tree)
        files = [found for scene in findings.scenes for found in scene.files]
        named = {(found.scene, found.name) for found in files if found.role == "method"}
        opinions, unusable = read_opinions(manifest, tree, named)
    rejects = findings.rejects + unusable
    return {
        "task": manifest.task,
        "dataset": manifest.dataset,
        "scenes": len(findings.scenes),
        "methods": len({found.name for found in files if found.role == "method"}),
        "files": len(files),
        "opinions": len(opinions),
        "rejected": dict(sorted(Counter(r.reason for r in rejects).items())),
        "rejected_files": [r.found.file if r.found else r.file for r in rejects],
    }


class _Run:
    """The state of one ingest."""

    def __init__(
        self,
        reader: Reader,
        lab: Lab,
        threads: ThreadPoolExecutor,
        workers: int,
        checks: Checks,
        force: bool,
    ) -> None:
        self.reader, self.lab, self.force = reader, lab, force
        self.manifest = manifest = reader.manifest
        self.checks, self.threads, self.workers = checks, threads, workers
        self.shelf = Shelf(lab, manifest.task, manifest.dataset)
        self.report = IngestReport(manifest.task, manifest.dataset)
        self.findings = find(manifest, reader.tree)
        self.here = {found.file for scene in self.findings.scenes for found in scene.files}
        self.here |= {r.found.file if r.found else r.file for r in self.findings.rejects}
        self.search = SceneSearch(self._describe_all)
        self.rejects: list[Reject] = []
        self.homeless: list[Misfit] = []
        self.seen: set[Key] = set()
        self.sketches: dict[str, Sketch | None] = {}

    def run(self, prune: bool, on_progress: Callable[[int, int], None]) -> IngestReport:
        """Take all scenes, settle what is left over, and write index and rejects."""
        scenes = self._named()
        total, done = sum(len(scene.files) for scene in scenes), 0
        on_progress(0, total)
        for batch in _batches(scenes, self.reader.tree):
            self._take(batch)
            done += sum(len(scene.files) for scene in batch)
            on_progress(done, total)
            self.shelf.checkpoint()
        self._settle_homeless()
        self._settle_absent(prune)
        group_scenes(self.shelf.rows.values(), self.sketches, self.lab.images, self.threads)
        self._group_by_names()
        self.shelf.save()
        self._take_opinions()
        return self._reported()

    def _named(self) -> list[FoundScene]:
        """Return the scenes as names group them; set aside what only content can place."""
        content = self.checks.match == "content"
        for reject in self.findings.rejects:
            found = reject.found if reject.reason == "no_sources" else None
            if content and found is not None and found.role == "method":
                self.homeless.append(Misfit(found, reject.detail))
            else:
                self._reject(reject)
        return self.findings.scenes

    def _reject(self, reject: Reject) -> None:
        self.rejects.append(reject)
        if reject.found is not None:
            self._forget(reject.found)

    def _forget(self, found: FoundFile) -> None:
        """Drop the row at the place of a file that was turned away, unless it is another's."""
        row = self.shelf.rows.get(place_of(found))
        if row is not None and (row["file"] == found.file or row["file"] not in self.here):
            del self.shelf.rows[place_of(found)]

    def _take(self, batch: list[FoundScene]) -> None:
        """Read, judge and store the scenes of one batch."""
        scenes: dict[str, Scene] = {}
        for scene, rejects in self.threads.map(self._read_scene, batch):
            for reject in rejects:
                self._reject(reject)
            if scene is not None:
                scenes[scene.name] = scene
        jobs = [
            (scenes[members.scene], found)
            for members in batch
            if members.scene in scenes
            for found in members.files
            if found.role != "source"
        ]
        admitted: dict[str, list[Admitted]] = {name: [] for name in scenes}
        for (scene, _), outcome in zip(jobs, self.threads.map(self._judge, jobs), strict=True):
            self._sort(scene, outcome, admitted)
        # all done before the sketches, which need what grouping measured of the sources
        grouped = list(self.threads.map(group_candidates, scenes.values(), admitted.values()))
        for name, scene in scenes.items():
            if scene.is_new:
                self.sketches[name] = sketch(*scene.statistics[:2])
        images = [image for scene in scenes.values() for image in scene.sources]
        images += [image for members in grouped for image in members]
        if not self.force:
            images = [image.without_stored_pixels() for image in images]
        self._count(images)
        self.shelf.put(images, self.threads)

    def _read_scene(self, found: FoundScene) -> tuple[Scene | None, list[Reject]]:
        rows, store = self.shelf.rows, self.lab.images
        return read_scene(self.reader, found, rows, store, self.checks, self.force)

    def _judge(self, job: tuple[Scene, FoundFile]) -> Outcome:
        scene, found = job
        known = self.shelf.rows.get(place_of(found))
        return judge_candidate(
            self.reader, found, scene, known, self.checks, self.search, self.force
        )

    def _sort(self, scene: Scene, outcome: Outcome, admitted: dict[str, list[Admitted]]) -> None:
        if isinstance(outcome, Admitted):
            admitted[scene.name].append(outcome)
        elif isinstance(outcome, Misfit):
            self.homeless.append(outcome)
            self._forget(outcome.found)
        else:
            self._reject(outcome)

    def _count(self, images: list[Admitted]) -> None:
        for image in images:
            if place_of(image.found) in self.seen:
                continue
            self.seen.add(place_of(image.found))
            if image.pixels is None:
                self.report.unchanged += 1
            elif image.known is None:
                self.report.added += 1
            else:
                self.report.changed += 1

    def _describe_all(self) -> Iterator[tuple[str, Descriptor]]:
        """Yield the descriptors of all scenes; called by one of the threads, so not on them."""
        with ThreadPoolExecutor(self.workers) as threads:
            described = threads.map(lambda s: describe_files(self.reader, s), self.findings.scenes)
            for scene, descriptor in zip(self.findings.scenes, described, strict=True):
                if descriptor is not None:
                    yield scene.scene, descriptor

    def _settle_homeless(self) -> None:
        """Reject what shows another scene than its name says, or give it to that scene."""
        homeless, self.homeless = self.homeless, []
        if self.checks.match == "content":
            for batch in _batches(self._rehoused(homeless), self.reader.tree):
                self._take(batch)
            homeless, self.homeless = self.homeless, []
        for misfit in homeless:
            self._reject(Reject("wrong_scene", misfit.detail, misfit.found))

    def _rehoused(self, homeless: list[Misfit]) -> list[FoundScene]:
        """Return the scenes that homeless candidates were found to show, with all their files."""
        homes = self.threads.map(lambda m: find_home(self.reader, m.found, self.search), homeless)
        moved: dict[Key, list[FoundFile]] = defaultdict(list)
        for misfit, scene in zip(homeless, homes, strict=True):
            if isinstance(scene, Reject):
                self._reject(scene)
            elif scene is None:
                self._reject(Reject("wrong_scene", misfit.detail, misfit.found))
            else:
                found = replace(misfit.found, scene=scene, named=misfit.found.scene)
                moved[place_of(found)].append(found)
        added: dict[str, list[FoundFile]] = defaultdict(list)
        for place, claimants in moved.items():
            if len(claimants) == 1 and place not in self.seen:
                added[place[0]].append(claimants[0])
                continue
            detail = f"shows scene {place[0]!r}, which has another output of {place[2]!r}; keep one"
            for found in claimants:
                self._reject(Reject("duplicate_file", detail, replace(found, scene=found.named)))
        return [
            FoundScene(s.scene, [f for f in s.files if place_of(f) in self.seen] + added[s.scene])
            for s in self.findings.scenes
            if s.scene in added
        ]

    def _settle_absent(self, prune: bool) -> None:
        """Decide about rows whose file was not found, and drop what lost its sources."""
        rows = self.shelf.rows
        for row in outdated(rows.values()):
            del rows[row["scene"], row["role"], row["name"]]
            self.report.pruned += 1
        for key in [key for key in rows if key not in self.seen and not is_made(rows[key])]:
            if rows[key]["file"] in self.here:  # its file is at another place now
                del rows[key]
            elif prune or not self._still_fits(key):
                del rows[key]
                self.report.pruned += 1
        spoiled = {
            r.found.scene
            for r in self.rejects
            if r.found is not None
            and r.found.role == "source"
            and r.found.name in list(self.manifest.sources)[:2]
        }
        for key in [key for key in rows if key[0] in spoiled]:
            del rows[key]
        self.report.kept = sum(key not in self.seen for key in rows)

    def _group_by_names(self) -> None:
        """Note of every scene the group that the manifest says now."""
        grouping, ungrouped = self.manifest.group, set()
        for (scene, role, _), row in self.shelf.rows.items():
            row["group"] = self.manifest.group_of(scene) if role == "source" else ""
            if role == "source" and grouping is not None and not row["group"]:
                ungrouped.add(scene)
        for scene in sorted(ungrouped):
            detail = f"the name of scene {scene!r} does not fit the pattern of 'group'; it is alone"
            self.rejects.append(
                Reject("no_group", detail, FoundFile(0, -1, "", "scene", scene, ""))
            )

    def _take_opinions(self) -> None:
        """Replace the data set's opinion scores by those that the manifest names now."""
        known = {(scene, name) for scene, role, name in self.shelf.rows if role == "method"}
        opinions, unusable = read_opinions(self.manifest, self.reader.tree, known)
        key = self.manifest.task, self.manifest.dataset
        if len(opinions) or len(self.lab.opinions(*key)):
            self.lab.write_opinions(*key, opinions)
        self.rejects += unusable
        self.report.opinions = len(opinions)

    def _still_fits(self, key: Key) -> bool:
        """Tell whether a row whose file is gone can stay beside what the manifest names now."""
        (scene, role, name), rows = key, self.shelf.rows
        row, modalities = rows[key], list(self.manifest.sources)
        if role == "source":
            if name not in modalities:
                return False
            row["position"] = modalities.index(name)
        first = rows.get((scene, "source", modalities[0]))
        return first is None or _shows_part(row, (first["height"], first["width"]))

    def _reported(self) -> IngestReport:
        """Write the rejects, and complete the report."""
        task, dataset, report, rows = (
            self.manifest.task,
            self.manifest.dataset,
            self.report,
            self.shelf.rows,
        )
        frame = rejects_frame("ingest", task, dataset, (reject.row() for reject in self.rejects))
        self.lab.replace_rejects("ingest", task, dataset, frame)
        report.rejected = dict(sorted(Counter(reject.reason for reject in self.rejects).items()))
        report.scenes = len({scene for scene, role, _ in rows if role == "source"})
        report.methods = len({name for _, role, name in rows if role == "method"})
        report.aligned = sum(bool(row["alignment"]) for row in rows.values())
        report.moved = sum("named:" in row["notes"] for row in rows.values())
        return report


def _shows_part(row: dict[str, Any], size: tuple[int, int]) -> bool:
    """Tell whether an image can show all, or its region, of a scene of `size`."""
    region = Region.parse(row["region"])
    return region.within(size) if region else (row["height"], row["width"]) == size


def _batches(scenes: list[FoundScene], tree: FileTree) -> Iterator[list[FoundScene]]:
    """Cut the scenes into runs that bound what is decoded at once, whole scenes each."""
    batch: list[FoundScene] = []
    files = weight = 0
    for scene in scenes:
        batch.append(scene)
        files += len(scene.files)
        weight += sum(tree.size(found.file) for found in scene.files)
        if files >= _FILES_PER_BATCH or weight >= _BYTES_PER_BATCH:
            yield batch
            batch, files, weight = [], 0, 0
    if batch:
        yield batch

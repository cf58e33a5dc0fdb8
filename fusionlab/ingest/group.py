"""What can only be told of images together: a scene's candidates, and a data set's scenes."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from fusionlab.ingest.read import judged_by
from fusionlab.ingest.scene import stored_pixels
from fusionlab.inspection.kinship import Member, inspect
from fusionlab.inspection.scenes import near_duplicate_scenes, sketch
from fusionlab.inspection.statistics import is_jpeg, measure
from fusionlab.regions import Region, crop
from fusionlab.store import Address

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from concurrent.futures import Executor
    from typing import Any

    from fusionlab.ingest.admitted import Admitted
    from fusionlab.ingest.checks import Facts
    from fusionlab.ingest.scene import Scene
    from fusionlab.inspection.scenes import Sketch
    from fusionlab.inspection.statistics import Statistics
    from fusionlab.store import ImageStore

    Row = dict[str, Any]


def group_candidates(scene: Scene, images: list[Admitted]) -> list[Admitted]:
    """Find flags, twins and families among the candidates of one scene.

    Candidates are compared with those that show the same region. What was found stands until a
    candidate comes, goes or changes; then all are looked at again, from the store where needed.
    """
    candidates = [image for image in images if image.found.role == "method"]
    stamp = _join(f"{i.found.name} {i.digest} {i.facts.region}" for i in candidates)
    inspected = f"{scene.stamp}.{stamp}"
    if all(image.facts.inspected == inspected for image in candidates):
        return images
    regions: dict[str, list[Admitted]] = defaultdict(list)
    for image in candidates:
        regions[image.facts.region].append(image)
    found = [image for image in images if image.found.role != "method"]
    for region, members in regions.items():
        for image, facts in _judge(scene, Region.parse(region), members):
            found.append(replace(image, facts=replace(facts, inspected=inspected)))
    return found


def _judge(
    scene: Scene, region: Region | None, images: list[Admitted]
) -> Iterator[tuple[Admitted, Facts]]:
    statistics = scene.statistics
    if region is not None:
        statistics = [measure(crop(pixels, region)) for pixels in scene.pixels]
    sources = {
        source.found.name: _member(source, of_source)
        for source, of_source in zip(scene.sources, statistics, strict=True)
    }
    candidates = {
        image.found.name: _member(image, image.statistics or _measured(image, scene))
        for image in images
    }
    findings = inspect(sources, candidates)
    for image in images:
        finding = findings[image.found.name]
        flags = ",".join(finding.flags)
        yield image, replace(image.facts, flags=flags, twin=finding.twin, family=finding.family)


def _measured(image: Admitted, scene: Scene) -> Statistics:
    jpeg = is_jpeg(image.row["file_format"])
    return measure(stored_pixels(image, scene.store), jpeg=jpeg)


def _member(image: Admitted, statistics: Statistics) -> Member:
    notes = tuple(note for note in image.row["notes"].split(",") if note)
    return Member(statistics, image.digest, image.row["file_format"], notes)


def group_scenes(
    rows: Iterable[Row],
    sketches: dict[str, Sketch | None],
    store: ImageStore,
    threads: Executor,
) -> None:
    """Note in the index rows of the sources which scenes nearly equal each other.

    What was found stands until a scene comes, goes or changes.

    Parameters
    ----------
    rows : of one data set; those of sources are changed.
    sketches : of scenes that were read just now; others are read from the store.
    """
    scenes: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        if row["role"] == "source":
            scenes[row["scene"]].append(row)
    pairs = {
        scene: sorted(sources, key=lambda row: row["position"])[:2]
        for scene, sources in sorted(scenes.items())
        if len(sources) > 1
    }
    stamp = _join(f"{row['scene']} {row['digest']}" for pair in pairs.values() for row in pair)
    sources = [row for members in scenes.values() for row in members]
    if all(row["inspected"] == f"{judged_by(row)}.{stamp}" for row in sources):
        return
    unread = [scene for scene in pairs if scene not in sketches]
    read = threads.map(lambda scene: _sketch(pairs[scene], store), unread)
    known = sketches | dict(zip(unread, read, strict=True))
    twins = near_duplicate_scenes(
        {scene: drawn for scene in pairs if (drawn := known[scene]) is not None}
    )
    for row in sources:
        twin = twins.get(row["scene"])
        row["twin"] = f"scene/{twin}" if twin else ""
        row["inspected"] = f"{judged_by(row)}.{stamp}"


def _sketch(pair: list[Row], store: ImageStore) -> Sketch | None:
    a, b = (measure(store.read(Address.of(row))) for row in pair)
    return sketch(a, b)


def _join(parts: Iterable[str]) -> str:
    return hashlib.sha256("\n".join(sorted(parts)).encode()).hexdigest()[:16]

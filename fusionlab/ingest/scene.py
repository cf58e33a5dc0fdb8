"""The sources of one scene: read together, brought to one size, checked against each other."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from fusionlab.ingest.admitted import Admitted
from fusionlab.ingest.checks import Checks, Facts
from fusionlab.ingest.read import OpenedFile, Reader
from fusionlab.ingest.rejects import Reject
from fusionlab.inspection.align import recognise_source
from fusionlab.inspection.likeness import Descriptor, describe
from fusionlab.inspection.register import displacement, misregistered
from fusionlab.inspection.statistics import Bytes, Statistics, gray_of, measure
from fusionlab.store import Address, ImageStore

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.images import Pixels
    from fusionlab.ingest.find import FoundFile, FoundScene

    Rows = Mapping[tuple[str, str, str], Mapping[str, Any]]


@dataclass(frozen=True)
class Scene:
    """A scene whose sources can be used.

    Attributes
    ----------
    stamp : what the inspection of its images depends on, see `Checks.stamp`.
    sources : in the order of the manifest, a and b first, all of one size.
    """

    name: str
    stamp: str
    sources: list[Admitted]
    store: ImageStore

    @cached_property
    def pixels(self) -> list[Pixels]:
        """Return the sources' pixels, from the store where they are there already."""
        return [stored_pixels(source, self.store) for source in self.sources]

    @cached_property
    def grays(self) -> list[Bytes]:
        """Return the sources as they are looked at, (H, W) each."""
        return [gray_of(pixels) for pixels in self.pixels]

    @cached_property
    def descriptor(self) -> Descriptor:
        """Return what candidates are compared with."""
        return describe(self.grays)

    @cached_property
    def statistics(self) -> list[Statistics]:
        """Return what fingerprints are judged by."""
        return [measure(pixels) for pixels in self.pixels]

    @property
    def is_new(self) -> bool:
        """Tell whether the sources were decoded just now."""
        return self.sources[0].pixels is not None

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width in pixels."""
        row = self.sources[0].row
        return int(row["height"]), int(row["width"])


def stored_pixels(image: Admitted, store: ImageStore) -> Pixels:
    """Return an image's pixels, from the store when it was not decoded just now."""
    if image.pixels is not None:
        return image.pixels
    assert image.known is not None
    return store.read(Address.of(image.known))


def read_scene(
    reader: Reader, scene: FoundScene, rows: Rows, store: ImageStore, checks: Checks, force: bool
) -> tuple[Scene | None, list[Reject]]:
    """Read the sources of a scene; they are decoded when one of them, or a check, has changed.

    Returns
    -------
    The scene, or None when it cannot be used; and what was rejected: of an unusable scene, all
    its files.
    """
    found = [file for file in scene.files if file.role == "source"]
    opened = [reader.open(file) for file in found]
    good = [file for file in opened if isinstance(file, OpenedFile)]
    rejects = [file for file in opened if isinstance(file, Reject)]
    stamp = checks.stamp(file.digest for file in good)
    known = [rows.get(place_of(file.found)) for file in good]
    standing = [
        Admitted.standing(file.found, row)
        for file, row in zip(good, known, strict=True)
        if row is not None and reader.stands(file, row, stamp)
    ]
    if len(standing) == len(good) and not force:
        return _complete(Scene(scene.scene, stamp, standing, store), scene, rejects)
    sources = []
    for file, row in zip(good, known, strict=True):
        image = reader.decode(file)
        if isinstance(image, Reject):
            rejects.append(image)
            continue
        if image.opaque_box is not None:
            detail = "a source with a transparent border; cut it off, from all sources alike"
            rejects.append(Reject("transparent", detail, file.found))
            continue
        sources.append(Admitted.new(file, image, image.pixels, Facts(inspected=stamp), row))
    prepared, turned_away = _check_sources(sources, checks)
    return _complete(Scene(scene.scene, stamp, prepared, store), scene, rejects + turned_away)


def place_of(found: FoundFile) -> tuple[str, str, str]:
    """Return scene, role and name: what a row of one data set's index is known by."""
    return found.scene, found.role, found.name


def _complete(
    scene: Scene, found: FoundScene, rejects: list[Reject]
) -> tuple[Scene | None, list[Reject]]:
    """Give the scene up when a or b was turned away, and with it all its files."""
    there = {source.found.position for source in scene.sources}
    missing = [
        file.name for file in found.files if file.position in (0, 1) and file.position not in there
    ]
    if not missing:
        return scene, rejects
    gone = {reject.found for reject in rejects}
    detail = f"source {' and '.join(missing)} of scene {found.scene!r} was rejected"
    rest = [file for file in found.files if file not in gone]
    return None, rejects + [Reject("source_rejected", detail, file) for file in rest]


def _check_sources(sources: list[Admitted], checks: Checks) -> tuple[list[Admitted], list[Reject]]:
    """Bring the sources to one size and compare each with the first."""
    by_position = {source.found.position: source for source in sources}
    if not {0, 1} <= set(by_position):
        return sources, []
    a, b = by_position[0], by_position[1]
    if _size(a) != _size(b):
        aligned = _one_size(a, b, checks)
        if isinstance(aligned, str):
            return [], [Reject("source_sizes_differ", aligned, s.found) for s in sources]
        a, b = aligned
    kept, rejects = [a], []
    for source in [b, *(s for s in sources if s.found.position > 1)]:
        if _size(source) != _size(a):
            detail = f"is {_text(source)} (height x width), the first source is {_text(a)}"
            rejects.append(Reject("size_mismatch", detail, source.found))
            continue
        checked = _registered(a, source, checks)
        (rejects if isinstance(checked, Reject) else kept).append(checked)  # type: ignore[arg-type]
    return kept, rejects


def _one_size(a: Admitted, b: Admitted, checks: Checks) -> tuple[Admitted, Admitted] | str:
    """Enlarge the smaller of a and b by an integer factor, or say why not."""
    sentence = (
        f"the sources differ in size: {a.found.name} is {_text(a)}, {b.found.name} is {_text(b)} "
        "(height x width)"
    )
    small, large = sorted((a, b), key=_size)
    assert small.pixels is not None
    assert large.pixels is not None
    alignment = recognise_source(gray_of(small.pixels), gray_of(large.pixels))
    if alignment is None:
        return f"{sentence}, and one is no whole number of times the other; register them first"
    if "resize" not in checks.align:
        return f"{sentence}: {alignment.detail}; take it with --align resize"
    rule = f"resize:{alignment.enlarge}"
    enlarged = small.aligned(alignment.apply(small.pixels), replace(small.facts, alignment=rule))
    return (enlarged, b) if small is a else (a, enlarged)


def _registered(a: Admitted, other: Admitted, checks: Checks) -> Admitted | Reject:
    """Estimate how far a source is displaced against the first; reject it when it is."""
    assert a.pixels is not None
    assert other.pixels is not None
    estimate = displacement(gray_of(a.pixels), gray_of(other.pixels))
    shift = estimate.magnitude if estimate.is_certain else math.nan
    if not misregistered(estimate):
        return replace(other, facts=replace(other.facts, shift=shift))
    if checks.keep_displaced:
        return replace(other, facts=replace(other.facts, shift=shift, flags="unregistered"))
    detail = (
        f"{other.found.name} is displaced against {a.found.name} by about {shift:.1f} pixels; "
        "register them first, or take them as they are with --keep-displaced"
    )
    return Reject("unregistered", detail, other.found)


def _size(source: Admitted) -> tuple[int, int]:
    assert source.pixels is not None
    return source.pixels.shape[0], source.pixels.shape[1]


def _text(source: Admitted) -> str:
    return "x".join(str(side) for side in _size(source))

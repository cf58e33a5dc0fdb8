"""A label with the pair of sources that it was chosen by: what networks learn from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from fusionlab.errors import LabError
from fusionlab.pixels import read_checked
from fusionlab.regions import Region, crop

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from fusionlab.images import Pixels
    from fusionlab.lab import Lab

    Entry = Mapping[Any, Any]


def place_of(row: Mapping[Any, Any]) -> str:
    """Return ``task/dataset/scene`` of a row of any table."""
    return f"{row['task']}/{row['dataset']}/{row['scene']}"


@dataclass(frozen=True)
class Labelled:
    """Where the pixels of one row of a labels manifest are.

    Attributes
    ----------
    label, a, b : rows of the index. Of more than two sources, `a` and `b` are those that the
        manifest's digests name.
    region : the part of the sources that the label shows; None is all of them.
    """

    place: str
    label: Entry
    a: Entry
    b: Entry
    region: Region | None

    @property
    def size(self) -> tuple[int, int]:
        """Return height and width of the label."""
        return int(self.label["height"]), int(self.label["width"])

    def read(self, lab: Lab) -> tuple[Pixels, Pixels, Pixels]:
        """Return the label and both sources, cropped to what the label shows.

        Raises
        ------
        LabError
            When an image cannot be read, or is another one than the index means.
        """
        try:
            label, a, b = (read_checked(lab, row) for row in (self.label, self.a, self.b))
        except LabError as error:
            raise LabError(f"label of {self.place}: {error}") from error
        return label, crop(a, self.region), crop(b, self.region)


def find_labelled(lab: Lab, rows: Iterable[Mapping[str, Any]]) -> list[Labelled]:
    """Return where the pixels of rows of a labels manifest are, in their order.

    Raises
    ------
    LabError
        When an image is gone, or is another one than the manifest means, or a label has not the
        size of its sources.
    """
    rows = list(rows)
    images: dict[tuple[str, str], dict[tuple[str, str, str], Entry]] = {}
    for key in sorted({(row["task"], row["dataset"]) for row in rows}):
        entries = lab.index(*key).to_dict("records")
        images[key] = {_key(entry): entry for entry in entries}
    return [_find(lab, row, images[row["task"], row["dataset"]]) for row in rows]


def _key(entry: Entry) -> tuple[str, str, str]:
    """Return what an image is found by: a candidate its name, a source its digest."""
    scene, role = entry["scene"], entry["role"]
    return scene, role, str(entry["digest"] if role == "source" else entry["name"])


def _find(
    lab: Lab, row: Mapping[str, Any], images: Mapping[tuple[str, str, str], Entry]
) -> Labelled:
    scene, method = row["scene"], str(row["method"])

    def entry(what: str, role: str, name: str, column: str) -> Entry:
        found = images.get((scene, role, name))
        if found is None or found["digest"] != row[column]:
            raise LabError(
                f"{lab.path}: {what} of {place_of(row)} is not the image that the labels mean; "
                "select labels again, then train again"
            )
        return found

    label = entry(f"method {method}", "method", method, "digest_candidate")
    a, b = (
        entry(f"source {i}", "source", str(row[column]), column)
        for i, column in enumerate(("digest_a", "digest_b"))
    )
    found = Labelled(place_of(row), label, a, b, Region.parse(row["region"]))
    _check_sizes(lab, found)
    return found


def _check_sizes(lab: Lab, found: Labelled) -> None:
    """Refuse a label that does not show its region of both sources, pixel by pixel."""
    sizes = [(int(entry["height"]), int(entry["width"])) for entry in (found.a, found.b)]
    region = found.region
    fits = all(size == found.size if region is None else region.within(size) for size in sizes)
    if not fits or (region is not None and region[2:] != found.size):
        raise LabError(
            f"{lab.path}: the label of {found.place} has {found.size} pixels, its sources "
            f"{sizes[0]} and {sizes[1]}, and its region is {str(region or 'all of them')!r}: they "
            "do not fit; ingest the scene again with --force, then select labels again"
        )

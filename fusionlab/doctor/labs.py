"""Whether a lab opens, its tables can be read, and who writes to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fusionlab.doctor.findings import FAIL, OK, WARN, Finding
from fusionlab.errors import FusionLabError
from fusionlab.lab import FORMAT, Lab
from fusionlab.lock import read_holder
from fusionlab.upkeep import info, labels_info

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fusionlab.paths import Place


def lab_state(place: Place) -> Iterator[Finding]:
    """Yield what the lab at a place is like."""
    if not (place / "lab.json").exists():
        remedy = f"fusionlab ingest MANIFEST.yaml --lab {place}, or name another with --lab"
        yield Finding("lab", f"{place}: none here", WARN, remedy)
        return
    try:
        lab = Lab.open(place)
        datasets, labels = info(lab), labels_info(lab)
    except FusionLabError as error:
        yield Finding("lab", str(error), FAIL, "do as the message says")
        return
    counts = f"{len(datasets)} data sets, {labels['name'].nunique()} labels manifests"
    kind = "packed, " if lab.packed else ""
    yield Finding("lab", f"{place}: {kind}{counts}")
    yield _format(lab)
    yield _lock(place)


def _format(lab: Lab) -> Finding:
    if lab.format == FORMAT:
        return Finding("format of the lab", str(FORMAT))
    said = f"{lab.format}, which is read; the next writing command makes it {FORMAT}"
    return Finding("format of the lab", said, OK)


def _lock(place: Place) -> Finding:
    holder = read_holder(place)
    if holder is None:
        return Finding("lock of the lab", "nobody writes to it")
    if holder.is_gone:
        said = f"left over by {holder}, which has ended"
        return Finding("lock of the lab", said, WARN, "nothing: the next writer takes it over")
    said = f"held by {holder}"
    remedy = "wait for it to end; until then no other command can write"
    return Finding("lock of the lab", said, WARN, remedy)

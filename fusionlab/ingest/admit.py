"""Judge one scene: which of its files can be used together."""

from __future__ import annotations

from fusionlab.ingest.read import ReadFile
from fusionlab.ingest.rejects import Reject


def admit_scene(
    scene: str, outcomes: list[ReadFile | Reject], modalities: list[str]
) -> tuple[list[ReadFile], list[Reject]]:
    """Split what was read of one scene into what can be used and what cannot.

    The first two sources must have been read and be of one size: without them the whole scene is
    rejected. Any other image must have their size.

    Parameters
    ----------
    outcomes : one outcome a file of the scene.
    modalities : the manifest's modalities, a and b first.
    """
    rejects = [outcome for outcome in outcomes if isinstance(outcome, Reject)]
    read = [outcome for outcome in outcomes if isinstance(outcome, ReadFile)]
    sources = {r.found.name: r for r in read if r.found.role == "source"}
    missing = [modality for modality in modalities[:2] if modality not in sources]
    if missing:
        detail = f"source {' and '.join(missing)} of scene {scene!r} was rejected"
        return [], rejects + [Reject("source_rejected", detail, r.found) for r in read]
    a, b = (sources[modality] for modality in modalities[:2])
    if a.size != b.size:
        detail = (
            f"the sources of scene {scene!r} differ in size: {a.found.name} is {_size(a)}, "
            f"{b.found.name} is {_size(b)} (height x width); register them first"
        )
        return [], rejects + [Reject("source_sizes_differ", detail, r.found) for r in read]
    admitted = [r for r in read if r.size == a.size]
    rejects += [
        Reject(
            "size_mismatch",
            f"is {_size(r)} (height x width), its scene {scene!r} is {_size(a)}; "
            "it is not resized in silence",
            r.found,
        )
        for r in read
        if r.size != a.size
    ]
    return admitted, rejects


def _size(read: ReadFile) -> str:
    return f"{read.size[0]}x{read.size[1]}"

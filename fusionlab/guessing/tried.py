"""Trying a manifest by the code that ingest uses: what it would read, and what is left over."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fusionlab.ingest.find import find
from fusionlab.ingest.tree import FileTree

if TYPE_CHECKING:
    from pathlib import Path

    from fusionlab.ingest.manifest import Manifest

_EXAMPLES = 5


@dataclass(frozen=True)
class Tried:
    """What ingest would make of a folder.

    Attributes
    ----------
    scenes, files : how many there are.
    sources : modality -> scenes that have it.
    methods : method -> scenes that it covers.
    truths : scenes with a truth.
    rejected : reason -> count.
    examples : a few rejected files.
    """

    scenes: int
    files: int
    sources: dict[str, int]
    methods: dict[str, int]
    truths: int
    rejected: dict[str, int]
    examples: tuple[str, ...]


def try_manifest(manifest: Manifest, root: Path) -> Tried:
    """Match all files below `root`."""
    with FileTree(root, manifest.enters) as tree:
        findings = find(manifest, tree)
    counts = Counter((f.role, f.name) for scene in findings.scenes for f in scene.files)
    rejects = findings.rejects
    return Tried(
        len(findings.scenes),
        counts.total(),
        {modality: counts["source", modality] for modality in manifest.sources},
        {name: count for (role, name), count in sorted(counts.items()) if role == "method"},
        sum(count for (role, _), count in counts.items() if role == "reference"),
        dict(sorted(Counter(reject.reason for reject in rejects).items())),
        tuple((r.found.file if r.found else r.file) for r in rejects[:_EXAMPLES]),
    )

"""Labs of sources alone, for those who have no outputs of methods."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers import write_dataset

from fusionlab.ingest import ingest, load_manifest
from fusionlab.lab import Lab


@pytest.fixture
def bare_lab() -> Callable[..., Lab]:
    """Return a function that makes a lab by a manifest that knows no candidates."""

    def bare(folder: Path, **options: object) -> Lab:
        manifest = write_dataset(folder / "images", methods=(), **options)
        lines = manifest.read_text().splitlines()
        manifest.write_text("\n".join(line for line in lines if not line.startswith("candidates")))
        lab = Lab.create(folder / "lab")
        ingest(*load_manifest(manifest), lab)
        return lab

    return bare

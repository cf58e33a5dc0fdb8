"""From folders of images, as people have them, to a lab's store and index."""

from fusionlab.ingest.checks import ALIGN_RULES, Checks
from fusionlab.ingest.load import ingest, preview
from fusionlab.ingest.manifest import Manifest, load_manifest
from fusionlab.ingest.report import IngestReport
from fusionlab.ingest.shipped import (
    Shipped,
    find_manifest,
    listed_manifests,
    name_and_root,
    shipped_manifests,
)

__all__ = [
    "ALIGN_RULES",
    "Checks",
    "IngestReport",
    "Manifest",
    "Shipped",
    "find_manifest",
    "ingest",
    "listed_manifests",
    "load_manifest",
    "name_and_root",
    "preview",
    "shipped_manifests",
]

"""From folders of images, as people have them, to a lab's store and index."""

from fusionlab.ingest.load import IngestReport, ingest, preview
from fusionlab.ingest.manifest import Manifest, load_manifest

__all__ = ["IngestReport", "Manifest", "ingest", "load_manifest", "preview"]

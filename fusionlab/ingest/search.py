"""The scenes of a data set as candidates are looked up in; made when the first one is."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from fusionlab.ingest.rejects import Reject
from fusionlab.inspection.likeness import Descriptor, describe
from fusionlab.inspection.match import SceneFinder
from fusionlab.inspection.statistics import gray_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from fusionlab.ingest.find import FoundFile, FoundScene
    from fusionlab.ingest.read import Reader


class SceneSearch:
    """Looks candidates up among all scenes of a data set.

    Most candidates are explained by their own scene so well that no other need be looked at; the
    descriptors of all scenes are made when one is not.

    Parameters
    ----------
    describe_all : yields (scene name, descriptor) of all scenes that can be read.
    """

    def __init__(self, describe_all: Callable[[], Iterable[tuple[str, Descriptor]]]) -> None:
        self._describe_all = describe_all
        self._lock = threading.Lock()
        self._finder: SceneFinder | None = None

    def assign(self, candidate: Descriptor) -> str | None:
        """Return the scene that explains the candidate clearly better than all others, or None."""
        return self.finder().assign(candidate)

    def finder(self) -> SceneFinder:
        """Return the finder over all scenes."""
        with self._lock:
            if self._finder is None:
                self._finder = SceneFinder(self._describe_all())
            return self._finder


def describe_files(reader: Reader, scene: FoundScene) -> Descriptor | None:
    """Return the descriptor of a scene by its source files; None where they cannot be read."""
    images = [reader.read(found) for found in scene.files if found.role == "source"]
    good = [gray_of(image.pixels) for image in images if not isinstance(image, Reject)]
    return describe(good) if len(good) == len(images) else None


def find_home(reader: Reader, found: FoundFile, search: SceneSearch) -> str | Reject | None:
    """Return the scene that a candidate shows; None where that is not clear."""
    image = reader.read(found)
    return image if isinstance(image, Reject) else search.assign(describe([gray_of(image.pixels)]))

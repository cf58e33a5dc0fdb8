"""An image that ingest lets in, and one that shows another scene than its name says."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from fusionlab.images import DecodedImage, Pixels, digest
from fusionlab.ingest.checks import Facts

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.ingest.find import FoundFile
    from fusionlab.ingest.read import OpenedFile
    from fusionlab.inspection.statistics import Statistics


@dataclass(frozen=True, slots=True)
class Admitted:
    """One image of a scene.

    Attributes
    ----------
    pixels : as they are stored; None when the lab has them already.
    digest : of the pixels.
    columns : what the index says of pixels and file, but for the place in the store; empty when
        all of it stands in `known`.
    facts : what inspection found.
    known : the row of the index for the same scene, role and name, or None.
    statistics : what fingerprints are judged by, of a candidate that was decoded just now.
    """

    found: FoundFile
    pixels: Pixels | None
    digest: str
    columns: Mapping[str, Any]
    facts: Facts
    known: Mapping[str, Any] | None
    statistics: Statistics | None = None

    @classmethod
    def new(
        cls,
        opened: OpenedFile,
        image: DecodedImage,
        pixels: Pixels,
        facts: Facts,
        known: Mapping[str, Any] | None,
        statistics: Statistics | None = None,
    ) -> Admitted:
        """Return an image that was decoded (and brought to fit as `pixels`) just now."""
        named = opened.found.named
        notes = (*image.notes, f"named:{named}") if named else image.notes
        columns = {
            **_columns(pixels),
            "file_digest": opened.digest,
            "file_format": image.file_format,
            "file_mode": image.file_mode,
            "notes": ",".join(notes),
        }
        return cls(opened.found, pixels, columns["digest"], columns, facts, known, statistics)

    @classmethod
    def standing(cls, found: FoundFile, known: Mapping[str, Any]) -> Admitted:
        """Return an image that is in the lab as it should be."""
        return cls(found, None, known["digest"], {}, Facts.of(known), known)

    @property
    def row(self) -> Mapping[str, Any]:
        """Return what the index says of it, as it was found now or stands."""
        return {**(self.known or {}), **self.columns}

    def aligned(self, pixels: Pixels, facts: Facts) -> Admitted:
        """Return the image as it was brought to fit its scene."""
        columns = {**self.columns, **_columns(pixels)}
        return replace(self, pixels=pixels, digest=columns["digest"], columns=columns, facts=facts)

    def without_stored_pixels(self) -> Admitted:
        """Return the image without its pixels where the lab has the very same ones."""
        same = self.known is not None and self.known["digest"] == self.digest
        return replace(self, pixels=None) if same else self


def _columns(pixels: Pixels) -> dict[str, Any]:
    return {
        "height": pixels.shape[0],
        "width": pixels.shape[1],
        "channels": 1 if pixels.ndim == 2 else pixels.shape[2],
        "dtype": str(pixels.dtype),
        "digest": digest(pixels),
    }


@dataclass(frozen=True, slots=True)
class Misfit:
    """A candidate that does not show its scene.

    Attributes
    ----------
    detail : one sentence: what was found.
    """

    found: FoundFile
    detail: str

"""Pixels of the lab that are what the index says, or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionlab.errors import LabError
from fusionlab.images import digest
from fusionlab.store import Address

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.images import Pixels
    from fusionlab.lab import Lab


def read_checked(lab: Lab, row: Mapping[str, Any]) -> Pixels:
    """Return the image of one row of the index.

    Raises
    ------
    LabError
        When it cannot be read, or its pixels have another digest.
    """
    pixels = lab.images.read(Address.of(row))
    if digest(pixels) != row["digest"]:
        raise LabError(
            f"{lab.path}: {row['name']} of scene {row['scene']} is not the image that the index "
            "means; see: fusionlab verify, then ingest again with --force"
        )
    return pixels

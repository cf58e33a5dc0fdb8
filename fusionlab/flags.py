"""The codes that ingest gives to what was done to an image, and what each says.

A policy names them, the audit counts them, the documentation lists them.
"""

from __future__ import annotations

#: Code -> what it says, for people.
FLAGS = {
    "stretched": "its levels were spread to the full range, which no source spans",
    "clipped": "far more of it is pure black or pure white than of its sources",
    "gray_as_rgb": "a gray image that was saved with three equal channels",
    "near_gray": "three channels that differ by a few levels: gray but for rounding",
    "colour_lost": "gray, although a source is coloured",
    "colour_cast": "its colours are shifted or turned against the coloured source",
    "jpeg": "the file is a JPEG",
    "jpeg_trace": "the file is lossless, its pixels were a JPEG before",
    "soft": "finest detail is missing: it was blurred, or enlarged from a smaller image",
    "source_copy": "one of its sources, up to the noise of compression",
    "near_duplicate": "another candidate of the scene, up to the noise of compression",
    "identical": "the same pixels as another candidate of the scene",
    "unregistered": "a source that is displaced against the first, and was taken all the same",
    "mosaic": "put together of several candidates by fusionlab; no policy chooses it",
    "refined": "a label that fusionlab repaired; no policy chooses it",
}

#: Of them, those of images that fusionlab made of a choice, and that no policy may choose from.
MADE_OF_LABELS = frozenset({"mosaic", "refined"})

#: Who may have chosen a label besides people.
NO_PERSON = frozenset({"policy", *MADE_OF_LABELS})


def split_flags(text: str) -> list[str]:
    """Return the codes of the index's column ``flags``."""
    return [code for code in text.split(",") if code]

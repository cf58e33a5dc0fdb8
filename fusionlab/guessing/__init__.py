"""From a folder of images to the manifest that describes it, with the reasons for every part."""

from fusionlab.guessing.each import Found, guess_each
from fusionlab.guessing.guess import (
    DOUBTFUL,
    LIKELY,
    SURE,
    Guess,
    Part,
    guess_manifest,
)
from fusionlab.guessing.tried import Tried
from fusionlab.guessing.writing import manifest_text, write_guess

__all__ = [
    "DOUBTFUL",
    "LIKELY",
    "SURE",
    "Found",
    "Guess",
    "Part",
    "Tried",
    "guess_each",
    "guess_manifest",
    "manifest_text",
    "write_guess",
]

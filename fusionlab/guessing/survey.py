"""What lies under a folder: its images by folder and name, and all else by ending."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from fusionlab.images import SUFFIXES
from fusionlab.ingest.members import is_archive

if TYPE_CHECKING:
    from fusionlab.ingest.tree import FileTree

#: So many files are looked at; a pattern shows long before.
MAX_FILES = 200_000

#: Counted as images, though ingest may turn them away: a person would take them for such.
_ENDINGS = SUFFIXES | {".gif", ".dcm"}
_NOT_LITERAL = set("{}*")


@dataclass
class Survey:
    """The files of a tree.

    Attributes
    ----------
    folders : folder -> file name without ending -> path; images only.
    others : ending -> paths of files that are no images.
    odd : images whose path holds ``{``, ``}`` or ``*``, which no pattern can spell.
    complete : whether all files were looked at.
    """

    folders: dict[str, dict[str, str]] = field(default_factory=lambda: defaultdict(dict))
    others: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    odd: list[str] = field(default_factory=list)
    complete: bool = True

    @property
    def images(self) -> int:
        """Return how many images there are."""
        return sum(map(len, self.folders.values())) + len(self.odd)


def survey(tree: FileTree, limit: int = MAX_FILES) -> Survey:
    """Walk a tree, up to `limit` files."""
    found = Survey()
    for number, path in enumerate(islice(tree.walk(), limit + 1)):
        if number == limit:
            found.complete = False
            break
        pure = PurePosixPath(path)
        ending = pure.suffix.lower()
        if ending not in _ENDINGS:
            found.others[ending].append(path)
        elif _NOT_LITERAL & set(path):
            found.odd.append(path)
        else:
            folder = "" if str(pure.parent) == "." else str(pure.parent)
            found.folders[folder][pure.stem] = path
    return found


def walks_into(path: str) -> bool:
    """Tell whether to look inside an archive: where its list of members is cheap to read."""
    return is_archive(path) and path.lower().endswith((".zip", ".tar"))

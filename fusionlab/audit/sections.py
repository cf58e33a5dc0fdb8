"""What a page is made of: sections with words, figures and tables."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fusionlab.audit.cells import Cell, Column, Table
    from fusionlab.audit.figures import Figure


@dataclass(frozen=True)
class Tabled:
    """A table with its caption; a folded one is opened by the reader."""

    table: Table
    caption: str
    folded: bool = False


@dataclass(frozen=True)
class Listed:
    """One scene in a list of scenes.

    Attributes
    ----------
    name, href, thumb : the scene, its page and its label's picture; an empty one is not drawn.
    cells : what stands in the columns of the list.
    words : what the search looks in, in small letters.
    """

    name: str
    href: str
    thumb: str
    cells: list[Cell]
    words: str


@dataclass(frozen=True)
class Scenes:
    """A list of scenes that can be searched and sorted."""

    columns: list[Column]
    rows: list[Listed]


@dataclass(frozen=True)
class Section:
    """A part of a page; one without anything to show is not drawn."""

    title: str
    text: list[str] = field(default_factory=list)
    figures: list[Figure] = field(default_factory=list)
    tables: list[Tabled] = field(default_factory=list)
    scenes: Scenes | None = None
    code: str = ""

    @property
    def anchor(self) -> str:
        """Return the section's name in links."""
        return "-".join(self.title.lower().split())

    @property
    def empty(self) -> bool:
        """Tell whether there is nothing but words."""
        shown = any(tabled.table.rows for tabled in self.tables) or self.figures or self.code
        return not (shown or (self.scenes and self.scenes.rows))


@dataclass(frozen=True)
class Page:
    """One page of sections.

    Attributes
    ----------
    title, kicker : the heading, and what stands in small above it.
    crumbs : (name, href) of the pages above, without the overview.
    abstract : paragraphs under the heading.
    facts : name -> text.
    """

    title: str
    kicker: str
    crumbs: list[tuple[str, str]]
    abstract: list[str]
    facts: Mapping[str, str]
    sections: list[Section]

    @property
    def shown(self) -> list[Section]:
        """Return the sections that have something to show."""
        return [section for section in self.sections if not section.empty]

"""File-name patterns with ``{scene}``, ``{method}`` and ``{slice}``.

A pattern is a path relative to the manifest's root. The placeholders and ``*`` each match one or
more (``*``: any number of) characters within one path segment; a placeholder that stands twice
must match the same text; a final ``.*`` matches any one extension, and extensions match without
case. ``{slice}`` is optional: with it, the scene is ``{scene}_{slice}``.
"""

from __future__ import annotations

import functools
import posixpath
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from collections.abc import Set as AbstractSet

_TOKEN = re.compile(r"\{([^{}]*)\}|\*")
_SLICE = "slice"
_EXTENSION = re.compile(r"\.[A-Za-z0-9]+$")


@dataclass(frozen=True, slots=True)
class Match:
    """What the placeholders stood for in one path; `method` is empty where there is none."""

    scene: str
    method: str


@dataclass(frozen=True)
class Pattern:
    """One parsed pattern. Make it with `Pattern.parse`."""

    text: str

    @classmethod
    def parse(cls, text: str, placeholders: set[str]) -> Pattern:
        """Check and parse `text`, which must hold exactly `placeholders`, and may hold ``slice``.

        Raises
        ------
        ValueError
            When a placeholder is missing or unknown, or the path is absolute or climbs upwards.
        """
        found = {name for name in _TOKEN.findall(text) if name}
        wanted = " and ".join(f"{{{name}}}" for name in sorted(placeholders))
        unknown = found - placeholders - {_SLICE}
        if "{}" in text or unknown:
            odd = ", ".join(f"{{{name}}}" for name in sorted(unknown)) or "{}"
            raise ValueError(f"pattern {text!r} has {odd}; it takes {wanted}")
        if placeholders - found:
            raise ValueError(f"pattern {text!r} lacks a placeholder; it needs {wanted}")
        if text.startswith("/") or ".." in text.split("/"):
            raise ValueError(f"pattern {text!r} must be relative to root and not climb out of it")
        return cls(posixpath.normpath(text))

    @property
    def specificity(self) -> int:
        """Return how many characters are literal: of two patterns, the higher one takes a file."""
        return len(_TOKEN.sub("", self.text))

    def match(self, path: str, scenes: AbstractSet[str] = frozenset()) -> Match | None:
        """Match a path relative to root.

        Where a name could be cut in several ways (``{scene}_{method}`` on ``a_b_c.png``), the
        longest scene among `scenes` wins; without one, the longest possible.
        """
        if self._ambiguous:
            for scene in self._scenes_within(path, scenes):
                if found := self._regex(scene).fullmatch(path):
                    return Match(scene, found.groupdict().get("method", ""))
        found = self._regex(None).fullmatch(path)
        if not found:
            return None
        named = found.groupdict()
        scene = f"{named['scene']}_{named[_SLICE]}" if _SLICE in named else named["scene"]
        return Match(scene, named.get("method", ""))

    def enters(self, path: str) -> bool:
        """Tell whether the pattern goes on inside the archive or volume at `path`.

        It does where the name has an ending there: ``methods/{method}.zip/{scene}.*``.
        """
        depth = path.count("/") + 1
        parts = self.text.split("/")
        outer = "/".join(parts[:depth])
        named = outer.endswith(".*") or _EXTENSION.search(outer) is not None
        return named and len(parts) > depth and bool(Pattern(outer)._regex(None).fullmatch(path))

    @functools.cached_property
    def _ambiguous(self) -> bool:
        if f"{{{_SLICE}}}" in self.text:
            return False
        body = self.text.removesuffix(".*")
        return any(len(_TOKEN.findall(segment)) > 1 for segment in body.split("/"))

    def _scenes_within(self, path: str, scenes: AbstractSet[str]) -> Iterator[str]:
        """Yield the known scenes that occur in a segment of `path`, longest first."""
        found = {
            segment[i:j]
            for segment in path.split("/")
            for i in range(len(segment))
            for j in range(i + 1, len(segment) + 1)
            if segment[i:j] in scenes
        }
        yield from sorted(found, key=lambda scene: (-len(scene), scene))

    @functools.lru_cache(maxsize=4096)  # noqa: B019  patterns are few and live as long as a run
    def _regex(self, scene: str | None) -> re.Pattern[str]:
        body, extension = self._split_extension()
        parts, end, seen = [], 0, set[str]()
        for token in _TOKEN.finditer(body):
            parts.append(re.escape(body[end : token.start()]))
            parts.append(_token_regex(token[1], scene, seen))
            end = token.end()
        parts.append(re.escape(body[end:]))
        return re.compile("".join(parts) + extension)

    def _split_extension(self) -> tuple[str, str]:
        if self.text.endswith(".*"):
            return self.text[:-2], r"\.[^./]+"
        if found := _EXTENSION.search(self.text):
            return self.text[: found.start()], f"(?i:{re.escape(found[0])})"
        return self.text, ""


def _token_regex(name: str | None, scene: str | None, seen: set[str]) -> str:
    if not name:
        return "[^/]*?"
    if name == "scene" and scene is not None:
        return re.escape(scene)
    if name in seen:
        return f"(?P={name})"
    seen.add(name)
    return "(?P<scene>[^/]+)" if name == "scene" else f"(?P<{name}>[^/]+?)"

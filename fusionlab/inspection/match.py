"""Which scene a candidate shows, by content: wrong scenes are found, right ones can be assigned.

A candidate is compared with its own scene and with all others of the data set by `likeness.fits`.
It is of another scene when that one explains it better by `MARGIN`; it fits none when its own scene
explains it no better than chance and no other does either. A tie is never an alarm: of two scenes
that look alike, adjacent slices of one patient, both explain it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from fusionlab.inspection.likeness import (
    Descriptor,
    Models,
    chance,
    cropped,
    describe,
    fits,
    texture,
)
from fusionlab.inspection.shortlist import Shortlist

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence

    from numpy.typing import NDArray

# Calibrated on 1,265 correctly named outputs of 19 public data sets, each against all scenes of its
# set, and checked on 3,392 fusions made of 848 other pairs (`benchmarks/matching.py --train`).

#: Another scene must explain a candidate better by this. Every true scene led by 0.156 or more
#: (least for PET and MRI slices of one patient; 0.204 outside medicine), so no true one is near.
MARGIN = 0.08

#: A fit from here on is taken as explained. Wrong scenes reach 0.43 outside medicine. Two heads
#: reach 0.77: that a head is none of the set's cannot be told by this, only that it is another one.
FLOOR = 0.5

#: Below `FLOOR`, the fit must beat the mirror images by this. True scenes: 0.20 or more, though the
#: fit is 0.34 (NSCT_SR and CBF of a night scene). Wrong ones: 0.09 at the most outside medicine.
EXCESS = 0.13

#: Smaller or flatter than this (pixels; standard deviation in levels), nothing can be told.
MIN_SIDE = 32
MIN_TEXTURE = 2.0

_CLOSER_LOOKS = 4
_CROP = 0.9

Verdict = Literal["own", "other", "none", "cannot_tell"]


@dataclass(frozen=True, slots=True)
class Explained:
    """How a candidate stands to the scenes of its data set.

    Attributes
    ----------
    own_fit : how well the scene that its name says explains it, 0..1; 0 where it names none.
    own_chance : what its mirror images reach on that scene; 0 where the fit is `FLOOR` or more.
    best_scene, best_fit : the other scene that explains it best; "" and 0 where there is none or
        the search was not needed.
    verdict : ``own``, ``other`` (`best_scene` explains it clearly better), ``none`` (no scene
        explains it better than chance), ``cannot_tell`` (flat or tiny).
    """

    own_fit: float
    own_chance: float
    best_scene: str
    best_fit: float
    verdict: Verdict

    @property
    def is_misfit(self) -> bool:
        """Whether it clearly shows something else than its own scene."""
        return self.verdict in ("other", "none")


def fit(candidate: NDArray[Any], sources: Sequence[NDArray[Any]]) -> float:
    """Return how well the sources explain the candidate: 1 wholly, 0 not at all or flat.

    The window-wise R2 of `fusionlab.inspection.likeness`. A candidate of another size is compared
    as a resized copy and, where it is at most a tenth smaller, as a crop; the best counts.

    Parameters
    ----------
    candidate : (H, W) luminance, 0..255.
    sources : one or more luminances of one scene.
    """
    return _own_fit(describe([candidate]), describe(sources))[0]


class SceneFinder:
    """The scenes of one data set, some 11 kB each, to look candidates up in.

    Parameters
    ----------
    scenes : (name, `describe` of its sources); names are taken once.
    """

    def __init__(self, scenes: Iterable[tuple[str, Descriptor]]) -> None:
        given = dict(scenes)
        self._names = sorted(given)
        listed = [given[name] for name in self._names]
        self._models = Models.of(listed)
        self._shortlist = Shortlist.of(listed)
        views = zip(self._names, listed, self._models.thumbs, strict=True)
        self._scenes = {name: replace(d, thumbs=t[: len(d.thumbs)]) for name, d, t in views}

    def __len__(self) -> int:
        return len(self._names)

    def __contains__(self, name: str) -> bool:
        return name in self._scenes

    def explain(
        self, candidate: Descriptor, own_scene: str = "", own: Descriptor | None = None
    ) -> Explained:
        """Compare a candidate with the scene that its name says, and with all others.

        Parameters
        ----------
        own_scene : a name the finder may not know; the candidate is then looked up only.
        own : what to compare with as that scene, such as a part of it; else the whole.
        """
        own = own or self._scenes.get(own_scene)
        own_fit, own_chance = _own_fit(candidate, own) if own else (0.0, 0.0)
        if clear := _clear(candidate, own, own_fit, own_chance):
            return clear
        best = next(iter(self._ranked(candidate, own_scene)), ("", 0.0, 0.0))
        verdict = _verdict(own_fit, own_chance, best)
        return Explained(own_fit, own_chance, best[0], best[1], verdict)

    def assign(self, candidate: Descriptor) -> str | None:
        """Return the scene that explains the candidate clearly better than all others, or None."""
        if not _tells(candidate):
            return None
        ranked = self._ranked(candidate, "")
        if not ranked or not _explains(*ranked[0][1:]):
            return None
        clear = len(ranked) == 1 or ranked[0][1] - ranked[1][1] >= MARGIN
        return ranked[0][0] if clear else None

    def _ranked(self, candidate: Descriptor, but: str) -> list[tuple[str, float, float]]:
        """Return the few scenes other than `but` that explain it best: name, fit and chance."""
        listed = self._shortlist.nearest(candidate.thumbs[0])
        found = fits(candidate.thumbs[0], self._models.part(listed))
        order = listed[np.argsort(-found, kind="stable")][: _CLOSER_LOOKS + 1]
        names = [name for name in (self._names[i] for i in order) if name != but]
        looked = [(name, *_own_fit(candidate, self._scenes[name])) for name in names]
        return sorted(looked, key=lambda scene: (-scene[1], scene[0]))


def explain(
    candidate: Descriptor, own: Descriptor, own_scene: str, finder: Callable[[], SceneFinder]
) -> Explained:
    """Compare a candidate with its own scene, and with all others only where that leaves a doubt.

    Parameters
    ----------
    own : what `own_scene` is described by.
    finder : gives all scenes; called when they are needed.
    """
    own_fit, own_chance = _own_fit(candidate, own)
    return _clear(candidate, own, own_fit, own_chance) or finder().explain(
        candidate, own_scene, own
    )


def _clear(
    candidate: Descriptor, own: Descriptor | None, own_fit: float, own_chance: float
) -> Explained | None:
    """Return the verdict where no other scene can change it."""
    if not _tells(candidate) or (own and not _textured(own)):
        return Explained(own_fit, own_chance, "", 0.0, "cannot_tell")
    if own_fit + MARGIN > 1:  # nothing can explain it clearly better
        return Explained(own_fit, own_chance, "", 0.0, "own")
    return None


def _own_fit(candidate: Descriptor, scene: Descriptor) -> tuple[float, float]:
    """Return fit and chance, of the better of the views that the sizes allow.

    Chance is only looked for where the fit alone does not tell.
    """
    thumb = candidate.thumbs[0]
    looked = [Models.of([view]) for view in _views(candidate.size, scene)]
    found = [float(fits(thumb, models)[0]) for models in looked]
    best = int(np.argmax(found))
    by_chance = float(chance(thumb, looked[best])[0]) if found[best] < FLOOR else 0.0
    return found[best], by_chance


def _views(size: tuple[int, int], scene: Descriptor) -> list[Descriptor]:
    """Return the scene as a whole and, for a slightly smaller candidate, its likely crops."""
    height, width = size
    smaller = height <= scene.height and width <= scene.width and size != scene.size
    if not smaller or height < _CROP * scene.height or width < _CROP * scene.width:
        return [scene]
    y, x = (scene.height - height) // 2, (scene.width - width) // 2
    return [scene, cropped(scene, 0, 0, *size), cropped(scene, y, x, *size)]


def _tells(candidate: Descriptor) -> bool:
    return min(candidate.size) >= MIN_SIDE and texture(candidate.thumbs[0]) >= MIN_TEXTURE


def _textured(scene: Descriptor) -> bool:
    return any(texture(thumb) >= MIN_TEXTURE for thumb in scene.thumbs)


def _explains(own: float, by_chance: float) -> bool:
    return own >= FLOOR or own - by_chance >= EXCESS


def _verdict(own_fit: float, own_chance: float, best: tuple[str, float, float]) -> Verdict:
    name, best_fit, best_chance = best
    if name and best_fit - own_fit >= MARGIN and _explains(best_fit, best_chance):
        return "other"
    return "own" if _explains(own_fit, own_chance) else "none"

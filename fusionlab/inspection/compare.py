"""Whether a candidate shows its scene, and where it lies on it: matching and alignment together."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fusionlab.inspection.align import Alignment, recognise
from fusionlab.inspection.likeness import Descriptor, describe
from fusionlab.inspection.match import Explained, SceneFinder, explain

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray


def compare(
    candidate: NDArray[Any],
    sources: Sequence[NDArray[Any]],
    own: Descriptor,
    own_scene: str,
    finder: Callable[[], SceneFinder],
) -> tuple[Explained, Alignment | None]:
    """Compare a candidate with its scene, and with all others where that leaves a doubt.

    A thumbnail of a crop does not match one of the whole scene. So a candidate of another size is
    compared once more, with the part that it seems to show; the better fit counts.

    Parameters
    ----------
    candidate : (h, w) gray, 0..255.
    sources : of its scene, (H, W) each.
    own, own_scene : what `describe` says of them, and the scene's name.
    finder : gives all scenes; called when they are needed.

    Returns
    -------
    Whose scene it is, and how it lies on its own; None for one of its scene's size, or where
    content supports no guess.
    """
    explained = explain(describe([candidate]), own, own_scene, finder)
    if candidate.shape == sources[0].shape:
        return explained, None
    alignment = recognise(candidate, sources)
    if alignment is not None and alignment.alignable:
        y, x, h, w = alignment.region
        part = describe([source[y : y + h, x : x + w] for source in sources])
        again = explain(describe([alignment.apply(candidate)]), part, own_scene, finder)
        explained = max(explained, again, key=lambda found: found.own_fit)
    return explained, alignment
